package bridge_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"flexbridge/bridge"
)

// What the desk reports by itself may be lost, late, doubled or out of order.

func TestLostReportIsFoundBeforeTheDeadline(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{})
		w.desk.agentSays(sidOf(ann, 0), "lost")
		w.desk.taken()
		got := <-asked
		want(t, got, bridge.Replied, "lost")
		if got.after < 36*time.Second {
			t.Fatalf("found after %v, want a look in the last 3 s only", got.after)
		}
		w.wantCalls("state since")
	})
}

func TestManyWaitersLookOnce(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{})
		cursor := bridge.At(0, sidOf(ann, 0), 0)
		others := []<-chan outcome{w.await(ann, cursor, 40*time.Second), w.await(ann, cursor, 40*time.Second)}
		w.desk.agentSays(sidOf(ann, 0), "lost")
		w.desk.taken()
		want(t, <-asked, bridge.Replied, "lost")
		for _, o := range others {
			want(t, <-o, bridge.Replied, "lost")
		}
		w.wantCalls("state since")
	})
}

func TestPollingWithoutWaitLooksRarely(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.asked(ann, "a?")
		w.desk.agentSays(sidOf(ann, 0), "lost")
		w.desk.taken()
		var got outcome
		polls := 0
		for got.Status != bridge.Replied {
			got = <-w.await(ann, cursor, 0)
			polls++
			time.Sleep(time.Second)
		}
		want(t, got, bridge.Replied, "lost")
		if polls > 35 {
			t.Fatalf("found after %d polls, a second apart", polls)
		}
		w.wantCalls("state since")
	})
}

// With 5 000 parked until the same moment and every report lost, the desk is asked
// no more than LooksPerSecond allows during the last seconds, and never before.
func TestDeadlineLooksAreRationed(t *testing.T) {
	const parked, each = 5_000, 20
	runWith(t, bridge.Config{LooksPerSecond: each}, func(t *testing.T, w *world) {
		cursors := map[bridge.Customer]bridge.Cursor{}
		for i := range parked {
			c := keys.Customer("username", fmt.Sprint(i))
			cursors[c] = w.asked(c, "?")
			time.Sleep(time.Second / 4) // a look-up and a look each
		}
		w.desk.taken()
		var waits []<-chan outcome
		for c, cursor := range cursors {
			waits = append(waits, going(func() (bridge.Answer, error) {
				return w.Await(t.Context(), c, cursor, time.Now().Add(40*time.Second))
			}))
		}
		time.Sleep(36 * time.Second)
		w.wantCalls("")
		for _, c := range waits {
			want(t, <-c, bridge.Pending, "")
		}
		looks := len(w.desk.taken()) / 2
		t.Logf("%d looks for %d parked requests", looks, parked)
		if looks == 0 || looks > 4*each {
			t.Fatalf("%d looks in the last 3 seconds, want some and %d a second at most", looks, each)
		}
	})
}

func TestDoubledAndReorderedReports(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.asked(ann, "a?")
		sid := sidOf(ann, 0)
		one, two := w.desk.agentSays(sid, "one"), w.desk.agentSays(sid, "two")
		waiter := w.await(ann, cursor, 10*time.Second)
		w.deliver(sid, two)
		waiting(t, waiter)
		w.deliver(sid, one)
		w.deliver(sid, one)
		w.deliver(sid, two)
		want(t, <-waiter, bridge.Replied, "one|two")
		want(t, <-w.await(ann, bridge.At(0, sid, 2), 0), bridge.Pending, "")
	})
}

func TestGapIsRepairedByOneLook(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{})
		w.desk.taken()
		sid := sidOf(ann, 0)
		w.desk.greets(sid, "welcome") // Studio's messages are not reported
		w.reply(sid, "hello")
		got := <-asked
		want(t, got, bridge.Replied, "welcome|hello")
		if got.after < 300*time.Millisecond || got.after > time.Second {
			t.Fatalf("repaired after %v, want 300 ms", got.after)
		}
		w.wantCalls("state since")
	})
}

func TestSkippedIndexIsBelievedAfterTwoLooks(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{})
		w.desk.taken()
		sid := sidOf(ann, 0)
		w.desk.skip(sid)
		w.reply(sid, "hello")
		got := <-asked
		want(t, got, bridge.Replied, "hello")
		if got.after < 3*time.Second || got.after > 5*time.Second {
			t.Fatalf("believed after %v, want 3 to 5 s", got.after)
		}
		w.wantCalls("state since state since")
	})
}

