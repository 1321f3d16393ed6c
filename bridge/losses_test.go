package bridge_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"flexbridge/bridge"
)

// A mailbox may be lost, and a process die, between any two steps.

// losing loses the mailbox once, when the desk is asked for op.
func (w *world) losing(op string) {
	w.desk.faulty(func(got string) error {
		if got == op && op != "" {
			op = ""
			w.mail.Lose()
		}
		return nil
	}, nil)
}

func TestLookDuringWhichTheStoreIsLost(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		sid := sidOf(ann, 0)
		asked := w.ask(ann, "a?", asking{})
		w.reply(sid, "one")
		<-asked
		w.desk.closes(sid)
		w.losing("state")
		w.reportClosed(sid)
		// The look saw the end of a conversation of which nothing is known any more.
		if end, err := w.End(t.Context(), ann, bridge.At(0, sid, 1)); err != nil || end.Status != bridge.Closed {
			t.Fatalf("End = %+v, %v", end, err)
		}
		want(t, <-w.await(ann, bridge.At(0, sid, 0), time.Second), bridge.Replied, "one")
	})
}

// While a look lists what is new, the store is lost, and an older look from the
// start, which was slow, makes less known than there was. The two together must not
// pass for all of it.
func TestLookUponAStoreThatKnowsLessThanBefore(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		sid := sidOf(ann, 0)
		asked := w.ask(ann, "a?", asking{})
		one := w.reply(sid, "one")
		want(t, <-asked, bridge.Replied, "one")
		cursor := bridge.At(0, sid, one.Index)
		w.reply(sid, "two")
		w.reply(sid, "three")
		w.desk.closes(sid)
		w.reportClosed(sid)
		lost := false
		w.desk.faulty(nil, func(op string) error {
			if op != "since" || lost {
				return nil
			}
			lost = true
			w.mail.Lose()
			_, err := w.mail.Keep(t.Context(), sid, bridge.Update{
				Owner:    &bridge.Owner{Customer: ann},
				Messages: []bridge.Message{{SID: "IM0", Kind: bridge.FromCustomer}, one},
			})
			return err
		})
		if end, err := w.End(t.Context(), ann, cursor); err != nil || end.Status != bridge.Closed || !lost {
			t.Fatalf("End = %+v, %v", end, err)
		}
		want(t, <-w.await(ann, cursor, time.Second), bridge.Replied, "two|three")
	})
}

func TestStoreLostWhileOpeningTheNextConversation(t *testing.T) {
	for _, op := range []string{"create", "join", "hook", "route", "say"} {
		t.Run(op, func(t *testing.T) {
			run(t, func(t *testing.T, w *world) {
				cursor := w.asked(ann, "a?")
				w.desk.agentSays(sidOf(ann, 0), "one")
				w.desk.closes(sidOf(ann, 0))
				w.reportClosed(sidOf(ann, 0))
				w.losing(op)
				next := w.ask(ann, "b?", asking{after: cursor})
				time.Sleep(8 * time.Second)
				w.wantWhole()
				w.reply(sidOf(ann, 1), "two")
				want(t, <-next, bridge.Replied, "one|two")
				want(t, <-w.await(ann, cursor, time.Second), bridge.Replied, "one|two")
			})
		})
	}
}

func TestKeyIsFoundAfterALoss(t *testing.T) {
	for _, closed := range []bool{false, true} {
		run(t, func(t *testing.T, w *world) {
			sid := sidOf(ann, 0)
			w.ask(ann, "a?", asking{key: "k", wait: time.Nanosecond})
			w.ask(ann, "b?", asking{wait: time.Nanosecond})
			if closed {
				w.desk.closes(sid)
			}
			w.mail.Lose()
			w.deliver(sid, bridge.Message{Kind: bridge.FromCustomer}) // the echo comes first, without the nonce
			again := w.ask(ann, "a?", asking{key: "k"})
			wantAsked(t, w, sid, "a?", "b?")
			if closed {
				want(t, <-again, bridge.Closed, "")
				return
			}
			w.reply(sid, "yes")
			want(t, <-again, bridge.Replied, "yes")
		})
	}
}

