package bridge_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"flexbridge/bridge"
)

// Before each of these scenes ann has two conversations, the older one with a
// reply that she has not seen; the newer one is open unless the scene closes it.
var scenes = []struct {
	name  string
	setUp func(w *world)
	who   bridge.Customer
	a     asking
}{
	{"first question", func(*world) {}, bob, asking{}},
	{"next question", func(*world) {}, ann, asking{}},
	{"with cursor", func(*world) {}, ann, asking{after: bridge.At(0, sidOf(ann, 0), 0)}},
	{"with key", func(*world) {}, ann, asking{key: "k"}},
	{"conversation closed", func(w *world) { w.desk.closes(sidOf(ann, 1)) }, ann, asking{after: bridge.At(0, sidOf(ann, 0), 0)}},
	{"conversation known to be closed", func(w *world) {
		w.desk.closes(sidOf(ann, 1))
		w.reportClosed(sidOf(ann, 1))
	}, ann, asking{}},
	{"conversation deleted", func(w *world) { w.desk.drop(sidOf(ann, 1)) }, ann, asking{}},
	{"mailbox lost", func(w *world) { w.mail.Lose() }, ann, asking{key: "k", after: bridge.At(1, sidOf(ann, 1), 0)}},
}

var errLost = errors.New("lost")

func (w *world) twoConversations() {
	w.ask(ann, "0?", asking{wait: time.Nanosecond})
	w.desk.agentSays(sidOf(ann, 0), "zero")
	w.desk.closes(sidOf(ann, 0))
	w.reportClosed(sidOf(ann, 0))
	w.ask(ann, "1?", asking{wait: time.Nanosecond})
	time.Sleep(time.Minute)
	w.desk.taken()
}

