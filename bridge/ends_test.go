package bridge_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge"
)

// What is unread of a conversation that is over.

// endsWithAGap has an agent speak after an Index that never existed, and close.
func (w *world) endsWithAGap() (cursor bridge.Cursor) {
	cursor = w.asked(ann, "a?")
	sid := sidOf(ann, 0)
	w.desk.skip(sid)
	w.reply(sid, "bye")
	w.desk.closes(sid)
	w.reportClosed(sid)
	return cursor
}

func TestEndReturnsWhatLiesBeyondAYoungGap(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.endsWithAGap()
		end, err := w.End(t.Context(), ann, cursor)
		want(t, outcome{Answer: end, err: err}, bridge.Closed, "bye")
	})
}

func TestNextConversationDoesNotHideAYoungGap(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.endsWithAGap()
		next := w.ask(ann, "b?", asking{after: cursor})
		w.reply(sidOf(ann, 1), "hello")
		want(t, <-next, bridge.Replied, "bye|hello")
	})
}

func TestOlderRepliesAreWaitedForWhileTheDeskIsDown(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.asked(ann, "a?")
		w.desk.agentSays(sidOf(ann, 0), "one")
		w.desk.closes(sidOf(ann, 0))
		down := true
		w.desk.faulty(func(op string) error {
			if down && (op == "state" || op == "since") {
				return bridge.ErrDeskUnavailable
			}
			return nil
		}, nil)
		next := w.ask(ann, "b?", asking{after: cursor, wait: 10 * time.Second})
		want(t, <-next, bridge.Pending, "")
		wantAsked(t, w, sidOf(ann, 1), "b?")
		down = false
		again := w.ask(ann, "b?", asking{after: cursor})
		w.reply(sidOf(ann, 1), "two")
		want(t, <-again, bridge.Replied, "one|two")
	})
}

func TestDrainWhileSayingIsPending(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.asked(ann, "a?")
		w.reply(sidOf(ann, 0), "one")
		if _, err := w.End(t.Context(), ann, cursor); err != nil {
			t.Fatal(err)
		}
		w.desk.faults = map[string][]fault{"say": {{slow: 2 * time.Second}}}
		ctx, drain := context.WithCancelCause(t.Context())
		next := w.ask(ann, "b?", asking{after: cursor, ctx: ctx})
		drain(bridge.ErrDraining)
		want(t, <-next, bridge.Pending, "one")
	})
}

func TestKeyOfAnOldConversationRepeatsNothing(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{key: "k"})
		w.reply(sidOf(ann, 0), "one")
		<-asked
		if _, err := w.End(t.Context(), ann, bridge.Cursor{}); err != nil {
			t.Fatal(err)
		}
		cursor := w.asked(ann, "b?")
		again := <-w.ask(ann, "a?", asking{key: "k", after: cursor})
		want(t, again, bridge.Closed, "")
		if again.Cursor != cursor {
			t.Fatalf("cursor = %v, want %v", again.Cursor, cursor)
		}
	})
}

func TestWaitingWhileTheConversationIsBeingOpened(t *testing.T) {
	for _, before := range []string{"nothing", "a closed one"} {
		t.Run(before, func(t *testing.T) {
			run(t, func(t *testing.T, w *world) {
				sid, cursor := sidOf(ann, 0), bridge.Cursor{}
				if before != "nothing" {
					cursor = w.asked(ann, "a?")
					if _, err := w.End(t.Context(), ann, cursor); err != nil {
						t.Fatal(err)
					}
					sid = sidOf(ann, 1)
				}
				w.desk.faults = map[string][]fault{"create": {{slow: 2 * time.Second}}}
				w.ask(ann, "b?", asking{})
				short := w.await(ann, cursor, time.Second)
				waiter := w.await(ann, cursor, 40*time.Second)
				want(t, <-short, bridge.Pending, "")
				time.Sleep(3 * time.Second)
				waiting(t, waiter)
				w.reply(sid, "yes")
				want(t, <-waiter, bridge.Replied, "yes")
			})
		})
	}
}

func TestClosedIsNeverLookedAtAgain(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.endsWithAGap()
		want(t, <-w.await(ann, cursor, 40*time.Second), bridge.Replied, "bye")
		time.Sleep(time.Minute)
		got := <-w.await(ann, bridge.At(0, sidOf(ann, 0), 2), 40*time.Second)
		want(t, got, bridge.Closed, "")
		w.desk.taken()
		for range 3 {
			for _, c := range []bridge.Cursor{cursor, got.Cursor, {}} {
				<-w.await(ann, c, 40*time.Second)
				if _, err := w.End(t.Context(), ann, c); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
		}
		if calls := strings.Join(w.desk.taken(), " "); calls != "" {
			t.Fatalf("calls = %q, want none", calls)
		}
	})
}
