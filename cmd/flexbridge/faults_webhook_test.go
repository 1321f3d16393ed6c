package main

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
)

// byAgent is a webhook that tells of an agent's message.
func byAgent(w flexsim.Webhook) bool {
	return w.Event() == "onMessageAdded" && w.Form.Get("Source") == "SDK"
}

// looks counts the calls that were made to find what webhooks did not bring.
func (s *scene) looks() int { return s.twilio.Count(flexsim.FetchConversation, flexsim.ListMessages) }

// TestAllWebhooksLost: replies come at the latest one wait later.
func TestAllWebhooksLost(t *testing.T) {
	s := newScene(t, flexsim.Config{}, func(c *Config) { c.Wait = time.Second })
	s.wait = 1
	s.twilio.BreakWebhooks(nil, -1, flexsim.WebhookFault{Lose: true})
	for _, name := range []string{"ann", "bob", "cleo"} {
		c := s.caller(name, s.a, s.b)
		c.wait, s.callers = 1, append(s.callers, c)
		asked := later(func() (answer, error) { return c.ask(t.Context(), 0) })
		s.asked(c.question(0))
		s.answer(c, 2)
		if got := <-asked; got.err != nil || got.Status != "replied" || got.took > 4*time.Second {
			t.Errorf("%s got %v (%v) after %v", name, got.Status, got.err, got.took)
		}
	}
	s.goesOn(1)
}

// TestWebhookLost: the next one shows the gap, and one look fills it.
func TestWebhookLost(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.park()
	s.twilio.Reset()
	s.twilio.BreakWebhooks(byAgent, len(s.callers), flexsim.WebhookFault{Lose: true})
	for range 2 {
		for _, c := range s.callers {
			s.answer(c, 1)
		}
	}
	s.survived()
	if n := s.looks(); n > 2*len(s.callers) {
		t.Errorf("%d calls to look, want 2 of each caller", n)
	}
	s.goesOn(1)
}

// TestIndexSkipped: a gap that no message fills is believed in the end.
func TestIndexSkipped(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.park()
	s.twilio.Reset()
	for _, c := range s.callers {
		s.twilio.SkipIndex(c.truth().conversations[0].SID, 2)
		s.answer(c, 1)
	}
	s.survived()
	if n := s.looks(); n > 4*len(s.callers) {
		t.Errorf("%d calls to look, want 4 of each caller", n)
	}
	s.goesOn(1)
}

func TestWebhooksDoubled(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.twilio.BreakWebhooks(nil, -1, flexsim.WebhookFault{Copies: 2})
	s.through(nothing, nothing)
}

func TestWebhookLate(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.park()
	hold := make(chan struct{})
	s.twilio.BreakWebhooks(byAgent, len(s.callers), flexsim.WebhookFault{Hold: hold})
	for _, c := range s.callers {
		s.answer(c, 1)
	}
	s.answer(s.callers[0], 1) // is not held: a gap, and a look
	first := <-s.parked[0]
	close(hold) // the others' only webhook
	s.parked[0] = later(func() (answer, error) { return first.answer, first.err })
	s.survived()
	s.goesOn(1)
}

func TestWebhooksOutOfOrder(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.park()
	for _, c := range s.callers {
		sid := c.truth().conversations[0].SID
		s.twilio.ReverseWebhooks(func(w flexsim.Webhook) bool { return byAgent(w) && w.Conversation() == sid }, 4)
		s.answer(c, 4)
	}
	s.survived()
	s.goesOn(1)
}

// TestCloseOvertakesTheLastReply: that it is closed is told with all that was said.
func TestCloseOvertakesTheLastReply(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.park()
	s.twilio.BreakWebhooks(byAgent, -1, flexsim.WebhookFault{Lose: true})
	for _, c := range s.callers {
		s.answer(c, 2)
		if err := s.agent.Close(c.truth().conversations[0].SID); err != nil {
			t.Fatal(err)
		}
	}
	s.survived()
	for _, c := range s.callers {
		if a, err := c.read(t.Context(), 10); err != nil || a.Status != "closed" {
			t.Errorf("%s reads on and gets %v, %v, want closed", c.name, a.Status, err)
		}
	}
	s.twilio.Mend()
	s.goesOn(2)
}

func TestWebhookForged(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.park()
	s.answer(s.callers[0], 1)
	var genuine flexsim.Webhook
	s.until(func() bool {
		for _, d := range s.twilio.Webhooks() {
			if byAgent(d.Webhook) && d.Status == http.StatusNoContent {
				genuine = d.Webhook
			}
		}
		return genuine.URL != ""
	})
	stranger := flexsim.New(flexsim.Config{AuthToken: "anothertoken"})
	defer stranger.Close()
	forged := func(change func(url.Values)) flexsim.Webhook {
		w := flexsim.Webhook{URL: genuine.URL, Form: url.Values{}}
		for name := range genuine.Form {
			w.Form.Set(name, genuine.Form.Get(name))
		}
		change(w.Form)
		return w
	}
	next := func(f url.Values) {
		f.Set("Index", "2")
		f.Set("MessageSid", "IM00000000000000000000000000badbad")
		f.Set("Body", "forged")
	}
	for name, post := range map[string]func() (*http.Request, error){
		"wrong signature": func() (*http.Request, error) { return stranger.Request(t.Context(), forged(next)) },
		"no signature": func() (*http.Request, error) {
			r, err := s.twilio.Request(t.Context(), forged(next))
			r.Header.Del("X-Twilio-Signature")
			return r, err
		},
		"replayed with another body": func() (*http.Request, error) {
			r, err := s.twilio.Request(t.Context(), forged(next))
			r.Header.Set("X-Twilio-Signature", flexsim.Sign(flexsim.AuthToken, genuine.URL, genuine.Form))
			return r, err
		},
		"replayed to another URL": func() (*http.Request, error) {
			w := forged(next)
			r, err := s.twilio.Request(t.Context(), w)
			r.URL.RawQuery += "&o=00000000000000000000000000000000"
			return r, err
		},
	} {
		r, err := post()
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: HTTP %d, want 403", name, res.StatusCode)
		}
	}
	for _, c := range s.callers[1:] {
		s.answer(c, 1)
	}
	s.survived()
	s.goesOn(1)
}
