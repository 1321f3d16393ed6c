package flex_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flexbridge/bridge"
	"flexbridge/bridge/flex"
	"flexbridge/bridge/flex/flexsim"
)

// settle waits for the tasks that are under way.
func (w *world) settle(t *testing.T) {
	t.Helper()
	if err := w.sim.Wait(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
}

func TestInteraction(t *testing.T) {
	about := bridge.About{Channel: bridge.ByMCP, Locale: "pt", Context: map[string]string{"topic": "returns <&>"}}
	w := newWorld(t)
	sid := w.open(t, 0)
	if err := w.interactions.Route(t.Context(), sid, about); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	tasks := w.sim.Tasks()
	if len(tasks) != 1 || tasks[0].Conversation != sid {
		t.Fatalf("tasks are %+v, want one of %s", tasks, sid)
	}
	if c := w.conversation(t, sid); len(c.Hooks) != 0 || len(c.Messages) != 0 {
		t.Errorf("the conversation is %+v, want it to have no hook and no message", c)
	}
	call := w.sim.Calls()[len(w.sim.Calls())-1]
	var sent struct{ Channel, Routing any }
	for text, into := range map[string]*any{call.Params.Get("Channel"): &sent.Channel, call.Params.Get("Routing"): &sent.Routing} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	type object = map[string]any
	want := struct{ Channel, Routing any }{
		object{"type": "web", "initiated_by": "customer", "properties": object{"media_channel_sid": sid}},
		object{"properties": object{
			"workspace_sid": flexsim.WorkspaceSID, "workflow_sid": flexsim.WorkflowSID, "task_channel_unique_name": "chat",
			// All of it, so that nothing tells who the customer is.
			"attributes": object{
				"channelType": "web", "conversationSid": sid,
				"from": "Assistant question", "name": "Assistant question", "customerName": "Assistant question",
				"flexbridge": object{"channel": "mcp", "locale": "pt", "context": object{"topic": "returns <&>"}},
			},
		}},
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("the interaction (-want +got):\n%s", diff)
	}
}

// TestHooksFindTheTask: in whatever state it is, unless it was canceled, and only
// that of the conversation.
func TestHooksFindTheTask(t *testing.T) {
	w := newWorld(t)
	other := w.open(t, 1)
	if err := w.interactions.Route(t.Context(), other, bridge.About{}); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	for i, row := range []struct {
		moves  []string
		routed bool
	}{
		{nil, true},
		{[]string{flexsim.Reserved}, true},
		{[]string{flexsim.Assigned}, true},
		{[]string{flexsim.Assigned, flexsim.Wrapping}, true},
		{[]string{flexsim.Assigned, flexsim.Completed}, true},
		{[]string{flexsim.Canceled}, false},
	} {
		sid := w.open(t, 2+i)
		if hooked, routed, err := w.interactions.Hooks(t.Context(), sid); hooked || routed || err != nil {
			t.Fatalf("Hooks = %v, %v, %v before anything was done", hooked, routed, err)
		}
		for _, attach := range []error{w.interactions.Hook(t.Context(), sid), w.interactions.Route(t.Context(), sid, bridge.About{})} {
			if attach != nil {
				t.Fatal(attach)
			}
		}
		w.settle(t)
		w.move(t, row.moves...)
		if hooked, routed, err := w.interactions.Hooks(t.Context(), sid); !hooked || routed != row.routed || err != nil {
			t.Errorf("Hooks = %v, %v, %v when the task is %q, want routed: %v", hooked, routed, err, row.moves, row.routed)
		}
	}
}

// move moves the newest task.
func (w *world) move(t *testing.T, states ...string) {
	t.Helper()
	tasks := w.sim.Tasks()
	for _, state := range states {
		if err := w.sim.MoveTask(tasks[len(tasks)-1].SID, state, "Task TTL Exceeded"); err != nil {
			t.Fatal(err)
		}
	}
}

// say has the customer say something.
func (w *world) say(t *testing.T, sid string) {
	t.Helper()
	if _, err := w.Say(t.Context(), sid, bridge.Utterance{Customer: customer, Text: "hello"}); err != nil {
		t.Fatal(err)
	}
}

func TestAbandoned(t *testing.T) {
	w := newWorld(t)
	sid := w.open(t, 0)
	abandoned := func(want bool, calls int, when string) {
		t.Helper()
		w.sim.Reset()
		got, err := w.interactions.Abandoned(t.Context(), sid)
		if err != nil || got != want || w.sim.Count() != calls {
			t.Errorf("Abandoned = %v, %v after %d calls %s, want %v after %d", got, err, w.sim.Count(), when, want, calls)
		}
	}
	abandoned(false, 3, "while nothing was said")
	w.say(t, sid)
	abandoned(false, 3, "while the task may still come")
	if err := w.interactions.Route(t.Context(), sid, bridge.About{}); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	abandoned(false, 1, "when the task is pending")
	w.move(t, flexsim.Canceled)
	abandoned(true, 1, "when nobody took the task in time")
	if err := w.interactions.Route(t.Context(), sid, bridge.About{}); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	abandoned(false, 1, "when there is another")
	w.sim.Reset()
	if got, err := w.Abandoned(t.Context(), sid); got || err != nil || w.sim.Count() != 0 {
		t.Errorf("Abandoned = %v, %v on the Studio route after %d calls, want false after none", got, err, w.sim.Count())
	}
}

func TestOnShift(t *testing.T) {
	w := newWorld(t)
	here, away := flexsim.Resource{SID: "WK1"}, flexsim.Resource{SID: "WK2"}
	for _, row := range []struct {
		workspace flexsim.Workspace
		want      bool
	}{
		{flexsim.Workspace{}, false},
		{flexsim.Workspace{Unavailable: []flexsim.Resource{away}}, false},
		{flexsim.Workspace{Available: []flexsim.Resource{here}, Unavailable: []flexsim.Resource{away}}, true},
	} {
		row.workspace.SID = flexsim.WorkspaceSID
		w.sim.SetWorkspaces(row.workspace)
		w.sim.Reset()
		if got, err := w.interactions.OnShift(t.Context()); err != nil || got != row.want || w.sim.Count() != 1 {
			t.Errorf("OnShift = %v, %v after %d calls with %+v, want %v after 1", got, err, w.sim.Count(), row.workspace, row.want)
		}
	}
	w.sim.SetWorkspaces()
	w.sim.Reset()
	_, err := w.interactions.OnShift(t.Context())
	w.outcome(t, "OnShift without the workspace", err, bridge.ErrDeskRefused)
	w.sim.Reset()
	if got, err := w.OnShift(t.Context()); !got || err != nil || w.sim.Count() != 0 {
		t.Errorf("OnShift = %v, %v after %d calls where it is not asked for, want true after none", got, err, w.sim.Count())
	}
}

// TestAbandonedOnTheStudioRoute: with a workspace by the tasks that Send to Flex made,
// of which there must be one; without a workspace it cannot be known.
func TestAbandonedOnTheStudioRoute(t *testing.T) {
	w := newWorld(t, func(c *flex.Config) { c.WorkspaceSID = flexsim.WorkspaceSID })
	sid := w.open(t, 0)
	abandoned := func(want bool, when string) {
		t.Helper()
		w.sim.Reset()
		if got, err := w.Abandoned(t.Context(), sid); err != nil || got != want || w.sim.Count() != 1 {
			t.Errorf("Abandoned = %v, %v after %d calls %s, want %v after 1", got, err, w.sim.Count(), when, want)
		}
	}
	abandoned(false, "before the flow sends it to Flex")
	if err := w.Route(t.Context(), sid, bridge.About{}); err != nil {
		t.Fatal(err)
	}
	w.say(t, sid)
	abandoned(false, "when the task is pending")
	w.move(t, flexsim.Canceled)
	abandoned(true, "when nobody took the task in time")
	if err := w.sim.DeleteTask(w.sim.Tasks()[0].SID); err != nil {
		t.Fatal(err)
	}
	abandoned(false, "when TaskRouter has forgotten it")
}

// TestAbandonedWithoutATask: it was never made, or TaskRouter has forgotten it. By
// Twilio's own clock, and not in one that is inactive.
func TestAbandonedWithoutATask(t *testing.T) {
	for name, row := range map[string]struct {
		age    time.Duration
		left   bool // an agent was there, whose task is forgotten
		silent bool // nothing was said: it is being opened
		want   bool
	}{
		"too early":        {time.Minute, false, false, false},
		"late":             {time.Minute + time.Second, false, false, true},
		"late, left once":  {time.Hour, true, false, false},
		"late, still half": {time.Hour, false, true, false},
	} {
		w := newWorld(t)
		sid := w.open(t, 0)
		clock := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			c, _ := w.sim.Conversation(sid)
			last := c.Created
			if n := len(c.Messages); n > 0 {
				last = c.Messages[n-1].Created
			}
			rw.Header().Set("Date", last.Truncate(time.Second).Add(row.age).Format(http.TimeFormat))
			w.sim.ServeHTTP(rw, r)
		}))
		d, err := flex.New(flex.Config{AccountSID: flexsim.AccountSID, AuthToken: token, APIURL: clock.URL, WebhookURL: hookURL,
			Keys: w.keys, WorkspaceSID: flexsim.WorkspaceSID, WorkflowSID: flexsim.WorkflowSID})
		if err != nil {
			t.Fatal(err)
		}
		if !row.left {
			w.sim.LoseInteractions(1)
		}
		if err := d.Route(t.Context(), sid, bridge.About{}); err != nil {
			t.Fatal(err)
		}
		w.settle(t)
		if !row.silent {
			w.say(t, sid)
		}
		if row.left {
			w.leave(t, sid)
		}
		if got, err := d.Abandoned(t.Context(), sid); err != nil || got != row.want {
			t.Errorf("%s: Abandoned = %v, %v, want %v", name, got, err, row.want)
		}
		d.CloseIdleConnections()
		clock.Close()
	}
}

