package main

import (
	"slices"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
)

// TestAgentLeaves: the conversation goes on, and Flex sends the next question to
// an agent again, which costs us nothing.
func TestAgentLeaves(t *testing.T) {
	for route := range routes {
		t.Run(route, func(t *testing.T) {
			w := newWorld(t, nil, flexsim.Config{})
			r := w.start(nil, routes[route])
			asked := w.asking(r, "ann", "may I?")
			sid := w.asked("may I?")
			w.reply(sid, "you may")
			cursor := w.want(<-asked, "replied", "you may").Cursor
			if err := w.agent.Leave(sid); err != nil {
				t.Fatal(err)
			}
			w.twilio.Reset()
			asked = w.asking(r, "ann", "and now?", cursor)
			if again := w.asked("and now?"); again != sid {
				t.Fatalf("asked in %s, want %s", again, sid)
			}
			var states []string
			for _, task := range w.twilio.Tasks() {
				states = append(states, task.Status)
			}
			if !slices.Equal(states, []string{flexsim.Completed, flexsim.Pending}) {
				t.Errorf("tasks are %q, want one left and one new", states)
			}
			w.reply(sid, "now, too")
			w.want(<-asked, "replied", "now, too")
			if n := w.twilio.Count(); n != 1 {
				t.Errorf("it took %d calls, want 1: %v", n, w.twilio.Calls())
			}
		})
	}
}

// TestNobodyTakesTheTask: the workflow's time is over, which the log tells while
// somebody waits.
func TestNobodyTakesTheTask(t *testing.T) {
	t.Parallel()
	w, front := newWorld(t, nil, flexsim.Config{}), newFront(t)
	p := w.startProcess(front, routes["interactions"], func(c *Config) { c.Wait = time.Second })
	front.to(p.replica)
	got := w.want(now(p.send(t.Context(), "ann", map[string]any{"msg": "anybody?", "wait": 0})), "pending", "")
	w.asked("anybody?")
	if err := w.twilio.MoveTask(w.twilio.Tasks()[0].SID, flexsim.Canceled, "Task TTL Exceeded"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second is a wait after the last look
		w.want(now(p.replies(t.Context(), "ann", got.Cursor, 1)), "pending", "")
	}
	p.says(t, "no agent is coming: the hand-over came to nothing, and the conversation is open")
}
