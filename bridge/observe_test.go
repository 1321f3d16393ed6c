package bridge_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flexbridge/bridge"
	"flexbridge/store"
)

// observed is what a bridge told. The order is left open: a waiter may be ahead of
// what woke it.
type observed struct {
	mu   sync.Mutex
	told []string
}

func (o *observed) note(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, fmt.Sprintf(format, args...))
}

func (o *observed) Waited(c bridge.Call, e bridge.Ending, d time.Duration) {
	if !slices.Contains(bridge.Endings(c), e) {
		e = "unlisted " + e
	}
	o.note("%s %s %v", c, e, d)
}
func (o *observed) Answered(d time.Duration) { o.note("answered %v", d) }
func (o *observed) Woke(d time.Duration)     { o.note("woke %v", d) }
func (o *observed) Happened(what bridge.Happening, n int) {
	if n > 0 {
		o.note("%s %d", happenings[what], n)
	}
}

var happenings = map[bridge.Happening]string{
	bridge.DeliveryLate: "late", bridge.DeliveryLost: "lost", bridge.GapRepaired: "repaired", bridge.GapSkipped: "skipped",
	bridge.ReplyFound: "found", bridge.LookDone: "look", bridge.LookFailed: "look failed", bridge.LookRefused: "look refused",
}

// taken is what was told since the last time.
func (o *observed) taken() string {
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	told := sorted(o.told)
	o.told = nil
	return told
}

func sorted(list []string) string {
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func observing(t *testing.T, c bridge.Config, test func(*testing.T, *world, func(want string))) {
	t.Helper()
	o := new(observed)
	c.Observer = o
	runWith(t, c, func(t *testing.T, w *world) {
		test(t, w, func(want string) {
			t.Helper()
			if got := o.taken(); got != sorted(strings.Split(want, ", ")) {
				t.Errorf("it told of %q, want %q", got, want)
			}
		})
	})
}

func TestTellsOfEachEnding(t *testing.T) {
	observing(t, bridge.Config{}, func(t *testing.T, w *world, told func(string)) {
		sid := sidOf(ann, 0)
		pause := func() { time.Sleep(7 * time.Second); synctest.Wait() }

		asked := w.ask(ann, "a?", asking{})
		pause()
		w.reply(sid, "one")
		got := <-asked
		want(t, got, bridge.Replied, "one")
		told("answered 7s, send replied 7s")
		time.Sleep(time.Second) // to write it
		got.Written()
		told("woke 1s")

		want(t, <-w.await(ann, got.Cursor, 5*time.Second), bridge.Pending, "")
		told("look 1, replies pending 5s")

		first := w.await(ann, got.Cursor, 40*time.Second)
		for range 4 {
			w.await(ann, got.Cursor, time.Second)
		}
		want(t, <-first, bridge.Pending, "")
		time.Sleep(time.Second)
		told("replies displaced 0s" + strings.Repeat(", replies pending 1s", 4))

		ctx, leave := context.WithCancel(t.Context())
		left := w.ask(ann, "b?", asking{ctx: ctx})
		pause()
		leave()
		wantErr(t, <-left, context.Canceled)
		told("send left 7s")

		ctx, drain := context.WithCancelCause(t.Context())
		drained := w.ask(ann, "b?", asking{ctx: ctx})
		pause()
		drain(bridge.ErrDraining)
		want(t, <-drained, bridge.Pending, "")
		told("send drained 7s")

		w.desk.faults = map[string][]fault{"say": {{err: bridge.ErrDeskRefused}}}
		wantErr(t, <-w.ask(ann, "c?", asking{}), bridge.ErrDeskRefused)
		told("send failed 0s")

		if _, err := w.End(t.Context(), ann, bridge.Cursor{}); err != nil {
			t.Fatal(err)
		}
		told("look 1, end closed 0s")
	})
}

// A quick agent's reply may be there before Twilio has answered that the question is.
func TestTellsOfAReplyThatOvertookItsQuestion(t *testing.T) {
	observing(t, bridge.Config{}, func(t *testing.T, w *world, told func(string)) {
		w.desk.faults = map[string][]fault{"say": {{slow: 4 * time.Second}}} // said after 2 s
		asked := w.ask(ann, "a?", asking{})
		time.Sleep(3 * time.Second)
		w.reply(sidOf(ann, 0), "quick")
		want(t, <-asked, bridge.Replied, "quick")
		told("answered 1s, send replied 4s")
	})
}

// What was there before the wait woke nobody, nor did what only a look found.
func TestWakesAreOfReportsThatCameMeanwhile(t *testing.T) {
	observing(t, bridge.Config{}, func(t *testing.T, w *world, told func(string)) {
		sid, cursor := sidOf(ann, 0), w.asked(ann, "a?")
		time.Sleep(time.Second)
		w.reply(sid, "one")
		time.Sleep(time.Minute)
		told("send pending 1ns, look 1, answered 1.000000001s")
		got := <-w.await(ann, cursor, time.Minute)
		want(t, got, bridge.Replied, "one")
		got.Written()
		told("replies replied 0s")

		reply := w.await(ann, got.Cursor, 40*time.Second)
		w.desk.agentSays(sid, "two") // and its report is lost
		got = <-reply
		want(t, got, bridge.Replied, "two")
		got.Written()
		told("found 1, look 1, replies replied 37s")
	})
}

func TestTellsOfGaps(t *testing.T) {
	observing(t, bridge.Config{}, func(t *testing.T, w *world, told func(string)) {
		sid := sidOf(ann, 0)
		asked := w.ask(ann, "a?", asking{})
		w.desk.agentSays(sid, "lost")
		w.reply(sid, "shows it")
		got := <-asked
		want(t, got, bridge.Replied, "lost|shows it")
		got.Written()
		told("answered 0s, found 1, repaired 1, look 1, send replied 300ms")

		reply := w.await(ann, got.Cursor, 40*time.Second)
		w.desk.skip(sid)
		w.reply(sid, "beyond")
		got = <-reply
		want(t, got, bridge.Replied, "beyond")
		got.Written()
		told("look 1, skipped 1, look 1, replies replied 4s, woke 4s")
	})
}

func TestTellsOfLooksRefused(t *testing.T) {
	observing(t, bridge.Config{LooksPerSecond: 1}, func(t *testing.T, w *world, told func(string)) {
		sid := sidOf(ann, 0)
		want(t, <-w.ask(ann, "a?", asking{wait: time.Nanosecond}), bridge.Pending, "")
		told("look refused 1, send pending 1ns")
		_, err := w.Await(t.Context(), bob, bridge.Cursor{}, time.Now()) // the look-up of ann was the one of this second
		wantErr(t, outcome{err: err}, bridge.ErrBusy)
		told("look refused 1, replies failed 0s")
		time.Sleep(2 * time.Second)
		w.desk.faults = map[string][]fault{"state": {{err: bridge.ErrDeskUnavailable}}}
		_, err = w.Await(t.Context(), ann, bridge.At(0, sid, 99), time.Now())
		wantErr(t, outcome{err: err}, bridge.ErrDeskUnavailable)
		told("look failed 1, replies failed 0s")
	})
}

// forgetful is a mailbox that keeps nothing while it is switched on.
type forgetful struct {
	*store.Memory
	on atomic.Bool
}

func (d *forgetful) Keep(ctx context.Context, conversation string, u bridge.Update) (bridge.Kept, error) {
	if d.on.Load() {
		return bridge.Kept{}, errDead
	}
	return d.Memory.Keep(ctx, conversation, u)
}

func TestTellsOfDeliveriesThatAreLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, mail := new(observed), &forgetful{Memory: store.NewMemory(store.Config{})}
		mail.on.Store(true)
		b := bridge.New(newDesk(), mail, keys, bridge.Config{KeepWaiting: 1, Observer: o})
		defer b.Close()
		deliver := func() {
			m := bridge.Message{SID: "IM1", Kind: bridge.FromAgent}
			if err := b.Deliver(t.Context(), bridge.Event{Conversation: "CH1", Ours: true, Message: &m}); err == nil {
				t.Error("Deliver = nil, want an error")
			}
		}
		deliver()
		deliver() // one too many
		time.Sleep(time.Minute)
		deliver()
		mail.on.Store(false)
		time.Sleep(time.Minute)
		if got, want := o.taken(), "late 1, late 1, lost 1, lost 1"; got != want {
			t.Errorf("it told of %q, want %q", got, want)
		}
	})
}