// leave has an agent come and go, and the task forgotten.
func (w *world) leave(t *testing.T, sid string) {
	t.Helper()
	ann := w.sim.Agent("ann@example.com")
	for _, err := range []error{ann.Join(sid), ann.Leave(sid), w.sim.DeleteTask(w.sim.Tasks()[0].SID)} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestHosts: without another base URL each call goes to its own API's host.
func TestHosts(t *testing.T) {
	t.Setenv("TWILIO_EDGE", "dublin")
	t.Setenv("TWILIO_REGION", "ie1")
	var dialled string
	transport := http.DefaultTransport.(*http.Transport)
	transport.DialTLSContext = func(_ context.Context, _, address string) (net.Conn, error) {
		dialled = address
		return nil, errors.New("no network here")
	}
	defer func() { transport.DialTLSContext = nil }()
	w := newWorld(t, func(c *flex.Config) { c.APIURL = "" })
	for _, m := range methods {
		want := "conversations.twilio.com:443"
		switch m.name {
		case "Route by Interaction":
			want = "flex-api.twilio.com:443"
		case "Abandoned", "OnShift":
			want = "taskrouter.twilio.com:443"
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // without another try
		if err := w.do(ctx, m, "CH1"); err == nil || dialled != want {
			t.Errorf("%s = %v at %s, want an error at %s", m.name, err, dialled, want)
		}
		cancel()
	}
}

// TestServiceIsOfConversationsAlone: the others have no such paths.
func TestServiceIsOfConversationsAlone(t *testing.T) {
	w := newWorld(t, func(c *flex.Config) { c.ServiceSID = flexsim.ServiceSID })
	sid := w.open(t, 0)
	for _, m := range methods {
		if !m.interactions {
			continue
		}
		if err := w.do(t.Context(), m, sid); err != nil {
			t.Errorf("%s = %v", m.name, err)
		}
		w.settle(t)
	}
}

func TestUnknownWorkspaceIsRefused(t *testing.T) {
	w := newWorld(t)
	sid := w.open(t, 0)
	d, err := flex.New(flex.Config{AccountSID: flexsim.AccountSID, AuthToken: token, APIURL: w.server.URL, WebhookURL: hookURL,
		Keys: w.keys, WorkspaceSID: "WS2", WorkflowSID: "WW2"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.CloseIdleConnections()
	w.outcome(t, "Route", d.Route(t.Context(), sid, bridge.About{}), bridge.ErrDeskRefused)
	_, _, err = d.Hooks(t.Context(), sid)
	w.outcome(t, "Hooks", err, bridge.ErrDeskRefused)
	_, err = d.Abandoned(t.Context(), sid)
	w.outcome(t, "Abandoned", err, bridge.ErrDeskRefused)
}
