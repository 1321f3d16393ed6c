package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge"
	"flexbridge/webhook"
)

// exchange is a request to the service, from its arrival to its line in the log.
type exchange struct {
	what   string // what it is to a reader, such as POST /send
	does   string // the MCP tool's name, of the plain operations, too
	caller bool   // and not Twilio
	event  string
	echo   bool   // of the customer's own message
	of     string // conversation of the event
	tab    string
	answer bytes.Buffer

	mu       sync.Mutex
	customer string
	text     string // of the question, until it is known whose it is
}

type exchangeKey struct{} // *exchange, in requests' contexts

// tabHeader tells which of the console's tabs a request comes from.
const tabHeader = "Demo-Tab"

const asks = "ask_agent"

// operations are the tools that the plain operations are.
var operations = map[string]string{"/send/:username": asks, "/replies/:username": "wait_for_agent", "/end/:username": "end_conversation"}

var doings = map[string]string{
	asks:               "The assistant asks",
	"wait_for_agent":   "The assistant waits for replies",
	"end_conversation": "The assistant ends the conversation",
}

// watchHTTP tells what comes in, and keeps what goes out. It changes neither.
func (d *demonstration) watchHTTP(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		x := &exchange{what: r.Method + " " + r.URL.Path, tab: r.Header.Get(tabHeader)}
		switch c.Path() {
		case "/send/:username", "/replies/:username", "/end/:username":
			x.caller, x.does = true, operations[c.Path()]
			x.customer = logName(d.keys.Customer("username", c.Param("username")))
		case "/mcp":
			x.caller = true
			d.readCall(x, peek(r))
		case webhook.Path:
			form, _ := url.ParseQuery(string(peek(r)))
			x.of, x.event = form.Get("ConversationSid"), form.Get("EventType")
			_, x.echo = bridge.CustomerOf(form.Get("Author"))
		default:
			return next(c)
		}
		d.arrived(x)
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
		c.Response().Writer = &copying{c.Response().Writer, &x.answer}
		return next(c)
	}
}

func (d *demonstration) arrived(x *exchange) {
	if !x.caller {
		d.feed.add(step{Who: ofTwilio, Customer: d.people.owner(x.of), Title: "Webhook received", Detail: x.event, Minor: true})
		return
	}
	d.people.seat(x.customer, x.tab)
	d.asking.add(x)
	s := step{Who: ofAssistant, Customer: x.customer, Tab: x.tab, Title: doings[x.does], Detail: x.what}
	if s.Title == "" {
		s.Title, s.Minor = "An MCP client introduces itself", true
	}
	d.feed.add(s)
}

// readCall reads whose call of an MCP tool it is, if it says.
func (d *demonstration) readCall(x *exchange, body []byte) {
	var call struct {
		Method string
		Params struct {
			Name      string
			Arguments struct{ Message, Conversation string }
		}
	}
	_ = json.Unmarshal(body, &call) // the service answers what is no call
	arguments := call.Params.Arguments
	x.does, x.text = call.Params.Name, arguments.Message
	x.what = "POST /mcp " + cmp.Or(x.does, call.Method)
	if h, ok := d.keys.Unseal(arguments.Conversation, time.Now(), "anyone"); ok {
		x.customer = logName(d.keys.Customer("handle", h.ID))
	}
}

// peek reads a request's body, which can be read once more.
func peek(r *http.Request) []byte {
	const most = 300 << 10
	body, err := io.ReadAll(io.LimitReader(r.Body, most))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = failing{err}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), r.Body}
	return body
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// copying writes the answer twice.
type copying struct {
	http.ResponseWriter
	copy *bytes.Buffer
}

func (w *copying) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.copy.Write(p[:n])
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *copying) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// asking is the callers' requests that are here now. The zero value has none.
type asking struct {
	mu  sync.Mutex
	all map[*exchange]bool
}

func (a *asking) add(x *exchange) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = make(map[*exchange]bool)
	}
	a.all[x] = true
}

func (a *asking) remove(x *exchange) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, x)
}

// match gives the customer to a call that asks this and has not said whose it is.
// It reports the tab of the call, and whether a question of the customer is here.
func (a *asking) match(customer, text string) (tab string, here bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for x := range a.all {
		x.mu.Lock()
		if x.does == asks && x.customer == "" && x.text == text {
			x.customer = customer
		}
		if x.does == asks && x.customer == customer {
			tab, here = x.tab, true
		}
		x.mu.Unlock()
	}
	return tab, here
}

// ended is told by the service's own log, which knows what became of the exchange.
func (d *demonstration) ended(x *exchange, customer, outcome string, status int, wait time.Duration) {
	if !x.caller {
		d.acknowledged(x, outcome, status, wait)
		return
	}
	d.noticed(customer)
	d.asking.remove(x)
	d.people.seat(customer, x.tab)
	s := step{Who: ofService, Customer: customer, Tab: x.tab, Title: "Answered: " + outcome,
		Detail: fmt.Sprintf("%s, after %s", x.what, brief(wait)), Minor: doings[x.does] == ""}
	switch outcome {
	case "replied", "pending", "closed":
		d.tally.take(customer, x.answer.Bytes())
	case "caller_left":
		s.Who, s.Title = ofFault, "The caller hung up"
	}
	d.feed.add(s)
}

func (d *demonstration) acknowledged(x *exchange, outcome string, status int, wait time.Duration) {
	customer := d.people.owner(x.of)
	d.noticed(customer)
	s := step{Who: ofService, Customer: customer, Title: "Webhook: signature good, acknowledged",
		Detail: fmt.Sprintf("%s, %d in %s", outcome, status, brief(wait)), Minor: x.echo || outcome != "message_added"}
	if status >= http.StatusBadRequest {
		s.Who, s.Title, s.Minor = ofFault, "Webhook refused", false
	}
	d.feed.add(s)
}

func brief(t time.Duration) string {
	switch {
	case t >= 10*time.Second:
		return t.Round(100 * time.Millisecond).String()
	case t >= time.Second:
		return t.Round(10 * time.Millisecond).String()
	default:
		return t.Round(10 * time.Microsecond).String()
	}
}
