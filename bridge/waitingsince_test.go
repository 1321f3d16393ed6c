package bridge_test

import (
	"errors"
	"testing"
	"time"

	"flexbridge/bridge"
)

// An answer tells since when a question waits without an agent, and never when
// one is there, has written since, or is not expected any more.
func TestWaitingSince(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		sid := sidOf(ann, 0)
		told := func(what string, got outcome, want time.Time) outcome {
			t.Helper()
			if got.err != nil || !got.WaitingSince.Equal(want) {
				t.Fatalf("%s: %s, %v, waiting since %v, want %v", what, got.Status, got.err, got.WaitingSince, want)
			}
			return got
		}
		event := func(e bridge.Event) {
			t.Helper()
			e.Conversation, e.Ours = sid, true
			if err := w.Deliver(t.Context(), e); err != nil {
				t.Fatalf("Deliver = %v", err)
			}
		}
		person := &bridge.Participant{SID: "MB1", Identity: "ann"}
		none := time.Time{}
		first := time.Now()
		got := told("asked", <-w.ask(ann, "may I?", asking{}), first)
		got = told("asked again, as something else", <-w.ask(ann, "hello?", asking{after: got.Cursor}), first)
		w.deliver(sid, w.desk.greets(sid, "All are busy."))
		got = told("greeted", <-w.await(ann, got.Cursor, time.Minute), first)
		w.mail.Lose()
		got = told("the mailbox was lost", <-w.await(ann, got.Cursor, time.Minute), first)
		event(bridge.Event{Joined: person})
		told("an agent came", <-w.await(ann, got.Cursor, 0), none)
		event(bridge.Event{Left: person})
		told("and left without a word", <-w.await(ann, got.Cursor, 0), first)
		w.reply(sid, "you may")
		got = told("an agent wrote, and has left", <-w.await(ann, got.Cursor, 0), none)
		if got.Agent != bridge.AgentLeft {
			t.Fatalf("agent = %s, want left", got.Agent)
		}
		second := time.Now()
		got = told("asked after that", <-w.ask(ann, "now?", asking{after: got.Cursor}), second)
		w.desk.closes(sid)
		w.reportClosed(sid)
		told("closed", <-w.await(ann, got.Cursor, time.Minute), none)
	})
}

// reverts makes the mailbox know no more of a conversation than a question, and
// the desk fail, so that nobody learns better.
func (w *world) reverts(conversations map[int]string) {
	w.t.Helper()
	w.desk.faulty(func(string) error { return bridge.ErrDeskUnavailable }, nil)
	w.mail.Lose()
	question := bridge.Message{SID: "IM0", Kind: bridge.FromCustomer, SentAt: time.Now()}
	_, err := w.mail.Keep(w.t.Context(), conversations[0], bridge.Update{
		Owner: &bridge.Owner{Customer: ann}, Messages: []bridge.Message{question},
	})
	if err := errors.Join(err, w.mail.Enter(w.t.Context(), ann, conversations)); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnsweredQuestionDoesNotWaitAgain(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		sid := sidOf(ann, 0)
		asked := w.ask(ann, "may I?", asking{})
		w.reply(sid, "you may")
		waiter := w.await(ann, (<-asked).Cursor, 20*time.Second)
		waiting(t, waiter)
		w.reverts(map[int]string{0: sid})
		got := <-waiter
		want(t, got, bridge.Pending, "")
		if !got.WaitingSince.IsZero() {
			t.Errorf("waiting since %v for what was answered", got.WaitingSince)
		}
	})
}

func TestQuestionOfAnEarlierConversationDoesNotWait(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		sid := sidOf(ann, 0)
		w.reverts(map[int]string{0: sid, 1: sidOf(ann, 1)})
		got := <-w.await(ann, bridge.At(0, sid, 0), 20*time.Second)
		want(t, got, bridge.Pending, "")
		if !got.WaitingSince.IsZero() {
			t.Errorf("waiting since %v in a conversation that another followed", got.WaitingSince)
		}
	})
}
