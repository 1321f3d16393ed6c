package main

import (
	"fmt"
	"net/http"
	"regexp"
	"time"
)

// outside is a call to the pretend Twilio, as it was answered.
type outside struct {
	method, conversation, list string // of /Conversations/{conversation}/{list}
	form                       func(string) string
	status                     int
	took                       time.Duration
}

var restPath = regexp.MustCompile(`^/v1(?:/Services/[^/]+)?/Conversations(?:/([^/]+))?(?:/(Messages|Participants|Webhooks))?`)

// watchREST tells of the calls that the service makes, once they are answered.
func (d *demonstration) watchREST(twilio http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		answer := &statusWriter{ResponseWriter: w}
		twilio.ServeHTTP(answer, r)
		call := outside{method: r.Method, form: r.Form.Get, status: answer.status, took: time.Since(began)}
		if path := restPath.FindStringSubmatch(r.URL.Path); path != nil {
			call.conversation, call.list = path[1], path[2]
			d.called(call)
		}
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (d *demonstration) called(c outside) {
	customer := d.people.owner(c.conversation)
	if name := c.form("UniqueName"); name != "" {
		customer, _ = ownerOf(name)
		d.opened(name, customer)
	}
	s := step{Who: ofService, Customer: customer, Detail: fmt.Sprintf("Twilio says %d after %s", c.status, brief(c.took)), Minor: true}
	switch key := c.method + " " + c.list; {
	case c.status == http.StatusTooManyRequests || c.status >= http.StatusInternalServerError:
		d.faults.used(faultBusy)
		s.Who, s.Title, s.Minor = ofFault, "Twilio refuses a call", false
	case key == "POST " && c.conversation == "":
		s.Title = "Conversation opened"
	case key == "POST " && c.form("State") != "":
		s.Title, s.Minor = "Conversation closed", false
	case key == "POST Participants":
		s.Title = "Customer put in"
	case key == "POST Webhooks" && c.form("Target") == "studio":
		s.Title = "Studio flow attached, for routing"
	case key == "POST Webhooks":
		s.Title = "Webhook registered"
	case key == "POST Messages":
		s.Title = "The question is in the conversation"
	default:
		s.Title = "Twilio is asked: " + c.method + " " + c.list
	}
	if c.took >= slowness && d.faults.used(faultSlow) {
		s.Detail += " (made slow)"
	}
	d.feed.add(s)
	if c.method == http.MethodPost && c.list == "Messages" && c.status == http.StatusCreated {
		d.parked(customer, c.form("Body"))
	}
}

// opened learns whose a conversation is.
func (d *demonstration) opened(uniqueName, customer string) {
	for _, c := range d.twilio.Conversations() {
		if c.UniqueName == uniqueName {
			d.people.own(c.SID, customer)
		}
	}
}

// parked tells that a question that was said waits for its reply.
func (d *demonstration) parked(customer, text string) {
	tab, here := d.asking.match(customer, text)
	d.people.seat(customer, tab)
	if here {
		d.feed.add(step{Who: ofService, Customer: customer, Title: "Request parked",
			Detail: fmt.Sprintf("%d waiting here; nobody polls", d.current().bridge.Parked())})
	}
}
