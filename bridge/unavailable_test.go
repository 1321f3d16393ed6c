package bridge_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flexbridge/bridge"
)

// abandoned has a question asked to which no agent comes, as a look before the
// deadline finds.
func (w *world) abandoned(c bridge.Customer, text string, a asking) outcome {
	w.t.Helper()
	w.desk.knows(func(sid string) bool { return sid == sidOf(c, 0) })
	got := <-w.ask(c, text, a)
	synctest.Wait()
	return got
}

func TestUnavailableIsToldAsSoonAsItIsKnown(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{})
		sid := sidOf(ann, 0)
		w.desk.greets(sid, "welcome")
		other := w.replica()
		defer other.Close()
		elsewhere := w.ask(ann, "a?", asking{b: other, wait: 4 * time.Minute})
		w.desk.knows(func(string) bool { return true })
		for _, waiter := range []<-chan outcome{asked, elsewhere} {
			got := <-waiter
			want(t, got, bridge.Unavailable, "welcome")
			if got.Agent != bridge.AgentWaiting || got.Cursor != bridge.At(0, sid, 1) || got.after > 38*time.Second {
				t.Errorf("answer = %s, %v after %v, want one of a customer who waits, with all of it read, once a look told", got.Agent, got.Cursor, got.after)
			}
			if !got.WaitingSince.IsZero() {
				t.Errorf("nobody comes, but the question waits since %v", got.WaitingSince)
			}
		}
	})
}

// TestNextQuestionReachesSomebody: in a conversation of its own; the other one is
// closed in passing.
func TestNextQuestionReachesSomebody(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		got := w.abandoned(ann, "a?", asking{})
		want(t, got, bridge.Unavailable, "")
		w.desk.taken()
		next := w.ask(ann, "b?", asking{})
		w.wantCalls("close create join hook route say")
		w.reply(sidOf(ann, 1), "here")
		want(t, <-next, bridge.Replied, "here")
		next = w.ask(ann, "c?", asking{})
		w.reply(sidOf(ann, 1), "again")
		want(t, <-next, bridge.Replied, "here|again") // the first was not noted as told
		wantAsked(t, w, sidOf(ann, 0), "a?")
		wantAsked(t, w, sidOf(ann, 1), "b?", "c?")
	})
}

// TestNextQuestionWhenTheCloseFails: nothing is said, so that the customer does not
// have two open conversations, and it may be asked again.
func TestNextQuestionWhenTheCloseFails(t *testing.T) {
	for _, f := range []fault{{err: bridge.ErrDeskUnavailable}, {late: time.Second}} {
		run(t, func(t *testing.T, w *world) {
			w.abandoned(ann, "a?", asking{})
			w.desk.faults = map[string][]fault{"close": {f}}
			wantErr(t, <-w.ask(ann, "b?", asking{}), bridge.ErrDeskUnavailable)
			next := w.ask(ann, "b?", asking{})
			w.reply(sidOf(ann, 1), "here")
			want(t, <-next, bridge.Replied, "here")
			wantAsked(t, w, sidOf(ann, 1), "b?")
			time.Sleep(time.Second)
		})
	}
}

// TestNextQuestionAfterHalfAnOpening: whose task came to nothing before the question
// was said, and which is not finished any more.
func TestNextQuestionAfterHalfAnOpening(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.desk.faults = map[string][]fault{"say": {{err: bridge.ErrDeskUnavailable}}}
		wantErr(t, <-w.ask(ann, "a?", asking{}), bridge.ErrDeskUnavailable)
		w.desk.knows(func(sid string) bool { return sid == sidOf(ann, 0) })
		want(t, <-w.await(ann, bridge.Cursor{}, 40*time.Second), bridge.Unavailable, "")
		w.desk.taken()
		next := w.ask(ann, "a?", asking{})
		w.wantCalls("close create join hook route say")
		w.reply(sidOf(ann, 1), "here")
		want(t, <-next, bridge.Replied, "here")
	})
}

// TestNextQuestionsOfTwoReplicas share one conversation.
func TestNextQuestionsOfTwoReplicas(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.abandoned(ann, "a?", asking{})
		other := w.replica()
		defer other.Close()
		w.desk.faults = map[string][]fault{"close": {{slow: time.Second}}}
		one, two := w.ask(ann, "b?", asking{}), w.ask(ann, "c?", asking{b: other})
		time.Sleep(2 * time.Second)
		w.reply(sidOf(ann, 1), "both")
		want(t, <-one, bridge.Replied, "both")
		want(t, <-two, bridge.Replied, "both")
		if all := w.desk.opened(); len(all) != 2 {
			t.Errorf("%d conversations, want 2", len(all))
		}
	})
}

