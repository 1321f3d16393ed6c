package webhook_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"flexbridge/webhook"
)

func observing(t testing.TB) webhook.Config {
	cfg := config(t)
	cfg.Observe = true
	return cfg
}

// observe posts an unsigned form to a handler that observes.
func observe(t testing.TB, body string) {
	t.Helper()
	d := &desk{}
	_, server := newHandler(t, observing(t), d)
	r := post("/twilio/webhook", body)
	r.Header.Del("X-Twilio-Signature")
	server.ServeHTTP(httptest.NewRecorder(), r)
	if len(d.events) != 0 || len(d.hints) > 1 {
		t.Errorf("delivered %v, hints %q, want nothing and at most one", d.events, d.hints)
	}
	for _, sid := range d.hints {
		if len(sid) != 34 || !strings.HasPrefix(sid, "CH") {
			t.Errorf("hint of %q, want a conversation's SID", sid)
		}
	}
}

// Under Observe only the proof that Twilio sent it may be missing, and what lacks
// it supplies nothing.
func TestObserve(t *testing.T) {
	unsigned := func(r *http.Request) *http.Request { r.Header.Del("X-Twilio-Signature"); return r }
	forged := func(r *http.Request) *http.Request { r.Header.Set("X-Twilio-Signature", "x"); return r }
	ours := keyring(t).HookURL(webhook.Path, conversation)
	others := keyring(t).HookURL(webhook.Path, "CH00000000000000000000000000000002")
	const state = "AccountSid=" + account + "&ConversationSid=" + conversation + "&EventType=onConversationStateUpdated&StateTo="
	for name, row := range map[string]struct {
		request *http.Request
		status  int
		outcome webhook.Outcome
		hint    bool
		events  int
	}{
		"signed":              {post(ours, goodForm), 204, webhook.MessageAdded, false, 1},
		"no signature":        {unsigned(with("")), 204, webhook.Unsigned, true, 0},
		"wrong signature":     {forged(with("")), 204, webhook.Forged, true, 0},
		"our tag":             {forged(post(ours, goodForm)), 204, webhook.Forged, true, 0},
		"another's tag":       {forged(post(others, goodForm)), 204, webhook.Foreign, false, 0},
		"signed, other tag":   {post(others, goodForm), 204, webhook.Foreign, false, 0},
		"closed":              {forged(post(ours, state+"closed")), 204, webhook.Forged, true, 0},
		"inactive":            {forged(post(ours, state+"inactive")), 204, webhook.Forged, false, 0},
		"JSON":                {forged(post("/twilio/webhook?bodySHA256=00", "{}")), 204, webhook.Forged, false, 0},
		"repeated name":       {unsigned(with("&Body=again")), 400, webhook.RepeatedName, false, 0},
		"repeated, signed":    {with("&Body=again"), 400, webhook.RepeatedName, false, 0},
		"malformed":           {unsigned(with("&x=%zz")), 400, webhook.Malformed, false, 0},
		"no conversation":     {unsigned(instead(conversation, "CHx")), 400, webhook.Malformed, false, 0},
		"a key for one":       {forged(instead(conversation, "CH0000000000000000000000000000000%7D")), 400, webhook.Malformed, false, 0},
		"other account":       {unsigned(instead(account, "AC"+strings.Repeat("f", 32))), 403, webhook.OtherAccount, false, 0},
		"too large":           {unsigned(with("&x=" + strings.Repeat("x", 256<<10))), 413, webhook.TooLarge, false, 0},
		"too many fields":     {unsigned(with(strings.Repeat("&x=1", 100))), 413, webhook.TooLarge, false, 0},
		"wrong method":        {unsigned(altered(func(r *http.Request) { r.Method = http.MethodGet })), 405, webhook.WrongMethod, false, 0},
		"wrong method signed": {altered(func(r *http.Request) { r.Method = http.MethodGet }), 405, webhook.WrongMethod, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{}
			h, server := newHandler(t, observing(t), d)
			w := httptest.NewRecorder()
			server.ServeHTTP(w, row.request)
			if w.Code != row.status || len(d.events) != row.events {
				t.Errorf("request = %d, %d events, want %d and %d", w.Code, len(d.events), row.status, row.events)
			}
			var hints []string
			if row.hint {
				hints = []string{conversation}
			}
			if !slices.Equal(d.hints, hints) {
				t.Errorf("hints = %q, want %q", d.hints, hints)
			}
			only(t, h, row.outcome)
		})
	}
}

// Nothing is hinted when the signature is enforced.
func TestEnforceDoesNotHint(t *testing.T) {
	for _, signature := range []string{"", "x"} {
		d := &desk{}
		_, server := newHandler(t, config(t), d)
		r := post(keyring(t).HookURL(webhook.Path, conversation), goodForm)
		r.Header.Set("X-Twilio-Signature", signature)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden || len(d.events)+len(d.hints) != 0 {
			t.Errorf("signature %q: %d, events %v, hints %q, want 403 and nothing", signature, w.Code, d.events, d.hints)
		}
	}
}

func TestObserveTellsWhy(t *testing.T) {
	for _, row := range []struct{ signature, outcome, hint string }{
		{"", "outcome=unsigned", "header is missing"},
		{"x", "outcome=forged", "PUBLIC_URL and TWILIO_AUTH_TOKEN"},
	} {
		var log bytes.Buffer
		cfg := observing(t)
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		_, server := newHandler(t, cfg, &desk{})
		r := with("")
		r.Header.Set("X-Twilio-Signature", row.signature)
		server.ServeHTTP(httptest.NewRecorder(), r)
		for _, part := range []string{"level=WARN", `msg="webhook would be refused"`, row.outcome, row.hint} {
			if !strings.Contains(log.String(), part) {
				t.Errorf("log = %q, want %q", &log, part)
			}
		}
	}
}
