package webhook_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"flexbridge/webhook"
)

// sign is Twilio's algorithm written down a second time, from its page "Webhooks
// security": the URL, then each name and value, sorted by name, under HMAC-SHA1.
func sign(token, address string, form url.Values) string {
	var names []string
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(address))
	for _, name := range names {
		mac.Write([]byte(name + form.Get(name)))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func signForm(token, address, body string) string {
	form, _ := url.ParseQuery(body) // a body that is no form is signed by what can be read of it
	return sign(token, address, form)
}

func TestSignOnKnownVectors(t *testing.T) {
	rows := []struct{ token, address, body, want string }{
		// The example of Twilio's page.
		{"12345", "https://example.com/myapp.php?foo=1&bar=2",
			"CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310&To=%2B18005551212",
			"L/OH5YylLD5NRKLltdqwSvS0BnU="},
		{"test_auth_token", "https://bridge.example.com/twilio/events?tenant=a%20b",
			"Author=ann_2Eveal_40example_2Ecom&Body=hi+%2B+caf%C3%A9+%26+more+&ConversationSid=CH00000000000000000000000000000001&EventType=onMessageAdded&Index=0&Source=SDK",
			"glG/3+uKA+sc2XbNFLTKlGpZNkc="},
		{"test_auth_token", "https://bridge.example.com/twilio/events?bodySHA256=015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862",
			"", "Z2YVgmXQCRLsxxF4hNU1EpBoTz4="},
	}
	for _, row := range rows {
		if got := signForm(row.token, row.address, row.body); got != row.want {
			t.Errorf("sign(%s) = %s, want %s", row.address, got, row.want)
		}
	}
}

const goodForm = "AccountSid=" + account + "&Author=ann&Body=hi&ConversationSid=" + conversation +
	"&EventType=onMessageAdded&Index=0&MessageSid=IM00000000000000000000000000000001&Source=SDK"

// What Twilio signs is accepted however it is spelt.
func TestAccepts(t *testing.T) {
	tag := keyring(t).HookURL("/twilio/webhook", conversation)
	rows := map[string]struct{ public, target, token, body string }{
		"plain":              {body: goodForm},
		"secondary token":    {token: secondary, body: goodForm},
		"query":              {target: "/twilio/webhook?tenant=a%20b&x=%2B", body: goodForm},
		"a query of nothing": {target: "/twilio/webhook?", body: goodForm},
		"our tag":            {target: tag, body: goodForm},
		"unicode":            {body: goodForm + "&Attributes=" + url.QueryEscape(`{"a":"João 😀 عربى"}`)},
		"plus, and, percent": {body: goodForm + "&FriendlyName=1%2B1+%3D+2+%26+50+%25+"},
		"empty values":       {body: goodForm + "&Attributes=&FriendlyName"},
		"trailing space":     {body: goodForm + "&FriendlyName=+x+"},
		"other order":        {body: "Source=SDK&" + strings.Replace(goodForm, "&Source=SDK", "", 1)},
		"a port":             {public: "https://bridge.example.com:8443", body: goodForm},
		"http":               {public: "http://127.0.0.1:5002", body: goodForm},
		"a base path":        {public: "https://example.com/bridge", body: goodForm},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			row.public, row.target = or(row.public, public), or(row.target, "/twilio/webhook")
			cfg.PublicURL = row.public
			r := post(row.target, row.body)
			r.Header.Set("X-Twilio-Signature", signForm(or(row.token, primary), row.public+row.target, row.body))
			accepted(t, cfg, r)
		})
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func accepted(t *testing.T, cfg webhook.Config, r *http.Request) {
	t.Helper()
	d := &desk{}
	h, server := newHandler(t, cfg, d)
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	if w.Code != http.StatusNoContent || w.Body.Len() != 0 || len(d.events) != 1 {
		t.Errorf("POST = %d %q, %d events, want 204, empty, 1", w.Code, w.Body, len(d.events))
	}
	only(t, h, webhook.MessageAdded)
}

// Twilio drops an implied port for some products and not for others; the
// signature holds either way.
func TestAcceptsSignatureWithImpliedPort(t *testing.T) {
	r := post("/twilio/webhook", goodForm)
	r.Header.Set("X-Twilio-Signature", signForm(primary, "https://bridge.example.com:443/twilio/webhook", goodForm))
	accepted(t, config(t), r)
}

// A proxy's or an attacker's idea of the host is of no account.
func TestHostDoesNotMatter(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"Host":              func(r *http.Request) { r.Host = "evil.example.com" },
		"X-Forwarded-Host":  func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "evil.example.com") },
		"X-Forwarded-Proto": func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "http") },
		"Forwarded":         func(r *http.Request) { r.Header.Set("Forwarded", "host=evil.example.com;proto=http") },
		"absolute form":     func(r *http.Request) { r.URL.Scheme, r.URL.Host = "http", "evil.example.com" },
	} {
		t.Run(name, func(t *testing.T) {
			r := post("/twilio/webhook", goodForm)
			change(r)
			accepted(t, config(t), r)
		})
	}
}

// JSON is signed in another way. No Conversations webhook is JSON, so it is
// acknowledged, but only with a signature and a body that match.
func TestJSON(t *testing.T) {
	const body = `{"a":1}`
	sum := sha256.Sum256([]byte(body))
	target := "/twilio/webhook?bodySHA256=" + hex.EncodeToString(sum[:])
	signature := sign(primary, public+target, nil)
	for name, row := range map[string]struct {
		body, signature string
		status          int
		outcome         webhook.Outcome
	}{
		"good":            {body, signature, http.StatusNoContent, webhook.JSONEvent},
		"other body":      {`{"a":2}`, signature, http.StatusForbidden, webhook.Forged},
		"no body":         {"", signature, http.StatusForbidden, webhook.Forged},
		"other signature": {body, sign("x", public+target, nil), http.StatusForbidden, webhook.Forged},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(row.body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Twilio-Signature", row.signature)
			d := &desk{}
			h, server := newHandler(t, config(t), d)
			w := httptest.NewRecorder()
			server.ServeHTTP(w, r)
			if w.Code != row.status || len(d.events) != 0 {
				t.Errorf("POST = %d, %d events, want %d and none", w.Code, len(d.events), row.status)
			}
			only(t, h, row.outcome)
		})
	}
}