// answered waits for the outcome while an agent replies to the question, once.
func (w *world) answered(out <-chan outcome, who bridge.Customer, text string) outcome {
	for {
		synctest.Wait()
		select {
		case got := <-out:
			return got
		default:
		}
		for _, c := range w.desk.opened() {
			i := slices.IndexFunc(c.messages, func(m bridge.Message) bool { return m.Text == text })
			if c.customer == who && i >= 0 && !c.closed && !slices.ContainsFunc(c.messages[i:], func(m bridge.Message) bool { return m.Kind == bridge.FromAgent }) {
				w.reply(c.sid, "to "+text)
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// asked counts how often the agents saw a question.
func (d *desk) asked(text string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := slices.Clone(d.deleted)
	for _, c := range d.conversations {
		all = append(all, c)
	}
	for _, c := range all {
		for _, m := range c.messages {
			if m.Kind == bridge.FromCustomer && m.Text == text {
				n++
			}
		}
	}
	return n
}

// Whichever single operation fails, the error tells the truth, the repetition is
// answered, the question is said once, and what is opened is opened whole.
func TestEveryOperationMayFail(t *testing.T) {
	faults := []struct {
		name  string
		on    string // mailbox or desk
		after bool
		err   error
	}{
		{"mailbox fails before", "mailbox", false, errOff},
		{"mailbox fails after", "mailbox", true, errOff},
		{"mailbox lost", "mailbox", false, errLost},
		{"desk unavailable", "desk", false, bridge.ErrDeskUnavailable},
		{"desk refuses", "desk", false, bridge.ErrDeskRefused},
		{"desk cut before", "desk", false, errCut},
		{"desk cut after", "desk", true, errCut},
	}
	for _, scene := range scenes {
		for _, f := range faults {
			t.Run(scene.name+"/"+f.name, func(t *testing.T) {
				for n, last := 1, 1; n <= last; n++ {
					t.Run(fmt.Sprint(n), func(t *testing.T) {
						run(t, func(t *testing.T, w *world) {
							w.twoConversations()
							scene.setUp(w)
							g := fails(n, f.after, f.err)
							if f.err == errLost { // without an error
								g.before = func(i int, _ string) error {
									if i == n {
										w.mail.Lose()
									}
									return nil
								}
							}
							a := scene.a
							if f.on == "mailbox" {
								a.b = bridge.New(w.desk, gatedMailbox{w.mail, g}, keys, bridge.Config{})
							} else {
								a.b = bridge.New(gatedDesk{w.desk, g}, w.mail, keys, bridge.Config{})
							}
							defer a.b.Close()
							w.survives(scene.who, a, func() string { return fmt.Sprint(g.ops[min(n, len(g.ops))-1 : min(n, len(g.ops))]) })
							last = g.passed()
						})
					})
				}
			})
		}
	}
}

// survives asks until there is an answer.
func (w *world) survives(who bridge.Customer, a asking, failed func() string) {
	w.t.Helper()
	const text = "well?"
	for try := range 4 {
		got := w.answered(w.ask(who, text, a), who, text)
		n := w.desk.asked(text)
		switch {
		case got.err == nil && got.Status == bridge.Replied:
			if n != 1 {
				w.t.Fatalf("%s failed: said %d times", failed(), n)
			}
			w.wantWhole()
			if rest := w.desk.agentSaid(who, a.after, got.Cursor); got.texts() != rest && !a.after.IsZero() {
				w.t.Fatalf("%s failed: answer %q, want %q", failed(), got.texts(), rest)
			}
			return
		case n > 1, try == 3:
			w.t.Fatalf("%s failed: try %d: %s %v, said %d times", failed(), try, got.Status, got.err, n)
		case got.err != nil && !errors.Is(got.err, bridge.ErrMailbox) && !errors.Is(got.err, bridge.ErrUnsure) && n > 0:
			w.t.Fatalf("%s failed: %v, which means it was not said, but it was", failed(), got.err)
		case got.after > 50*time.Second:
			w.t.Fatalf("%s failed: answered after %v", failed(), got.after)
		}
		known := []error{bridge.ErrMailbox, bridge.ErrUnsure, bridge.ErrDeskUnavailable, bridge.ErrDeskRefused}
		if got.err != nil && !slices.ContainsFunc(known, func(e error) bool { return errors.Is(got.err, e) }) {
			w.t.Fatalf("%s failed: %v", failed(), got.err)
		}
	}
}

// wantWhole fails if a conversation that was said in is not joined, hooked and
// routed once, or a customer has two that are open.
func (w *world) wantWhole() {
	w.t.Helper()
	if err := w.desk.notWhole(); err != nil {
		w.t.Fatal(err)
	}
}

func (d *desk) notWhole() error {
	open := map[bridge.Customer]int{}
	d.mu.Lock()
	for _, c := range d.deleted {
		open[c.customer] = -len(d.conversations) // its generation may be used once more
	}
	d.mu.Unlock()
	for _, c := range d.opened() {
		if !c.closed {
			open[c.customer]++
		}
		said := len(c.messages) > 0
		if c.hooked > 1 || c.routed > 1 || said && (!c.joined || c.hooked+c.routed != 2) || open[c.customer] > 1 {
			return fmt.Errorf("%s: joined %v, hooked %d times, routed %d times, %d open of its customer", c.sid, c.joined, c.hooked, c.routed, open[c.customer])
		}
	}
	return nil
}

// agentSaid is what callers should see between two cursors.
func (d *desk) agentSaid(who bridge.Customer, after, upTo bridge.Cursor) string {
	all := d.opened()
	slices.SortFunc(all, func(a, b conversation) int { return a.generation - b.generation })
	var o outcome
	for _, c := range all {
		for _, m := range c.messages {
			at := bridge.At(c.generation, c.sid, m.Index)
			if c.customer == who && m.Kind != bridge.FromCustomer && at.Compare(after) > 0 && at.Compare(upTo) <= 0 {
				o.Messages = append(o.Messages, m)
			}
		}
	}
	return o.texts()
}

func TestEveryOperationOfAWaitMayFail(t *testing.T) {
	for _, after := range []bool{false, true} {
		for _, closed := range []bool{false, true} {
			for n, last := 1, 1; n <= last; n++ {
				t.Run(fmt.Sprint(after, closed, n), func(t *testing.T) {
					run(t, func(t *testing.T, w *world) {
						w.twoConversations()
						sid := sidOf(ann, 1)
						w.desk.agentSays(sid, "one") // the report is lost
						texts := "zero|one"
						if closed {
							w.desk.closes(sid)
							w.reportClosed(sid)
						}
						g := fails(n, after, errOff)
						b := bridge.New(w.desk, gatedMailbox{w.mail, g}, keys, bridge.Config{})
						defer b.Close()
						cursor, got := bridge.At(0, sidOf(ann, 0), 0), ""
						for try := 0; got != texts; try++ {
							a, err := b.Await(t.Context(), ann, cursor, time.Now().Add(40*time.Second))
							if err != nil && !errors.Is(err, bridge.ErrMailbox) || try == 4 {
								t.Fatalf("%v failed: try %d: %s %q (%v)", g.ops, try, a.Status, got, err)
							}
							if err == nil {
								cursor = a.Cursor
								for _, m := range a.Messages {
									if got != "" {
										got += "|"
									}
									got += m.Text
								}
							}
							last = g.passed()
						}
					})
				})
			}
		}
	}
}