func TestKeyIsFoundAfterALossAndACrash(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.ask(ann, "a?", asking{key: "k", wait: time.Nanosecond})
		w.ask(ann, "b?", asking{wait: time.Nanosecond})
		w.mail.Lose()
		for n := 1; n < 12; n++ {
			g := dies(n, false)
			b := bridge.New(gatedDesk{w.desk, g}, gatedMailbox{w.mail, g}, keys, bridge.Config{})
			<-w.ask(ann, "a?", asking{key: "k", b: b, wait: time.Nanosecond})
			b.Close()
		}
		time.Sleep(20 * time.Second)
		<-w.ask(ann, "a?", asking{key: "k"})
		wantAsked(t, w, sidOf(ann, 0), "a?", "b?")
	})
}

func TestCursorOfADeletedConversationWhoseGenerationIsUsedAgain(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.asked(ann, "a?")
		for range 5 {
			cursor.Index = w.reply(sidOf(ann, 0), "old").Index
		}
		w.desk.drop(sidOf(ann, 0))
		w.mail.Lose()
		w.asked(ann, "b?")
		asked := w.ask(ann, "c?", asking{after: cursor})
		w.reply(w.desk.opened()[0].sid, "new")
		got := <-asked
		want(t, got, bridge.Replied, "new")
		want(t, <-w.await(ann, got.Cursor, time.Second), bridge.Pending, "")
	})
}

func TestStepThatTakesEffectLateIsNotDoneTwice(t *testing.T) {
	for _, op := range []string{"create", "join", "hook", "route"} {
		for _, f := range []fault{{late: 2 * time.Second}, {slow: 9 * time.Second}} {
			run(t, func(t *testing.T, w *world) {
				w.desk.faults = map[string][]fault{op: {f}}
				first, second := w.ask(ann, "a?", asking{}), w.ask(ann, "a?", asking{b: w.replica()})
				<-first
				<-second
				<-w.ask(ann, "a?", asking{})
				w.wantWhole()
				if n := w.desk.asked("a?"); n != 1 {
					t.Fatalf("%s %+v: said %d times", op, f, n)
				}
			})
		}
	}
}

func TestStoreLostInTheMiddleOfAStep(t *testing.T) {
	for _, op := range []string{"hook", "route"} {
		run(t, func(t *testing.T, w *world) {
			w.desk.faults = map[string][]fault{op: {{slow: 4 * time.Second}}}
			first := w.ask(ann, "a?", asking{})
			w.mail.Lose()
			second := w.ask(ann, "b?", asking{b: w.replica()})
			<-first
			<-second
			w.wantWhole()
		})
	}
}

func TestQuestionThatIsPostedLateIsNotSaidTwice(t *testing.T) {
	runWith(t, bridge.Config{SayLimit: 500 * time.Millisecond}, func(t *testing.T, w *world) {
		w.asked(ann, "a?")
		w.desk.faults = map[string][]fault{"say": {{late: 2 * time.Second}}}
		wantErr(t, <-w.ask(ann, "b?", asking{wait: time.Nanosecond}), bridge.ErrUnsure)
		again := w.ask(ann, "b?", asking{})
		time.Sleep(10 * time.Second)
		wantAsked(t, w, sidOf(ann, 0), "a?", "b?")
		w.reply(sidOf(ann, 0), "yes")
		want(t, <-again, bridge.Replied, "yes")
	})
}

func TestUnsureIsNotUnavailable(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.asked(ann, "a?")
		w.desk.faulty(nil, func(op string) error {
			if op == "say" {
				w.desk.faulty(func(string) error { return bridge.ErrDeskUnavailable }, nil)
				return errCut
			}
			return nil
		})
		got := <-w.ask(ann, "b?", asking{})
		wantErr(t, got, bridge.ErrUnsure)
		if errors.Is(got.err, bridge.ErrDeskUnavailable) {
			t.Fatalf("error %v also means that it was not said", got.err)
		}
	})
}

// deaf is a mailbox that cannot be watched: as Redis's, it waits for that until
// its context ends.
type deaf struct{ bridge.Mailbox }

func (deaf) Watch(ctx context.Context, _ string) (bridge.Watch, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestWaitIsBoundedWhenNothingCanBeWatched(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.asked(ann, "a?")
		w.Bridge = bridge.New(w.desk, deaf{w.mail}, keys, bridge.Config{})
		got := <-w.await(ann, cursor, 6*time.Second)
		wantErr(t, got, bridge.ErrMailbox)
		if got.after != 6*time.Second {
			t.Fatalf("answered after %v", got.after)
		}
	})
}
