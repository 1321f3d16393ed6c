package flexsim

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Fault is what goes wrong with a REST call. The zero value is nothing.
type Fault struct {
	// Late makes all of the following happen after the call took effect. Without
	// it the call has no effect, unless it is only slow. To a file it happens when
	// half of it is sent, and Status has no effect any more.
	Late bool

	// Hold makes the call wait until the channel is closed; then Delay passes.
	Hold  <-chan struct{}
	Delay time.Duration

	// Cut closes the connection without an answer, by a panic with
	// http.ErrAbortHandler, for which there has to be a real server.
	Cut bool

	// Status is the answer: 429 with Twilio's error 20429, any other with one of
	// the same number. HTML makes it a page, as from a proxy; a page with status
	// 200 is a success that cannot be read. RetryAfter, in seconds, is sent along
	// unless it is 0.
	Status     int
	HTML       bool
	RetryAfter int
}

// WebhookFault is what goes wrong with a webhook. The zero value is nothing.
type WebhookFault struct {
	Lose   bool            // it is never sent
	Hold   <-chan struct{} // it is sent once this is closed,
	Delay  time.Duration   // and this has passed
	Copies int             // it is sent so many times more, one after the other
}

type rule struct {
	op    Op
	left  int // calls it is still for; negative: any number
	fault Fault
}

type webhookRule struct {
	match   func(Webhook) bool
	left    int
	fault   WebhookFault
	reverse int       // how many to hold back and send in reverse order
	waiting []Webhook // of those
}

// Break orders the fault for the next n calls of the operation, all of them if n
// is negative. Faults are used up in the order in which they were ordered.
func (s *Sim) Break(op Op, n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, &rule{op, n, f})
}

// BreakWebhooks orders the fault for the next n webhooks that match, all of them
// if n is negative. A nil match is every webhook; match must not use the Sim.
func (s *Sim) BreakWebhooks(match func(Webhook) bool, n int, f WebhookFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhookRules = append(s.webhookRules, &webhookRule{match: match, left: n, fault: f})
}

// ReverseWebhooks holds the next n webhooks that match back until all of them are
// there, and sends them one after the other, the last first.
func (s *Sim) ReverseWebhooks(match func(Webhook) bool, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhookRules = append(s.webhookRules, &webhookRule{match: match, left: n, reverse: n})
}

// Mend forgets all faults that were ordered and not used up. Webhooks held back
// by [Sim.ReverseWebhooks] are lost.
func (s *Sim) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.webhookRules = nil, nil
}

func (s *Sim) faultOf(call *Call) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if (r.op == call.Op || r.op == AnyOp) && r.left != 0 {
			r.left--
			return r.fault
		}
	}
	return Fault{}
}

// webhookRuleOf is called with the mutex held.
func (s *Sim) webhookRuleOf(w Webhook) *webhookRule {
	for _, r := range s.webhookRules {
		if r.left != 0 && (r.match == nil || r.match(w)) {
			r.left--
			return r
		}
	}
	return new(webhookRule) // nothing goes wrong
}

// fails makes the call fail as ordered, and reports whether it has been answered
// with that.
func (s *Sim) fails(w http.ResponseWriter, r *http.Request, call *Call, f Fault) bool {
	if !s.slow(r, f) || f.Cut {
		panic(http.ErrAbortHandler) // closes the connection
	}
	if f.Status == 0 {
		return false
	}
	s.answered(call, f.Status)
	f.write(w)
	return true
}

// slow is false when the caller left or the Sim was closed meanwhile.
func (s *Sim) slow(r *http.Request, f Fault) bool {
	if f.Hold == nil && f.Delay <= 0 {
		return true
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	return pause(ctx, f.Hold, f.Delay)
}

func (f Fault) write(w http.ResponseWriter) {
	if f.RetryAfter != 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	if f.HTML {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(f.Status)
		fmt.Fprintf(w, "<html><body><h1>%d %s</h1></body></html>", f.Status, http.StatusText(f.Status))
		return
	}
	p := problemTooMany
	if f.Status != http.StatusTooManyRequests {
		p = newProblem(f.Status, f.Status, http.StatusText(f.Status))
	}
	writeJSON(w, f.Status, p)
}
