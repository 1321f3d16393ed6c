package main

import (
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge/flex/flexsim"
)

// fault is something that a page can make go wrong.
type fault string

const (
	faultLose    fault = "lose"    // the next reply's webhook never comes
	faultDelay   fault = "delay"   // it comes late
	faultDouble  fault = "double"  // it comes twice
	faultReverse fault = "reverse" // those of the next two replies come the other way round
	faultSlow    fault = "slow"    // Twilio takes its time for the next calls
	faultBusy    fault = "busy"    // Twilio answers the next questions with 429
	faultForget  fault = "forget"  // the store forgets everything
	faultRestart fault = "restart" // the service drains, and another one starts
	faultMend    fault = "mend"    // what was ordered and did not happen so far does not
)

// How slow, for how many calls; how late; how many refusals.
const (
	slowness  = 2 * time.Second
	slowCalls = 3
	lateness  = 4 * time.Second
	refusals  = 2
)

// faults counts what is still to go wrong. The zero value is nothing. It is safe for
// concurrent use.
type faults struct {
	mu   sync.Mutex
	left map[fault]int
}

func (f *faults) arm(what fault, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == nil {
		f.left = make(map[fault]int)
	}
	f.left[what] += n
}

// used counts one that happened, and reports whether it had been ordered.
func (f *faults) used(what fault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left[what] == 0 {
		return false
	}
	if f.left[what]--; f.left[what] == 0 {
		delete(f.left, what)
	}
	return true
}

func (f *faults) armed() map[fault]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := make(map[fault]int) // not nil, as it goes into JSON
	maps.Copy(left, f.left)
	return left
}

func (f *faults) mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = nil
}

// breakThings takes {"fault": "lose"}.
func (d *demonstration) breakThings(c echo.Context) error {
	var order struct {
		Fault fault `json:"fault"`
	}
	if err := c.Bind(&order); err != nil {
		return err
	}
	switch order.Fault {
	case faultLose:
		d.breakWebhook(order.Fault, "Webhook lost on its way", flexsim.WebhookFault{Lose: true})
	case faultDelay:
		d.breakWebhook(order.Fault, "Webhook held back for "+lateness.String(), flexsim.WebhookFault{Delay: lateness})
	case faultDouble:
		d.breakWebhook(order.Fault, "Webhook sent twice", flexsim.WebhookFault{Copies: 1})
	case faultReverse:
		d.faults.arm(order.Fault, 2)
		d.twilio.ReverseWebhooks(d.struck(order.Fault, "Webhook held back, to come after the next one"), 2)
	case faultSlow:
		d.faults.arm(order.Fault, slowCalls)
		d.twilio.Break(flexsim.AnyOp, slowCalls, flexsim.Fault{Delay: slowness})
	case faultBusy:
		d.faults.arm(order.Fault, refusals)
		d.twilio.Break(flexsim.CreateMessage, refusals, flexsim.Fault{Status: http.StatusTooManyRequests, RetryAfter: 1})
	case faultForget:
		d.forget()
	case faultRestart:
		select {
		case d.again <- struct{}{}:
		default: // it is about to
		}
	case faultMend:
		d.faults.mend()
		d.twilio.Mend()
	default:
		return echo.NewHTTPError(http.StatusBadRequest, "fault is lose, delay, double, reverse, slow, busy, forget, restart or mend")
	}
	d.feed.touch()
	return c.NoContent(http.StatusNoContent)
}

func (d *demonstration) breakWebhook(f fault, title string, how flexsim.WebhookFault) {
	d.faults.arm(f, 1)
	d.twilio.BreakWebhooks(d.struck(f, title), 1, how)
}

// struck matches the webhook of an agent's message, and tells that it was chosen. It
// is called while the pretend Twilio is locked.
func (d *demonstration) struck(f fault, title string) func(flexsim.Webhook) bool {
	return func(w flexsim.Webhook) bool {
		if w.Event() != "onMessageAdded" || w.Form.Get("Source") != "SDK" {
			return false
		}
		d.faults.used(f)
		d.feed.add(step{Who: ofFault, Customer: d.people.owner(w.Conversation()), Title: title, Detail: "of message " + w.Form.Get("Index")})
		return true
	}
}

// forget empties the store, as a Redis that was restarted without its data.
func (d *demonstration) forget() {
	if m, ok := d.current().mail.(memory); ok {
		d.feed.add(step{Who: ofFault, Title: "The store forgets everything"})
		m.Lose()
	}
}
