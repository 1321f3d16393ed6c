package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"flexbridge/bridge"
	"flexbridge/bridge/flex/flexsim"
	"flexbridge/webhook"
)

// trial is a webhook of an event that nobody waits for.
type trial struct {
	query string // of the URL it is posted to
	over  string // the URL it is signed over; empty: it is not signed
	token Secret
	means finding // if this one is accepted and the right one is not
}

// post sends a trial and returns the answer. The pretend Twilio's signature is the
// only one here that is made and not checked.
func (d *doctor) post(ctx context.Context, t trial) (status int, body string, err error) {
	form := url.Values{"AccountSid": {d.config.AccountSID}, "EventType": {"onDoctorAsked"}, "Source": {"API"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.config.PublicURL+webhook.Path+t.query, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if t.over != "" {
		r.Header.Set("X-Twilio-Signature", flexsim.Sign(string(t.token), t.over, form))
	}
	return d.do(r)
}

// query is that of the webhooks which we attach to conversations.
func (d *doctor) query() string {
	if d.config.WebhookScope == "console" {
		return ""
	}
	return "?" + bridge.HookParam + "=doctor"
}

// unsignedWebhook finds out whether a webhook comes to something that verifies it.
func (d *doctor) unsignedWebhook(ctx context.Context) finding {
	status, _, err := d.post(ctx, trial{})
	accepted := status >= 200 && status < 300
	switch {
	case err != nil:
		return silent(err)
	case accepted && d.config.WebhookVerify == observe:
		return warning("set WEBHOOK_VERIFY=enforce when the log shows that Twilio's own would be accepted", "one without a signature is acknowledged: WEBHOOK_VERIFY is observe")
	case accepted:
		return bad("set WEBHOOK_VERIFY=enforce in the service; if it is, something else answers in its place, and must not", "one without a signature is accepted")
	case status == http.StatusNotFound:
		return bad("let the proxy pass "+webhook.Path+" below PUBLIC_URL as it is", "%s is not found there: the path does not arrive", webhook.Path)
	case status != http.StatusForbidden:
		return bad("let the proxy pass POST "+webhook.Path+" to the service as it is", "one without a signature is answered with HTTP %d, not 403", status)
	}
	return ok("one without a signature is refused")
}

func (d *doctor) signedWebhook(ctx context.Context) finding {
	if d.config.WebhookVerify == observe {
		return finding{Status: unchecked, Text: "with WEBHOOK_VERIFY=observe every signature is acknowledged",
			Do: "see the outcome of Twilio's own webhooks in the log"}
	}
	status, body, err := d.post(ctx, trial{query: d.query(), over: d.config.hookURL() + d.query(), token: d.config.AuthToken})
	switch {
	case err != nil:
		return silent(err)
	case status >= 200 && status < 300:
		return ok("one signed as Twilio does is accepted")
	case status != http.StatusForbidden:
		return bad("let the proxy pass POST "+webhook.Path+" to the service as it is", "one signed as Twilio does is answered with HTTP %d", status)
	case strings.Contains(body, "header is missing"):
		return bad("let the proxy pass it on", "the header X-Twilio-Signature does not arrive")
	case strings.Contains(body, "another account"):
		return bad("start the service with this environment", "the service there has another TWILIO_ACCOUNT_SID")
	}
	for _, t := range d.trials() {
		if status, _, err := d.post(ctx, t); err == nil && status >= 200 && status < 300 {
			return t.means
		}
	}
	return bad("start the service with this environment; if it has it, see whether the proxy changes path, query or body",
		"the signature is refused: the service has another TWILIO_AUTH_TOKEN, or gets another URL than was called")
}

// trials are the likely ways in which the URL that the service sees, or its
// token, differs from ours.
func (d *doctor) trials() []trial {
	token, query := d.config.AuthToken, d.query()
	const same = "give PUBLIC_URL the same value here and in the service: the one that Twilio calls"
	other := *d.place()
	other.Scheme = map[string]string{"http": "https", "https": "http"}[other.Scheme]
	bare := *d.place()
	bare.Host = strings.TrimSuffix(bare.Host, ":"+bare.Port())
	root := *d.place()
	root.Path = ""
	all := []trial{
		{query, d.server.url + webhook.Path + query, token, bad(same, "the service there has the PUBLIC_URL %q", d.server.url)},
		{query, other.String() + webhook.Path + query, token, bad(same, "the service there has %s in PUBLIC_URL", other.Scheme)},
		{query, bare.String() + webhook.Path + query, token, bad(same, "the service there has no port in PUBLIC_URL")},
		{query, root.String() + webhook.Path + query, token, bad(same, "the service there has no path in PUBLIC_URL")},
		{query, d.config.hookURL(), token, bad("let the proxy pass the query as it is", "the query of the URL does not arrive")},
		{"", d.config.hookURL(), token, bad("let the proxy pass the query as it is", "the query of the URL is changed on its way")},
	}
	if second := d.config.AuthTokenSecondary; second != "" {
		all = append(all, trial{query, d.config.hookURL() + query, second,
			bad("start the service with this environment", "the service there knows TWILIO_AUTH_TOKEN_SECONDARY only")})
	}
	return all
}
