package flexsim

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Webhook is a webhook to be sent.
type Webhook struct {
	Hook string // SID of the scoped webhook; empty for the service's
	URL  string
	Form url.Values
}

// Event is the webhook's EventType.
func (w Webhook) Event() string { return w.Form.Get("EventType") }

// Conversation is the SID of the conversation it tells of.
func (w Webhook) Conversation() string { return w.Form.Get("ConversationSid") }

// Delivery is what became of a webhook.
type Delivery struct {
	Webhook
	Lost   bool // by a fault
	Sent   time.Time
	Took   time.Duration // until the answer
	Status int           // HTTP; 0 when there was no answer
	Err    error         // why there was none
}

// webhookTimeout is Twilio's for Conversations; there is no retry.
const webhookTimeout = 5 * time.Second

func webhookClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 64, 64
	return &http.Client{
		Transport:     transport,
		Timeout:       webhookTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fire sends the event to every webhook that has it in its filters, each in a
// goroutine of its own, so that they overtake each other. It is called with the
// mutex held.
func (s *Sim) fire(c *Conversation, e event, by actor) {
	if by.source == "" {
		return
	}
	form := e.optional("ClientIdentity", by.identity).params
	form.Set("AccountSid", s.config.AccountSID)
	form.Set("EventType", e.name)
	form.Set("Source", by.source)
	if hook := s.hook(); hook.URL != "" && slices.Contains(hook.Filters, e.name) {
		s.dispatch(Webhook{URL: hook.URL, Form: maps.Clone(form)})
	}
	for _, hook := range c.Hooks {
		switch {
		case !slices.Contains(hook.Filters, e.name):
		case hook.Target == "studio":
			s.flow(c, hook, form.Get("Author"))
		default:
			s.dispatch(Webhook{Hook: hook.SID, URL: hook.URL, Form: maps.Clone(form)})
		}
	}
}

// dispatch sends a webhook, with the fault that was ordered for it.
func (s *Sim) dispatch(w Webhook) {
	rule := s.webhookRuleOf(w)
	if rule.reverse == 0 {
		s.start(func() { s.send(w, rule.fault) })
		return
	}
	rule.waiting = append(rule.waiting, w)
	if waiting := rule.waiting; len(waiting) == rule.reverse {
		s.start(func() {
			for _, w := range slices.Backward(waiting) {
				s.deliver(w)
			}
		})
	}
}

func (s *Sim) send(w Webhook, fault WebhookFault) {
	if fault.Lose {
		s.record(Delivery{Webhook: w, Lost: true, Sent: now()})
		return
	}
	if !pause(s.ctx, fault.Hold, fault.Delay) {
		return
	}
	for range 1 + fault.Copies {
		s.deliver(w)
	}
}

func (s *Sim) deliver(w Webhook) {
	d := Delivery{Webhook: w, Sent: now()}
	d.Status, d.Err = s.post(w)
	d.Took = time.Since(d.Sent)
	s.record(d)
}

func (s *Sim) post(w Webhook) (int, error) {
	r, err := s.Request(s.ctx, w)
	if err != nil {
		return 0, err
	}
	res, err := s.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, err
}

// Request is the webhook as Twilio would send it, signed. A test that changes it
// afterwards has forged it.
func (s *Sim) Request(ctx context.Context, w Webhook) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, strings.NewReader(w.Form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "TwilioProxy/1.1")
	r.Header.Set("X-Twilio-Signature", Sign(s.config.AuthToken, w.URL, w.Form))
	return r, nil
}