// TestAgentComesAllTheSame: then it is a conversation like any other.
func TestAgentComesAllTheSame(t *testing.T) {
	for name, come := range map[string]func(*world, string){
		"and says something": func(w *world, sid string) { w.reply(sid, "here") },
		"and joins": func(w *world, sid string) {
			p := bridge.Participant{SID: "MB1", Identity: "ann"}
			if err := w.Deliver(w.t.Context(), bridge.Event{Conversation: sid, Ours: true, Joined: &p}); err != nil {
				w.t.Fatal(err)
			}
			synctest.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, w *world) {
				cursor := w.abandoned(ann, "a?", asking{}).Cursor
				want(t, <-w.await(ann, cursor, 40*time.Second), bridge.Unavailable, "")
				come(w, sidOf(ann, 0))
				next := w.ask(ann, "b?", asking{after: bridge.At(0, sidOf(ann, 0), w.top(0))})
				waiting(t, next)
				w.reply(sidOf(ann, 0), "to you")
				want(t, <-next, bridge.Replied, "to you")
			})
		})
	}
}

// top is the highest Index of a conversation of ann's.
func (w *world) top(generation int) int {
	w.desk.mu.Lock()
	defer w.desk.mu.Unlock()
	return w.desk.conversations[sidOf(ann, generation)].next - 1
}

// TestAgentWhoComesUnheard: the desk is asked again now and then, once for all.
func TestAgentWhoComesUnheard(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.abandoned(ann, "a?", asking{}).Cursor
		w.desk.taken()
		for range 3 {
			got := <-w.await(ann, cursor, 40*time.Second)
			want(t, got, bridge.Unavailable, "")
			if got.after > 0 {
				t.Errorf("it took %v, want no wait", got.after)
			}
		}
		w.wantCalls("")
		w.desk.agentSays(sidOf(ann, 0), "here") // and its webhook is lost
		time.Sleep(31 * time.Second)
		one, two := w.await(ann, cursor, 40*time.Second), w.await(ann, cursor, 40*time.Second)
		want(t, <-one, bridge.Replied, "here")
		want(t, <-two, bridge.Replied, "here")
		w.wantCalls("state since")
	})
}

// TestUnavailableWhileTheDeskIsDown: what is known is told.
func TestUnavailableWhileTheDeskIsDown(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.abandoned(ann, "a?", asking{}).Cursor
		time.Sleep(31 * time.Second)
		w.desk.faulty(func(string) error { return bridge.ErrDeskUnavailable }, nil)
		want(t, <-w.await(ann, cursor, 40*time.Second), bridge.Unavailable, "")
	})
}

// TestUnavailableThenTheSameAgain: by its text it is a new question as soon as the
// caller was told; a key names one question, which nobody is going to answer.
func TestUnavailableThenTheSameAgain(t *testing.T) {
	for name, row := range map[string]struct {
		key, again string
		asked      string // in the next conversation
		status     bridge.Status
	}{
		"text":        {"", "", "a?", bridge.Pending},
		"key":         {"k", "k", "", bridge.Unavailable},
		"another key": {"k", "l", "a?", bridge.Pending},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, w *world) {
				got := w.abandoned(ann, "a?", asking{key: row.key})
				want(t, <-w.ask(ann, "a?", asking{key: row.key}), bridge.Unavailable, "") // it was not told yet
				got.Written()
				want(t, <-w.ask(ann, "a?", asking{key: row.again, wait: time.Second}), row.status, "")
				wantAsked(t, w, sidOf(ann, 0), "a?")
				if asked := strings.Join(w.desk.questions(sidOf(ann, 1)), " "); asked != row.asked {
					t.Errorf("then %q was asked anew, want %q", asked, row.asked)
				}
			})
		})
	}
}

func TestEndOfAnAbandonedConversation(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.abandoned(ann, "a?", asking{}).Cursor
		end, err := w.End(t.Context(), ann, cursor)
		want(t, outcome{Answer: end, err: err}, bridge.Closed, "")
		if all := w.desk.opened(); !all[0].closed {
			t.Error("it is open at the desk")
		}
	})
}

func TestWaitingWhileTheNextOneIsBeingOpened(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.abandoned(ann, "a?", asking{}).Cursor
		w.desk.faults = map[string][]fault{"create": {{slow: 2 * time.Second}}}
		w.ask(ann, "b?", asking{})
		waiter := w.await(ann, cursor, 40*time.Second)
		time.Sleep(3 * time.Second)
		waiting(t, waiter)
		w.reply(sidOf(ann, 1), "yes")
		want(t, <-waiter, bridge.Replied, "yes")
	})
}

// TestUnavailableWaitsForWhatIsMissing: with a gap not everything can be told.
func TestUnavailableWaitsForWhatIsMissing(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.abandoned(ann, "a?", asking{}).Cursor
		w.desk.skip(sidOf(ann, 0))
		w.deliver(sidOf(ann, 0), w.desk.greets(sidOf(ann, 0), "nobody is in"))
		want(t, <-w.ask(ann, "a?", asking{after: cursor}), bridge.Unavailable, "nobody is in")
	})
}
