package webhook_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge"
	"flexbridge/webhook"
)

// with is the good form with one more thing in it, signed as it is.
func with(more string) *http.Request { return post("/twilio/webhook", goodForm+more) }

// instead is the good form with something replaced, signed as it is.
func instead(old, new string) *http.Request {
	return post("/twilio/webhook", strings.Replace(goodForm, old, new, 1))
}

// altered is the good request, changed after it was signed.
func altered(change func(*http.Request)) *http.Request {
	r := post("/twilio/webhook", goodForm)
	change(r)
	return r
}

func body(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }

// One good request, one change a row; none reaches the deliverer.
func TestRefuses(t *testing.T) {
	rows := map[string]struct {
		request *http.Request
		status  int
		outcome webhook.Outcome
	}{
		"no signature": {altered(func(r *http.Request) { r.Header.Del("X-Twilio-Signature") }),
			http.StatusForbidden, webhook.Unsigned},
		"empty signature": {altered(func(r *http.Request) { r.Header.Set("X-Twilio-Signature", "") }),
			http.StatusForbidden, webhook.Unsigned},
		"other token": {altered(func(r *http.Request) {
			r.Header.Set("X-Twilio-Signature", signForm("x", public+"/twilio/webhook", goodForm))
		}), http.StatusForbidden, webhook.Forged},
		"empty token": {altered(func(r *http.Request) {
			r.Header.Set("X-Twilio-Signature", signForm("", public+"/twilio/webhook", goodForm))
		}), http.StatusForbidden, webhook.Forged},
		"tampered value": {altered(func(r *http.Request) {
			r.Body = body(strings.Replace(goodForm, "Body=hi", "Body=ho", 1))
		}), http.StatusForbidden, webhook.Forged},
		"parameter added": {altered(func(r *http.Request) { r.Body = body(goodForm + "&Media=%5B%5D") }),
			http.StatusForbidden, webhook.Forged},
		"parameter removed": {altered(func(r *http.Request) {
			r.Body = body(strings.Replace(goodForm, "&Body=hi", "", 1))
		}), http.StatusForbidden, webhook.Forged},
		"other query": {altered(func(r *http.Request) { r.URL.RawQuery = "o=1" }),
			http.StatusForbidden, webhook.Forged},
		"http for https": {altered(func(r *http.Request) {
			r.Header.Set("X-Twilio-Signature", signForm(primary, "http://bridge.example.com/twilio/webhook", goodForm))
		}), http.StatusForbidden, webhook.Forged},
		"other host": {altered(func(r *http.Request) {
			r.Host = "evil.example.com"
			r.Header.Set("X-Twilio-Signature", signForm(primary, "https://evil.example.com/twilio/webhook", goodForm))
		}), http.StatusForbidden, webhook.Forged},
		"slash at the end": {altered(func(r *http.Request) {
			r.Header.Set("X-Twilio-Signature", signForm(primary, public+"/twilio/webhook/", goodForm))
		}), http.StatusForbidden, webhook.Forged},
		// What RequestValidator lets pass: it sees the first Body only.
		"a second Body": {altered(func(r *http.Request) { r.Body = body(goodForm + "&Body=evil") }),
			http.StatusBadRequest, webhook.RepeatedName},
		"no form":         {post("/twilio/webhook", "%zz"), http.StatusForbidden, webhook.Forged},
		"a bare ;":        {with("&x=a;b"), http.StatusForbidden, webhook.Forged},
		"other account":   {instead(account, "AC"+strings.Repeat("f", 32)), http.StatusForbidden, webhook.OtherAccount},
		"no account":      {instead("AccountSid=", "x="), http.StatusForbidden, webhook.OtherAccount},
		"too large":       {with("&x=" + strings.Repeat("x", 256<<10)), http.StatusRequestEntityTooLarge, webhook.TooLarge},
		"GET":             {altered(func(r *http.Request) { r.Method = http.MethodGet }), http.StatusMethodNotAllowed, webhook.WrongMethod},
		"PUT":             {altered(func(r *http.Request) { r.Method = http.MethodPut }), http.StatusMethodNotAllowed, webhook.WrongMethod},
		"Index -1":        {instead("Index=0", "Index=-1"), http.StatusBadRequest, webhook.Malformed},
		"Index +1":        {instead("Index=0", "Index=%2B1"), http.StatusBadRequest, webhook.Malformed},
		"Index 01":        {instead("Index=0", "Index=01"), http.StatusBadRequest, webhook.Malformed},
		"Index 1e9":       {instead("Index=0", "Index=1000000000"), http.StatusBadRequest, webhook.Malformed},
		"Index 1.0":       {instead("Index=0", "Index=1.0"), http.StatusBadRequest, webhook.Malformed},
		"Index and line":  {instead("Index=0", "Index=0%0A"), http.StatusBadRequest, webhook.Malformed},
		"no Index":        {instead("Index=0", "x=0"), http.StatusBadRequest, webhook.Malformed},
		"no conversation": {instead("ConversationSid", "x"), http.StatusBadRequest, webhook.Malformed},
		"a key for a conversation": {instead(conversation, "CH0000000000000000000000000000000%7D"),
			http.StatusBadRequest, webhook.Malformed},
		"no message SID": {instead("MessageSid=IM", "MessageSid="), http.StatusBadRequest, webhook.Malformed},
		"no participant SID": {instead("onMessageAdded", "onParticipantAdded"),
			http.StatusBadRequest, webhook.Malformed},
		"a closed state of nothing": {post("/twilio/webhook", "AccountSid="+account+"&EventType=onConversationStateUpdated&StateTo=closed"),
			http.StatusBadRequest, webhook.Malformed},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			d := &desk{}
			h, server := newHandler(t, config(t), d)
			w := httptest.NewRecorder()
			server.ServeHTTP(w, row.request)
			if w.Code != row.status || len(d.events) != 0 {
				t.Errorf("request = %d %q, %d events, want %d and none", w.Code, w.Body, len(d.events), row.status)
			}
			if row.status == http.StatusMethodNotAllowed &&
				(w.Header().Get("Allow") != http.MethodPost || !strings.Contains(w.Body.String(), "set the hook's method to POST")) {
				t.Errorf("request = Allow %q, %q, want POST and how to set the hook", w.Header().Get("Allow"), w.Body)
			}
			only(t, h, row.outcome)
		})
	}
}