func TestGapStaysWhileTheDeskCannotBeAsked(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{})
		sid := sidOf(ann, 0)
		w.desk.greets(sid, "welcome")
		w.desk.faulty(func(string) error { return bridge.ErrDeskUnavailable }, nil)
		w.reply(sid, "hello")
		time.Sleep(20 * time.Second)
		waiting(t, asked)
		w.desk.faulty(nil, nil)
		want(t, <-asked, bridge.Replied, "welcome|hello")
	})
}

func TestClosedOvertakesTheLastMessage(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{})
		sid := sidOf(ann, 0)
		last := w.desk.agentSays(sid, "bye")
		w.desk.closes(sid)
		w.desk.taken()
		w.reportClosed(sid)
		want(t, <-asked, bridge.Replied, "bye")
		w.wantCalls("state since")
		w.deliver(sid, last)
		want(t, <-w.await(ann, bridge.At(0, sid, 1), 40*time.Second), bridge.Closed, "")
		w.wantCalls("")
	})
}

func TestReportsOfOthersAreNotKept(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		m := bridge.Message{Kind: bridge.FromAgent, Text: "not yours"}
		e := bridge.Event{Conversation: "CH1", Message: &m}
		if err := w.Deliver(t.Context(), e); err != nil {
			t.Fatalf("Deliver = %v", err)
		}
		in, err := w.mail.Read(t.Context(), "CH1", -1)
		if err != nil || in.Top != -1 {
			t.Fatalf("Read = %+v, %v, want nothing kept", in, err)
		}
	})
}

func TestAgentsComeAndGo(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.asked(ann, "a?")
		sid := sidOf(ann, 0)
		for _, step := range []struct {
			event bridge.Event
			want  bridge.AgentState
		}{
			{bridge.Event{Joined: &bridge.Participant{SID: "MB0", Identity: ann.Identity()}}, bridge.AgentWaiting},
			{bridge.Event{Joined: &bridge.Participant{SID: "MB9"}}, bridge.AgentWaiting}, // on SMS
			{bridge.Event{Joined: &bridge.Participant{SID: "MB1", Identity: "ann"}}, bridge.AgentJoined},
			{bridge.Event{Joined: &bridge.Participant{SID: "MB2", Identity: "ben"}}, bridge.AgentJoined},
			{bridge.Event{Left: &bridge.Participant{SID: "MB1", Identity: "ann"}}, bridge.AgentJoined},
			{bridge.Event{Left: &bridge.Participant{SID: "MB2", Identity: "ben"}}, bridge.AgentLeft},
			{bridge.Event{Joined: &bridge.Participant{SID: "MB1", Identity: "ann"}}, bridge.AgentLeft}, // late
		} {
			step.event.Conversation, step.event.Ours = sid, true
			if err := w.Deliver(t.Context(), step.event); err != nil {
				t.Fatalf("Deliver = %v", err)
			}
			if got := <-w.await(ann, cursor, 0); got.Agent != step.want {
				t.Fatalf("after %+v agent = %s, want %s", step.event, got.Agent, step.want)
			}
		}
	})
}

func TestStoreLostWhileWaiting(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{})
		w.desk.taken()
		w.mail.Lose()
		w.wantCalls("state since")
		w.reply(sidOf(ann, 0), "still here")
		got := <-asked
		want(t, got, bridge.Replied, "still here")
		if got.after != 0 {
			t.Fatalf("replied after %v", got.after)
		}
	})
}

func TestStoreLostBetweenQuestions(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{})
		sid := sidOf(ann, 0)
		w.reply(sid, "one")
		cursor := (<-asked).Cursor
		w.desk.agentSays(sid, "two")
		w.mail.Lose()
		w.desk.taken()
		next := w.ask(ann, "b?", asking{after: cursor})
		w.wantCalls("find state since say")
		w.reply(sid, "three")
		want(t, <-next, bridge.Replied, "two|three")
	})
}

func TestMailboxThatFailsForAMomentLosesNoReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, desk: newDesk(), keys: keys}
		flaky := newFlaky()
		w.mail = flaky.Memory
		w.Bridge = bridge.New(w.desk, flaky, keys, bridge.Config{})
		defer w.Close()
		asked := w.ask(ann, "a?", asking{})
		sid := sidOf(ann, 0)
		flaky.fail(true)
		m := w.desk.agentSays(sid, "kept later")
		err := w.Deliver(t.Context(), bridge.Event{Conversation: sid, Ours: true, Message: &m})
		if !errors.Is(err, bridge.ErrMailbox) {
			t.Fatalf("Deliver = %v, want ErrMailbox", err)
		}
		time.Sleep(5 * time.Second)
		waiting(t, asked)
		flaky.fail(false)
		got := <-asked
		want(t, got, bridge.Replied, "kept later")
		if got.after > 8*time.Second {
			t.Fatalf("replied after %v", got.after)
		}
	})
}