// After a loss of the mailbox a look brings everything anew, which is not told again.
func TestTellsNothingTwice(t *testing.T) {
	observing(t, bridge.Config{}, func(t *testing.T, w *world, told func(string)) {
		sid := sidOf(ann, 0)
		asked := w.ask(ann, "a?", asking{})
		w.desk.skip(sid)
		time.Sleep(time.Second)
		w.reply(sid, "one")
		want(t, <-asked, bridge.Replied, "one")
		told("look 1, answered 1s, skipped 1, look 1, send replied 5s")
		w.mail.Lose()
		got := <-w.await(ann, bridge.At(0, sid, 0), time.Minute)
		want(t, got, bridge.Replied, "one")
		told("look 1, replies replied 0s")
	})
}

// A panic at the desk is a failure, and leaves no place taken.
func TestTellsOfAPanic(t *testing.T) {
	observing(t, bridge.Config{}, func(t *testing.T, w *world, told func(string)) {
		w.desk.faulty(func(op string) error {
			if op == "find" {
				panic("at the desk")
			}
			return nil
		}, nil)
		_, err := w.Ask(t.Context(), bridge.Question{Customer: ann, Text: "a?", Deadline: time.Now().Add(time.Minute)})
		if err == nil || !strings.Contains(err.Error(), "panic: at the desk") {
			t.Errorf("Ask = %v, want the panic", err)
		}
		told("send failed 0s")
		if n := w.Parked(); n != 0 {
			t.Errorf("%d requests are parked", n)
		}
	})
}

// frantic panics whatever it is told of waits.
type frantic struct{ *observed }

func (frantic) Waited(bridge.Call, bridge.Ending, time.Duration) { panic("told of a wait") }

// Who panics when told of waits keeps nobody from an answer: neither who waits for one
// nor whose is there already.
func TestPanicOfWhoIsTold(t *testing.T) {
	frantically := bridge.Config{
		Observer: frantic{&observed{}},
		Parked: func(ctx context.Context, _ string) (context.Context, func(bridge.Answer, error)) {
			return ctx, func(bridge.Answer, error) { panic("told of the end") }
		},
	}
	runWith(t, frantically, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{})
		w.reply(sidOf(ann, 0), "one")
		want(t, <-asked, bridge.Replied, "one")
		want(t, <-w.await(ann, bridge.At(0, sidOf(ann, 0), 0), time.Minute), bridge.Replied, "one")
	})
	frantically.Parked = func(context.Context, string) (context.Context, func(bridge.Answer, error)) {
		panic("told of the begin")
	}
	runWith(t, frantically, func(t *testing.T, w *world) {
		if got := <-w.ask(ann, "a?", asking{}); got.err == nil {
			t.Errorf("answer = %s, want an error", got.Status)
		}
	})
}
