package bridge_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"flexbridge/bridge"
)

func TestQuestionReachesAgentAndReplyComesBack(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		first := w.ask(ann, "may I?", asking{})
		w.wantCalls("find create join hook route say")
		waiting(t, first)
		sid := sidOf(ann, 0)
		w.reply(sid, "you may")
		got := <-first
		want(t, got, bridge.Replied, "you may")
		if got.after != 0 || got.Agent != bridge.AgentJoined || got.Cursor != bridge.At(0, sid, 1) {
			t.Fatalf("answer = %+v, want at once, an agent who joined, a cursor at the reply", got)
		}
		got.Written()

		second := w.ask(ann, "and now?", asking{})
		w.wantCalls("say")
		w.reply(sid, "now, too")
		got = <-second
		want(t, got, bridge.Replied, "now, too")
		got.Written()
		w.wantCalls("")

		third := w.ask(ann, "still?", asking{})
		w.desk.closes(sid)
		w.reportClosed(sid)
		want(t, <-third, bridge.Closed, "")
		w.wantCalls("say state since")

		fourth := w.ask(ann, "anybody?", asking{})
		w.wantCalls("create join hook route say")
		w.reply(sidOf(ann, 1), "yes")
		want(t, <-fourth, bridge.Replied, "yes")
	})
}

func TestPendingAnswerIsReadLater(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		got := <-w.ask(ann, "may I?", asking{})
		want(t, got, bridge.Pending, "")
		if got.after != 40*time.Second || got.Agent != bridge.AgentWaiting {
			t.Fatalf("pending after %v with agent %s, want at the deadline, waiting", got.after, got.Agent)
		}
		w.reply(sidOf(ann, 0), "you may")
		for range 2 { // reading removes nothing
			later := <-w.await(ann, got.Cursor, time.Second)
			want(t, later, bridge.Replied, "you may")
			if later.after != 0 {
				t.Fatalf("waited %v for what was there", later.after)
			}
		}
	})
}

func TestAwaitWithoutCursorBeginsAfterTheQuestion(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		ctx, hangUp := context.WithCancel(t.Context())
		asked := w.ask(ann, "may I?", asking{ctx: ctx})
		hangUp()
		wantErr(t, <-asked, context.Canceled)
		waiter := w.await(ann, bridge.Cursor{}, 40*time.Second)
		waiting(t, waiter)
		w.reply(sidOf(ann, 0), "you may")
		want(t, <-waiter, bridge.Replied, "you may")
	})
}

func TestCustomersGetOnlyTheirOwn(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		a, b := w.ask(ann, "a?", asking{}), w.ask(bob, "b?", asking{})
		w.reply(sidOf(bob, 0), "to bob")
		waiting(t, a)
		want(t, <-b, bridge.Replied, "to bob")
		w.reply(sidOf(ann, 0), "to ann")
		want(t, <-a, bridge.Replied, "to ann")
	})
}

func TestAutomaticMessagesDoNotEndAnAsk(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		a := w.ask(ann, "a?", asking{})
		w.deliver(sidOf(ann, 0), w.desk.greets(sidOf(ann, 0), "welcome"))
		waiting(t, a)
		w.reply(sidOf(ann, 0), "hello")
		want(t, <-a, bridge.Replied, "welcome|hello")
	})
}

func TestNothingAskedIsClosedAtOnce(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		got := <-w.await(ann, bridge.Cursor{}, 40*time.Second)
		want(t, got, bridge.Closed, "")
		if got.after != 0 || !got.Cursor.IsZero() {
			t.Fatalf("closed after %v with cursor %q, want at once and none", got.after, got.Cursor)
		}
		w.wantCalls("find")
		end, err := w.End(t.Context(), ann, bridge.Cursor{})
		want(t, outcome{Answer: end, err: err}, bridge.Closed, "")
		w.wantCalls("") // the desk was asked a moment ago
		time.Sleep(time.Minute)
		<-w.await(ann, bridge.Cursor{}, 0)
		w.wantCalls("find")
	})
}

func TestEndClosesAndReturnsWhatIsUnread(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{})
		sid := sidOf(ann, 0)
		w.reply(sid, "first")
		got := <-asked
		w.desk.agentSays(sid, "second") // the report is lost
		w.wantCalls("find create join hook route say")
		for _, calls := range []string{"close state since", ""} {
			end, err := w.End(t.Context(), ann, got.Cursor)
			want(t, outcome{Answer: end, err: err}, bridge.Closed, "second")
			w.wantCalls(calls)
		}
		next := w.ask(ann, "b?", asking{after: bridge.At(0, sid, 2)})
		w.wantCalls("create join hook route say")
		w.reply(sidOf(ann, 1), "third")
		want(t, <-next, bridge.Replied, "third")
	})
}

