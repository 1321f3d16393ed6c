package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/webhook"
)

// changed is a replica behind a proxy that changes the URL, so that no signature fits.
func changed(t *testing.T, verify string) (*world, *replica) {
	w := newWorld(t, nil, flexsim.Config{})
	proxy := newFront(t)
	proxy.adds = "&via=proxy"
	r := w.start(nil, func(c *Config) { c.PublicURL, c.WebhookVerify = proxy.URL, verify })
	proxy.to(r)
	return w, r
}

// answeredAll holds that every webhook so far, of which there is one, was answered so.
func (w *world) answeredAll(status int) {
	w.t.Helper()
	w.until(func() bool { return len(w.twilio.Webhooks()) > 0 })
	for _, d := range w.twilio.Webhooks() {
		if d.Status != status {
			w.t.Errorf("%s was answered %d (%v), want %d", d.Event(), d.Status, d.Err, status)
		}
	}
}

// TestObserve: replies are found although no webhook can be believed, and nothing
// that one says is taken over.
func TestObserve(t *testing.T) {
	w, r := changed(t, observe)
	first := w.asking(r, "ann", "may I?")
	sid := w.asked("may I?")
	forged := url.Values{
		"AccountSid": {flexsim.AccountSID}, "EventType": {"onMessageAdded"}, "ConversationSid": {sid}, "Source": {"SDK"},
		"MessageSid": {"IM00000000000000000000000000badbad"}, "Index": {"1"}, "Author": {"eve"}, "Body": {"forged"},
	}
	for _, event := range []string{"onMessageAdded", "onConversationStateUpdated"} {
		forged.Set("EventType", event)
		forged.Set("StateTo", "closed")
		res, err := http.PostForm(r.url+webhook.Path, forged)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusNoContent {
			t.Errorf("a forged %s was answered %d, want 204", event, res.StatusCode)
		}
	}
	w.reply(sid, "you may")
	got := <-first
	w.want(got, "replied", "you may")
	if got.took > soon {
		t.Errorf("answered after %v, want a look that a webhook asked for", got.took)
	}
	w.answeredAll(http.StatusNoContent)
	w.reply(sid, "and more")
	w.want(now(r.replies(t.Context(), "ann", got.Cursor, 20)), "replied", "and more")
}

func TestEnforceBehindAProxyThatChangesTheURL(t *testing.T) {
	w, r := changed(t, "enforce")
	asked := w.asking(r, "ann", "may I?")
	w.asked("may I?")
	w.answeredAll(http.StatusForbidden)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	w.want(<-asked, "pending", "")
}

func TestObserveIsSaidLoudly(t *testing.T) {
	for verify, want := range map[string]bool{observe: true, "enforce": false} {
		var log bytes.Buffer
		c := testConfig("https://bridge.example.com")
		c.WebhookVerify = verify
		s, err := newService(t.Context(), c, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log.String(), "WEBHOOK_VERIFY is observe") != want {
			t.Errorf("WEBHOOK_VERIFY=%s: log = %q, want it loud: %v", verify, &log, want)
		}
	}
}
