package bridge_test

import (
	"testing"
	"testing/synctest"
	"time"

	"flexbridge/bridge"
)

// hint says that something happened, and nothing more.
func (w *world) hint(sid string, times int) {
	for range times {
		w.Hint(w.t.Context(), sid)
	}
	synctest.Wait()
}

// quiet has a question said, and no look for a while.
func (w *world) quiet(c bridge.Customer) bridge.Cursor {
	w.t.Helper()
	cursor := w.asked(c, "a?")
	time.Sleep(time.Minute)
	w.desk.taken()
	return cursor
}

func TestHintFindsTheReplyThatSomebodyWaitsFor(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{})
		w.desk.agentSays(sidOf(ann, 0), "one")
		w.desk.taken()
		w.hint(sidOf(ann, 0), 1)
		got := <-asked
		want(t, got, bridge.Replied, "one")
		if got.after > 0 {
			t.Errorf("answered after %v, want at once", got.after)
		}
		w.wantCalls("state since")
	})
}

func TestHintFindsAReplyThatNobodyWaitsFor(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.quiet(ann)
		w.desk.agentSays(sidOf(ann, 0), "one")
		w.hint(sidOf(ann, 0), 1)
		w.desk.taken()
		want(t, <-w.await(ann, cursor, time.Second), bridge.Replied, "one")
		w.wantCalls("")
	})
}

func TestHintOfWhatIsUnknownOrOverCostsNoCall(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.hint(sidOf(bob, 0), 3)
		w.wantCalls("")

		asked := w.ask(ann, "a?", asking{})
		w.desk.closes(sidOf(ann, 0))
		w.reportClosed(sidOf(ann, 0))
		want(t, <-asked, bridge.Closed, "")
		w.desk.taken()
		time.Sleep(time.Minute)
		w.hint(sidOf(ann, 0), 3)
		w.wantCalls("")

		// What comes after a webhook alone is not ours either.
		m := bridge.Message{SID: "IM1", Kind: bridge.FromAgent, Text: "hm"}
		if err := w.Deliver(t.Context(), bridge.Event{Conversation: sidOf(bob, 0), Ours: true, Message: &m}); err != nil {
			t.Fatal(err)
		}
		w.hint(sidOf(bob, 0), 3)
		time.Sleep(time.Minute)
		w.wantCalls("")
	})
}

func TestManyHintsShareALook(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.quiet(ann)
		w.hint(sidOf(ann, 0), 50)
		w.hint(sidOf(ann, 0), 50)
		time.Sleep(time.Minute)
		w.wantCalls("state since state since")
	})
}

// Replicas share the claim: a hint at each makes a look a second, not two.
func TestHintsAtTwoReplicasAreASecondApart(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		other := w.replica()
		defer other.Close()
		w.quiet(ann)
		w.hint(sidOf(ann, 0), 1)
		other.Hint(t.Context(), sidOf(ann, 0))
		time.Sleep(999 * time.Millisecond)
		w.wantCalls("state since")
		time.Sleep(2 * time.Millisecond)
		w.wantCalls("state since")
	})
}

func TestHintAfterALookMakesAnother(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.quiet(ann)
		w.desk.agentSays(sidOf(ann, 0), "one")
		w.hint(sidOf(ann, 0), 1)
		w.desk.agentSays(sidOf(ann, 0), "two")
		w.hint(sidOf(ann, 0), 1)
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, <-w.await(ann, cursor, 0), bridge.Replied, "one|two")
	})
}

// A look that has begun may have listed the messages already.
func TestHintDuringALookMakesAnother(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.quiet(ann)
		w.desk.agentSays(sidOf(ann, 0), "one")
		w.desk.faults = map[string][]fault{"since": {{slow: 2 * time.Second}}}
		w.hint(sidOf(ann, 0), 1)
		time.Sleep(1500 * time.Millisecond)
		w.desk.agentSays(sidOf(ann, 0), "two")
		w.hint(sidOf(ann, 0), 1)
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, <-w.await(ann, cursor, 0), bridge.Replied, "one|two")
	})
}

func TestHintIsFollowedAgainWhenTheDeskOrTheMailboxFails(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{})
		w.desk.agentSays(sidOf(ann, 0), "one")
		w.desk.faults = map[string][]fault{"state": {{err: bridge.ErrDeskUnavailable}, {err: errCut}}}
		w.hint(sidOf(ann, 0), 1)
		got := <-asked
		want(t, got, bridge.Replied, "one")
		if got.after != 2*time.Second {
			t.Errorf("answered after %v, want the third look, 2 s later", got.after)
		}
	})
}

// Hints have a ration of their own: what it refuses is looked at later, and looks
// before a deadline go on.
func TestFloodOfHintsStarvesNobody(t *testing.T) {
	runWith(t, bridge.Config{LooksPerSecond: 1}, func(t *testing.T, w *world) {
		var flooded []string
		for _, name := range []string{"c", "d", "e", "f", "g", "h"} {
			c := keys.Customer("username", name)
			w.asked(c, "x?")
			flooded = append(flooded, sidOf(c, 0))
			time.Sleep(time.Second) // each was looked up
		}
		asked := w.ask(ann, "a?", asking{wait: 20 * time.Second})
		w.desk.agentSays(sidOf(ann, 0), "lost")
		w.desk.taken()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		var got outcome
		for got.Status == "" && got.err == nil {
			select {
			case got = <-asked:
			case <-tick.C:
				for _, sid := range flooded {
					w.Hint(t.Context(), sid)
				}
			}
		}
		want(t, got, bridge.Replied, "lost")
		if got.after > 18*time.Second {
			t.Errorf("answered after %v, want a look in the last 3 s", got.after)
		}
		if n := len(w.desk.taken()); n < 2*15 || n > 2*20 {
			t.Errorf("%d calls in %v, want 2 a second, and 2 before the deadline", n, got.after)
		}
	})
}

func TestHintsThatWaitAreBounded(t *testing.T) {
	runWith(t, bridge.Config{LooksPerSecond: 1, KeepWaiting: 2, KeepRetry: 10 * time.Second}, func(t *testing.T, w *world) {
		for _, name := range []string{"c", "d", "e", "f"} {
			w.asked(keys.Customer("username", name), "x?")
			time.Sleep(time.Second)
		}
		w.desk.taken()
		for _, name := range []string{"c", "d", "e", "f"} { // f is one too many
			w.Hint(t.Context(), sidOf(keys.Customer("username", name), 0))
			synctest.Wait() // the first looks, and the others wait for the ration
		}
		time.Sleep(time.Minute)
		w.wantCalls("state since state since state since")
	})
}

func TestCloseGivesHintsUp(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.quiet(ann)
		w.hint(sidOf(ann, 0), 1)
		w.hint(sidOf(ann, 0), 1) // waits for its second
		start := time.Now()
		w.Close()
		if took := time.Since(start); took > 0 {
			t.Errorf("Close took %v, want no wait for a hint's turn", took)
		}
	})
}