func TestDrainAnswersPending(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		ctx, drain := context.WithCancelCause(t.Context())
		asked := w.ask(ann, "a?", asking{ctx: ctx})
		drain(bridge.ErrDraining)
		got := <-asked
		want(t, got, bridge.Pending, "")
		if got.after != 0 {
			t.Fatalf("drained after %v", got.after)
		}
		_, err := w.Ask(ctx, bridge.Question{Customer: ann, Text: "b?", Deadline: time.Now()})
		wantErr(t, outcome{err: err}, bridge.ErrBusy)
		w.reply(sidOf(ann, 0), "yes")
		want(t, <-w.await(ann, got.Cursor, 0), bridge.Replied, "yes")
	})
}

func TestAnswerHoldsSoMuch(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{wait: time.Second})
		got := <-asked
		sid := sidOf(ann, 0)
		long := make([]byte, bridge.MaxText/2)
		for i := range long {
			long[i] = 'x'
		}
		for range 3 {
			w.reply(sid, string(long))
		}
		for i, n := range []int{2, 1} {
			got = <-w.await(ann, got.Cursor, 0)
			if got.err != nil || len(got.Messages) != n || got.More != (i == 0) {
				t.Fatalf("answer %d has %d messages, more %v (%v), want %d", i, len(got.Messages), got.More, got.err, n)
			}
		}
	})
}

// Descriptions of files fill an answer, too.
func TestAnswerHoldsSoManyFiles(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		got := <-w.ask(ann, "a?", asking{wait: time.Second})
		sid := sidOf(ann, 0)
		const each = 50 // files of a message
		for range 3 {
			m := w.desk.agentSays(sid, "")
			m.Media = make([]bridge.Media, each)
			w.deliver(sid, m)
		}
		for i, n := range []int{2, 1} {
			got = <-w.await(ann, got.Cursor, 0)
			if got.err != nil || len(got.Messages) != n || got.More != (i == 0) {
				t.Fatalf("answer %d has %d messages, more %v (%v), want %d", i, len(got.Messages), got.More, got.err, n)
			}
		}
	})
}

func TestParking(t *testing.T) {
	runWith(t, bridge.Config{MaxParked: 5}, func(t *testing.T, w *world) {
		oldest := w.ask(ann, "0?", asking{})
		for _, text := range []string{"1?", "2?", "3?"} {
			w.ask(ann, text, asking{})
		}
		waiting(t, oldest)
		w.ask(ann, "4?", asking{}) // takes the oldest's place
		want(t, <-oldest, bridge.Pending, "")
		w.ask(bob, "b?", asking{})
		got := <-w.ask(keys.Customer("username", "carl"), "c?", asking{})
		wantErr(t, got, bridge.ErrBusy)
		if w.Parked() != 5 {
			t.Fatalf("parked = %d, want 5", w.Parked())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.Parked() != 0 {
			t.Fatalf("parked = %d after all deadlines, want 0", w.Parked())
		}
	})
}

// A reply that is reported in the middle of a call, whatever that does just then with
// the mailbox, is told at once.
func TestReplyComesMeanwhile(t *testing.T) {
	for _, verb := range []string{"Ask", "Await"} {
		for _, side := range []string{"before", "after"} {
			for n, more := 1, true; more; n++ {
				t.Run(fmt.Sprint(verb, side, n), func(t *testing.T) {
					run(t, func(t *testing.T, w *world) {
						w.asked(ann, "a?")
						sid := sidOf(ann, 0)
						cursor := bridge.At(0, sid, 0)
						g, came, start := &gate{}, false, time.Now()
						come := func(i int, _ string) error {
							if i == n && time.Since(start) == 0 { // later it looks
								came = true
								m := w.desk.agentSays(sid, "yes")
								if err := w.Deliver(t.Context(), bridge.Event{Conversation: sid, Ours: true, Message: &m}); err != nil {
									t.Errorf("Deliver = %v", err)
								}
							}
							return nil
						}
						if side == "before" {
							g.before = come
						} else {
							g.after = come
						}
						b := bridge.New(w.desk, gatedMailbox{w.mail, g}, keys, bridge.Config{})
						defer b.Close()
						got := <-going(func() (bridge.Answer, error) {
							deadline := time.Now().Add(40 * time.Second)
							if verb == "Await" {
								return b.Await(t.Context(), ann, cursor, deadline)
							}
							return b.Ask(t.Context(), bridge.Question{Customer: ann, Text: "a?", After: cursor, Deadline: deadline})
						})
						if more = came; came {
							want(t, got, bridge.Replied, "yes")
							if got.after > 0 {
								t.Errorf("after %v, want at once", got.after)
							}
						}
					})
				})
			}
		}
	}
}