// The largest message that Twilio carries fits, with every byte percent-encoded.
func TestAcceptsLargestMessage(t *testing.T) {
	text, attributes := strings.Repeat("%C3%A9", 16<<10), strings.Repeat("%7B", 4<<10)
	r := post("/twilio/webhook", strings.Replace(goodForm, "Body=hi", "Body="+text+"&Attributes="+attributes, 1))
	accepted(t, config(t), r)
}

func TestNotKept(t *testing.T) {
	var log bytes.Buffer
	cfg := config(t)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	d := &desk{err: fmt.Errorf("keeping: %w", bridge.ErrMailbox)}
	h, server := newHandler(t, cfg, d)
	w := httptest.NewRecorder()
	server.ServeHTTP(w, post("/twilio/webhook", goodForm))
	if w.Code != http.StatusServiceUnavailable || len(d.events) != 1 {
		t.Errorf("POST = %d, %d events, want 503 and 1", w.Code, len(d.events))
	}
	only(t, h, webhook.NotKept)
	if !strings.Contains(log.String(), conversation) || !strings.Contains(log.String(), bridge.ErrMailbox.Error()) {
		t.Errorf("log = %q, want the conversation and the reason", &log)
	}
	if strings.Contains(w.Body.String(), conversation) {
		t.Errorf("POST = %q, want no detail", w.Body)
	}
}

func TestTag(t *testing.T) {
	keys := keyring(t)
	ours := keys.HookURL(webhook.Path, conversation)
	others := keys.HookURL(webhook.Path, "CH00000000000000000000000000000002")
	for name, row := range map[string]struct {
		target  string
		outcome webhook.Outcome
		ours    bool
	}{
		"ours":                    {ours, webhook.MessageAdded, true},
		"none":                    {"/twilio/webhook?x=1", webhook.MessageAdded, false},
		"another conversation's":  {others, webhook.Foreign, false},
		"empty":                   {"/twilio/webhook?o=", webhook.Foreign, false},
		"the first of two counts": {others + "&" + strings.TrimPrefix(ours, "/twilio/webhook?"), webhook.Foreign, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{}
			h, server := newHandler(t, config(t), d)
			w := httptest.NewRecorder()
			server.ServeHTTP(w, post(row.target, goodForm))
			if w.Code != http.StatusNoContent {
				t.Errorf("POST = %d, want 204", w.Code)
			}
			only(t, h, row.outcome)
			if row.outcome == webhook.Foreign {
				if len(d.events) != 0 {
					t.Errorf("delivered %v, want nothing", d.events)
				}
			} else if len(d.events) != 1 || d.events[0].Ours != row.ours {
				t.Errorf("delivered %v, want one with Ours %v", d.events, row.ours)
			}
		})
	}
}

// A body that never ends is given up when the server's limit is reached.
func TestBodyNeverEnds(t *testing.T) {
	h, handler := newHandler(t, config(t), &desk{})
	server := httptest.NewUnstartedServer(handler)
	server.Config.ReadHeaderTimeout, server.Config.ReadTimeout = 10*time.Second, 50*time.Millisecond // of the whole
	server.Start()
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /twilio/webhook HTTP/1.1\r\nHost: x\r\nX-Twilio-Signature: x\r\nContent-Length: 1000\r\n\r\nBody=")
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusRequestTimeout {
		t.Errorf("POST = %d, want 408", response.StatusCode)
	}
	only(t, h, webhook.Unread)
}

// Nothing is read for a stranger.
func TestUnsignedBodyIsNotRead(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/twilio/webhook", unreadable{t})
	h, server := newHandler(t, config(t), &desk{})
	server.ServeHTTP(httptest.NewRecorder(), r)
	only(t, h, webhook.Unsigned)
}

type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, errors.New("unreadable")
}
