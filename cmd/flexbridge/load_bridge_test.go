package main

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"flexbridge/bridge"
	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store"
	"flexbridge/store/storetest"
	"flexbridge/webhook"
)

// loadPublicURL is what webhooks are signed over; nobody connects to it.
const loadPublicURL = "http://127.0.0.1:1"

// startLoaded starts the service for so many customers, each with a conversation
// that is open and holds a question and its answer.
func startLoaded(t *testing.T, s scenario) *system {
	redis, twilio := storetest.StartRedis(t), newLoadTwilio(t)
	if *loadDir != "" {
		t.Setenv(profileVariable, filepath.Join(*loadDir, s.String()))
	}
	w := &world{t: t, redis: redis, rest: twilio.Server}
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv(logVariable, log)
	p := w.startProcess(&front{Server: &httptest.Server{URL: loadPublicURL}}, func(c *Config) {
		c.Wait, c.MaxParked = 5*time.Minute, s.callers+loadHooks
	})
	p.signal(syscall.SIGHUP)
	t.Cleanup(func() { showWarnings(t, log) })
	sys := &system{
		t: t, name: "flexbridge", addr: strings.TrimPrefix(p.url, "http://"), redis: redis,
		service: []int{p.cmd.Process.Pid}, calls: twilio.calls.Load, profile: p.profile,
	}
	keys, err := bridge.NewKeyring([]byte(testConfig("").IdentitySecret))
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.callers {
		c := newLoadCustomer(keys, i, s.kind)
		twilio.customers[c.sid] = c
		sys.callers = append(sys.callers, c)
	}
	remember(t, redis.URL, sys.callers)
	return sys
}

// logVariable is the file to which the service logs from SIGHUP on, in a process of its
// own: as nginx does, so that who measures does not read along.
const logVariable = "FLEXBRIDGE_TEST_LOG"

func logElsewhere() {
	name := os.Getenv(logVariable)
	if name == "" {
		return
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGHUP)
	go func() {
		<-told
		file, err := os.Create(name)
		if err == nil {
			err = syscall.Dup3(int(file.Fd()), int(os.Stderr.Fd()), 0)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "logging elsewhere:", err)
		}
	}()
}

func showWarnings(t *testing.T, log string) {
	text, err := os.ReadFile(log)
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, `"level":"INFO"`) {
			t.Log(line)
		}
	}
}

// remember keeps what the service would have kept had it opened the conversations:
// opening so many takes minutes.
func remember(t *testing.T, url string, callers []asker) {
	mail, err := store.OpenRedis(url, store.Config{Retention: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer mail.Close()
	l := &loader{t: t}
	l.each(len(callers), loadHooks, func(_, i int) error {
		c := callers[i].(*loadCustomer)
		if err := mail.Enter(t.Context(), c.customer, map[int]string{0: c.sid}); err != nil {
			return err
		}
		_, err := mail.Keep(t.Context(), c.sid, bridge.Update{
			Owner: &bridge.Owner{Customer: c.customer},
			Messages: []bridge.Message{
				{SID: c.message(0), Index: 0, Kind: bridge.FromCustomer},
				{SID: c.message(1), Index: 1, Kind: bridge.FromAgent, Participant: c.agent, Author: "Ana Lopez", Text: "Yes."},
			},
		})
		return err
	})
}

// loadCustomer asks question after question, and plays the agent who answers.
type loadCustomer struct {
	number   int
	customer bridge.Customer
	name     string
	sid      string // of the conversation
	agent    string // SID of the agent's participant
	hook     string // path and query of the webhook
	echo     bool   // whether a webhook tells of the question, too
	poll     bool   // whether it asks no question, but waits for the next reply
	cursor   string
	said     chan struct{} // when a question has come to Twilio
	next     atomic.Int64  // Index
}

func newLoadCustomer(keys *bridge.Keyring, i int, kind string) *loadCustomer {
	c := &loadCustomer{
		number: i, name: username(fmt.Sprintf("load%d", i)), echo: kind == "echo", poll: kind == "poll",
		sid: fmt.Sprintf("CH%032x", i), agent: fmt.Sprintf("MB%032x", i), said: make(chan struct{}, 1),
	}
	c.customer = keys.Customer("username", c.name)
	c.hook = keys.HookURL(webhook.Path, c.sid)
	c.cursor = bridge.At(0, c.sid, 1).String()
	c.next.Store(2)
	return c
}

func (c *loadCustomer) message(index int64) string {
	return fmt.Sprintf("IM%016x%016x", c.number, index)
}

func (c *loadCustomer) ask() []byte {
	if c.poll {
		return fmt.Appendf(nil, "GET /replies/%s?after=%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", c.name, c.cursor)
	}
	body := fmt.Sprintf(`{"msg":"Can order %d still be changed?","after":%q}`, c.next.Load(), c.cursor)
	return request("/send/"+c.name, "application/json", "", body)
}

func (c *loadCustomer) asked() error {
	if c.poll {
		return nil
	}
	select {
	case <-c.said:
		return nil
	case <-time.After(loadPatience):
		return fmt.Errorf("the question of %s does not come to Twilio", c.name)
	}
}

func (c *loadCustomer) reply() (requests [][]byte) {
	index := c.next.Add(1) - 1
	if c.echo {
		requests = append(requests, c.webhook(index-1, c.customer.Identity(), "API", "Can it?"))
	}
	return append(requests, c.webhook(index, "ana_2Elopez_40example_2Ecom", "SDK", c.text(index)))
}

func (c *loadCustomer) text(index int64) string { return fmt.Sprintf("Yes, until noon (%d).", index) }

// webhook is Twilio's, signed.
func (c *loadCustomer) webhook(index int64, author, source, text string) []byte {
	form := url.Values{
		"AccountSid": {flexsim.AccountSID}, "EventType": {"onMessageAdded"}, "Source": {source},
		"ConversationSid": {c.sid}, "ChatServiceSid": {"IS" + strings.Repeat("2", 32)},
		"MessageSid": {c.message(index)}, "Index": {fmt.Sprint(index)}, "Author": {author}, "ClientIdentity": {author},
		"ParticipantSid": {c.agent}, "Body": {text}, "Attributes": {"{}"},
		"DateCreated": {time.Now().UTC().Format("2006-01-02T15:04:05.000Z")},
	}
	signature := flexsim.Sign(flexsim.AuthToken, loadPublicURL+c.hook, form)
	return request(c.hook, "application/x-www-form-urlencoded", "X-Twilio-Signature: "+signature+"\r\n", form.Encode())
}

func (c *loadCustomer) answered(answer []byte) error {
	want := c.text(c.next.Load() - 1)
	if !bytes.Contains(answer, []byte(`"status":"replied"`)) || !bytes.Contains(answer, []byte(want)) {
		return fmt.Errorf("%s got %q, want %q", c.name, answer, want)
	}
	_, rest, _ := bytes.Cut(answer, []byte(`"cursor":"`))
	cursor, _, _ := bytes.Cut(rest, []byte(`"`))
	c.cursor = string(cursor)
	return nil
}

// request is a POST.
func request(target, mediaType, header, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\n%sContent-Length: %d\r\n\r\n%s",
		target, mediaType, header, len(body), body)
}
