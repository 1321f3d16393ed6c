package main

import (
	"encoding/json"
	"slices"
	"strings"
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

// TestNobodyComes: the task is canceled while callers wait on two replicas. The look
// before the deadline finds it, and all are told; the next question is answered in a
// conversation of its own.
func TestNobodyComes(t *testing.T) {
	t.Parallel()
	for name, route := range map[string]func(*Config){
		"interactions": routes["interactions"],
		"studio": func(c *Config) {
			routes["studio"](c)
			c.WorkspaceSID = flexsim.WorkspaceSID
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, flexsim.Config{}, route, func(c *Config) { c.Wait = 4 * time.Second })
			asked, waiting := s.asking(s.a, "ann", "anybody?"), s.asking(s.b, "ann", "anybody?")
			sid := s.asked("anybody?")
			if err := s.twilio.MoveTask(s.twilio.Tasks()[0].SID, flexsim.Canceled, "Task TTL Exceeded"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.twilio.StudioSay(sid, "nobody is in"); err != nil {
				t.Fatal(err)
			}
			cursor := s.want(<-asked, "unavailable", "nobody is in").Cursor
			s.want(<-waiting, "unavailable", "nobody is in")
			s.want(now(s.b.replies(t.Context(), "ann", cursor, 4)), "unavailable", "")

			s.twilio.Reset()
			again := s.asking(s.b, "ann", "anybody?", cursor)
			s.until(func() bool { return len(s.twilio.Conversations()) == 2 && len(s.twilio.Tasks()) == 2 })
			next := s.twilio.Conversations()[1].SID
			s.reply(next, "here I am")
			s.want(<-again, "replied", "here I am")
			if c, _ := s.twilio.Conversation(sid); c.State != flexsim.Closed {
				t.Errorf("the first conversation is %s", c.State)
			}
			// To close, the five of an opening, and a look at what is left of the first.
			if n := s.twilio.Count(); n != 8 {
				t.Errorf("it took %d calls, want 8: %v", n, s.twilio.Calls())
			}
		})
	}
}

// TestConversationEndsByItsTimer: after a time of silence, and who waits is told.
func TestConversationEndsByItsTimer(t *testing.T) {
	w := newWorld(t, nil, flexsim.Config{})
	r := w.start(nil)
	asked := w.asking(r, "ann", "may I?")
	sid := w.asked("may I?")
	for _, want := range []string{flexsim.Inactive, flexsim.Closed} {
		if err := w.twilio.FireTimer(sid); err != nil {
			t.Fatal(err)
		}
		if c, _ := w.twilio.Conversation(sid); c.State != want {
			t.Fatalf("the conversation is %s, want %s", c.State, want)
		}
	}
	cursor := w.want(<-asked, "closed", "").Cursor
	asked = w.asking(r, "ann", "and now?", cursor)
	w.reply(w.asked("and now?"), "now you may")
	w.want(<-asked, "replied", "now you may")
}

// TestAboutReachesRouting: on both routes with the conversation, and with the task that
// we make.
func TestAboutReachesRouting(t *testing.T) {
	for route := range routes {
		t.Run(route, func(t *testing.T) {
			w := newWorld(t, nil, flexsim.Config{})
			r := w.start(nil, routes[route])
			body := map[string]any{"msg": "may I?", "wait": 0, "locale": "pt-br", "context": map[string]string{"topic": "returns"}}
			w.want(now(r.send(t.Context(), "ann", body)), "pending", "")
			sid := w.asked("may I?")
			c, _ := w.twilio.Conversation(sid)
			about := []string{c.Attributes}
			if route == "interactions" {
				about = append(about, w.twilio.Tasks()[0].Attributes)
			}
			for _, text := range about {
				var got struct {
					Flexbridge struct {
						Channel, Locale string
						Context         map[string]string
					}
				}
				if err := json.Unmarshal([]byte(text), &got); err != nil {
					t.Fatal(err)
				}
				if f := got.Flexbridge; f.Channel != "api" || f.Locale != "pt-BR" || f.Context["topic"] != "returns" {
					t.Errorf("attributes are %s", text)
				}
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
	// The last look may have been too recent for the first wait.
	w.until(func() bool {
		got, err := p.replies(t.Context(), "ann", got.Cursor, 1)
		return err == nil && got.Status == "unavailable"
	})
	p.says(t, "no agent is coming: the hand-over came to nothing, and the conversation is open")
}

// TestNobodyOnShift: who waits is told in words, the question stands, and whoever
// comes answers it.
func TestNobodyOnShift(t *testing.T) {
	t.Parallel()
	for route := range routes {
		t.Run(route, func(t *testing.T) {
			w := newWorld(t, nil, flexsim.Config{})
			r := w.start(nil, routes[route], func(c *Config) {
				c.WorkspaceSID, c.TellShift, c.Wait = flexsim.WorkspaceSID, true, 2*time.Second
			})
			w.twilio.SetWorkspaces(flexsim.Workspace{
				SID: flexsim.WorkspaceSID, Name: "Flex Task Assignment",
				Workflows:    []flexsim.Resource{{SID: flexsim.WorkflowSID}},
				TaskChannels: []flexsim.Resource{{SID: flexsim.TaskChannelSID, UniqueName: "chat"}},
				Unavailable:  []flexsim.Resource{{SID: "WK1"}},
			})
			asked := w.asking(r, "ann", "may I?")
			sid := w.asked("may I?")
			got := w.want(<-asked, "pending", "")
			if !strings.HasPrefix(got.Next, "No agent is available just now") || got.Since == "" {
				t.Errorf("next = %q, since %q, want the news that no agent is available", got.Next, got.Since)
			}
			w.reply(sid, "you may")
			w.want(now(r.replies(t.Context(), "ann", got.Cursor, 2)), "replied", "you may")
		})
	}
}
