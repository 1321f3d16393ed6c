package bridge_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flexbridge/bridge"
	"flexbridge/store"
)

// world is a bridge between a desk and a mailbox, in synctest's time.
type world struct {
	*bridge.Bridge
	t    *testing.T
	desk *desk
	mail *store.Memory
	keys *bridge.Keyring
}

var keys = func() *bridge.Keyring {
	k, err := bridge.NewKeyring([]byte(strings.Repeat("k", bridge.MinSecret)))
	if err != nil {
		panic(err)
	}
	return k
}()

var (
	ann = keys.Customer("username", "ann")
	bob = keys.Customer("username", "bob")
)

// run plays a test in a world of its own.
func run(t *testing.T, test func(*testing.T, *world)) {
	runWith(t, bridge.Config{}, test)
}

func runWith(t *testing.T, c bridge.Config, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, desk: newDesk(), mail: store.NewMemory(store.Config{}), keys: keys}
		w.Bridge = bridge.New(w.desk, w.mail, keys, c)
		defer w.Close()
		test(t, w)
	})
}

// replica is another process on the same desk and mailbox.
func (w *world) replica() *bridge.Bridge {
	return bridge.New(w.desk, w.mail, keys, bridge.Config{})
}

// outcome is what a call came back with.
type outcome struct {
	bridge.Answer
	err   error
	after time.Duration
}

func (o outcome) texts() string {
	var texts []string
	for _, m := range o.Messages {
		texts = append(texts, m.Text)
	}
	return strings.Join(texts, "|")
}

// going runs a call; the channel has its outcome.
func going(call func() (bridge.Answer, error)) <-chan outcome {
	c := make(chan outcome, 1)
	go func() {
		start := time.Now()
		a, err := call()
		c <- outcome{a, err, time.Since(start)}
	}()
	return c
}

type asking struct {
	after bridge.Cursor
	key   string
	wait  time.Duration // 40 s
	ctx   context.Context
	b     *bridge.Bridge
}

func (w *world) ask(c bridge.Customer, text string, a asking) <-chan outcome {
	if a.wait == 0 {
		a.wait = 40 * time.Second
	}
	if a.ctx == nil {
		a.ctx = w.t.Context()
	}
	if a.b == nil {
		a.b = w.Bridge
	}
	out := going(func() (bridge.Answer, error) {
		return a.b.Ask(a.ctx, bridge.Question{Customer: c, Text: text, After: a.after, Key: a.key, Deadline: time.Now().Add(a.wait)})
	})
	synctest.Wait()
	return out
}

// asked has a question said, and gives up at once.
func (w *world) asked(c bridge.Customer, text string) bridge.Cursor {
	w.t.Helper()
	got := <-w.ask(c, text, asking{wait: time.Nanosecond})
	want(w.t, got, bridge.Pending, "")
	synctest.Wait()
	return got.Cursor
}

func (w *world) await(c bridge.Customer, after bridge.Cursor, wait time.Duration) <-chan outcome {
	out := going(func() (bridge.Answer, error) {
		return w.Await(w.t.Context(), c, after, time.Now().Add(wait))
	})
	synctest.Wait()
	return out
}

// deliver reports a message as the desk's webhook would.
func (w *world) deliver(sid string, m bridge.Message) {
	w.t.Helper()
	if err := w.Deliver(w.t.Context(), bridge.Event{Conversation: sid, Ours: true, Message: &m}); err != nil {
		w.t.Fatalf("Deliver = %v", err)
	}
	synctest.Wait()
}

// reply has an agent say something that is reported at once.
func (w *world) reply(sid, text string) bridge.Message {
	w.t.Helper()
	m := w.desk.agentSays(sid, text)
	w.deliver(sid, m)
	return m
}

func (w *world) reportClosed(sid string) {
	w.t.Helper()
	if err := w.Deliver(w.t.Context(), bridge.Event{Conversation: sid, Ours: true, Closed: true}); err != nil {
		w.t.Fatalf("Deliver = %v", err)
	}
	synctest.Wait()
}

// want fails unless the call came back so.
func want(t *testing.T, got outcome, status bridge.Status, texts string) {
	t.Helper()
	if got.err != nil || got.Status != status || got.texts() != texts {
		t.Fatalf("answer = %s %q after %v (%v), want %s %q", got.Status, got.texts(), got.after, got.err, status, texts)
	}
}

func wantErr(t *testing.T, got outcome, target error) {
	t.Helper()
	if !errors.Is(got.err, target) {
		t.Fatalf("answer = %s %q, error %v, want %v", got.Status, got.texts(), got.err, target)
	}
}

// wantCalls fails unless these operations were called at the desk since the last time.
func (w *world) wantCalls(want string) {
	w.t.Helper()
	synctest.Wait()
	if got := strings.Join(w.desk.taken(), " "); got != want {
		w.t.Fatalf("calls = %q, want %q", got, want)
	}
}

func waiting(t *testing.T, c <-chan outcome) {
	t.Helper()
	synctest.Wait()
	select {
	case o := <-c:
		t.Fatalf("answer = %s %q after %v (%v), want a request that waits", o.Status, o.texts(), o.after, o.err)
	default:
	}
}
