package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"flexbridge/bridge/flex"
	"flexbridge/bridge/flex/flexsim"
	"flexbridge/deploy"
)

// operator is somebody at a shell, with the variables that setup needs.
type operator struct {
	*world
	environ map[string]string
}

func newOperator(t *testing.T, account flexsim.Config) *operator {
	o := &operator{world: newWorld(t, nil, account)}
	o.environ = map[string]string{
		"TWILIO_ACCOUNT_SID": flexsim.AccountSID, "TWILIO_AUTH_TOKEN": flexsim.AuthToken,
		"TWILIO_API_URL": o.rest.URL, "PUBLIC_URL": "https://bridge.example.com/",
	}
	return o
}

// setup runs the command with nobody at a terminal.
func (o *operator) setup(args ...string) (string, error) {
	o.t.Helper()
	setEnviron(o.t, o.environ)
	var out bytes.Buffer
	c := command()
	c.Writer = &out
	err := c.Run(o.t.Context(), append([]string{"flexbridge", "setup"}, args...))
	if strings.Contains(out.String(), flexsim.AuthToken) || err != nil && strings.Contains(err.Error(), flexsim.AuthToken) {
		o.t.Errorf("setup prints the auth token: %v\n%s", err, &out)
	}
	return out.String(), err
}

func (o *operator) must(args ...string) string {
	o.t.Helper()
	out, err := o.setup(args...)
	if err != nil {
		o.t.Fatalf("setup %q = %v\n%s", args, err, out)
	}
	return out
}

// refuses holds that setup fails, says what was wanted, and changes nothing.
func (o *operator) refuses(says string, args ...string) {
	o.t.Helper()
	before := o.mutations()
	out, err := o.setup(args...)
	if err == nil || !strings.Contains(err.Error(), says) {
		o.t.Errorf("setup %q = %v, want an error that says %q\n%s", args, err, says, out)
	}
	if n := o.mutations() - before; n != 0 {
		o.t.Errorf("setup %q made %d changes, want none", args, n)
	}
}

// mutations counts the calls that could have changed something.
func (o *operator) mutations() (n int) {
	for _, c := range o.twilio.Calls() {
		if c.Method != "GET" && c.Op != flexsim.ValidateFlow {
			n++
		}
	}
	return n
}

// lines are what setup printed for .env.
func lines(out string) map[string]string {
	values := make(map[string]string)
	for _, m := range assignment.FindAllStringSubmatch(out, -1) {
		values[m[2]] = m[3]
	}
	return values
}

// ownFlow is the flow that setup made, and all others.
func (o *operator) ownFlow() (own []flexsim.Flow, others int) {
	for _, f := range o.twilio.Flows() {
		if strings.Contains(f.Definition, deploy.FlowMark) {
			own = append(own, f)
		} else {
			others++
		}
	}
	return own, others
}

// From an account in which nothing was set up to an answered question, with
// nothing but what setup printed and the two secrets.
func TestSetupFromNothing(t *testing.T) {
	for route := range routes {
		for _, scope := range []string{"conversation", "console"} {
			t.Run(route+" "+scope, func(t *testing.T) {
				o := newOperator(t, flexsim.Config{FlowSID: "FWffffffffffffffffffffffffffffffff"})
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				o.environ["PUBLIC_URL"] = "http://" + listener.Addr().String()
				values := lines(o.must("--route", route, "--webhook", scope))
				values["TWILIO_AUTH_TOKEN"], values["IDENTITY_SECRET"], values["AUTH_MODE"] = flexsim.AuthToken, strings.Repeat("i", 32), "none"
				setEnviron(t, values)
				c, err := loadConfig()
				if err != nil {
					t.Fatalf("loadConfig of what setup printed, %v: %v", values, err)
				}
				if c.interactions() != (route == "interactions") {
					t.Errorf("what setup printed is the other route: %v", values)
				}
				r := o.serve(c, listener)
				asked := o.asking(r, "a", "Do you ship to Norway?")
				o.reply(o.asked("Do you ship to Norway?"), "Yes.")
				o.want(<-asked, "replied", "Yes.")
				if n := len(o.twilio.Tasks()); n != 1 {
					t.Errorf("there are %d tasks, want 1", n)
				}
			})
		}
	}
}

// serve runs a replica at the listener.
func (o *operator) serve(c Config, listener net.Listener) *replica {
	o.t.Helper()
	s, err := newService(o.t.Context(), c, testLogger(o.t), o.tune...)
	if err != nil {
		o.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx, listener) }()
	o.t.Cleanup(func() {
		o.twilio.Close()
		cancel()
		if err := <-ended; err != nil {
			o.t.Errorf("running: %v", err)
		}
	})
	return &replica{service: s, url: c.PublicURL}
}

// With what setup printed in the environment, it takes the same route, and finds
// nothing to change.
func TestSetupAgainChangesNothing(t *testing.T) {
	for route := range routes {
		t.Run(route, func(t *testing.T) {
			o := newOperator(t, flexsim.Config{})
			first := lines(o.must("--route", route, "--webhook", "console"))
			maps.Copy(o.environ, first)
			o.twilio.Reset()
			text := o.must()
			if n := o.mutations(); n != 0 || !strings.Contains(text, "There is nothing to change.") {
				t.Errorf("setup made %d changes the second time:\n%s", n, text)
			}
			if second := lines(text); !maps.Equal(first, second) {
				t.Errorf("setup printed %v and then %v", first, second)
			}
		})
	}
}

// Without Studio nothing is made, and what is found is printed.
func TestSetupWithoutStudio(t *testing.T) {
	o := newOperator(t, flexsim.Config{})
	if out := o.must("--route", "interactions", "--dry-run"); len(lines(out)) != 0 || !strings.Contains(out, flexsim.WorkflowSID) {
		t.Errorf("a dry run prints\n%s", out)
	}
	values := lines(o.must("--route", "interactions"))
	flow, there := values["TWILIO_FLOW_SID"]
	if !there || flow != "" || values["TWILIO_WORKSPACE_SID"] != flexsim.WorkspaceSID || values["TWILIO_WORKFLOW_SID"] != flexsim.WorkflowSID {
		t.Errorf("setup prints %v", values)
	}
	if n := o.mutations(); n != 0 {
		t.Errorf("setup made %d changes, want none", n)
	}
	o.refuses(`in "chat" only`, "--route", "interactions", "--task-channel", "voice")
}

// Who goes from one route to the other gets lines that hold one route alone, and
// keeps the flow, which open conversations need; --remove takes it back.
func TestSetupChangesRoute(t *testing.T) {
	o := newOperator(t, flexsim.Config{})
	maps.Copy(o.environ, lines(o.must("--route", "studio")))
	maps.Copy(o.environ, lines(o.must("--route", "interactions")))
	if own, _ := o.ownFlow(); len(own) != 1 || o.environ["TWILIO_FLOW_SID"] != "" {
		t.Errorf("flows are %+v, the environment %v", own, o.environ)
	}
	maps.Copy(o.environ, lines(o.must("--route", "studio")))
	if own, _ := o.ownFlow(); o.environ["TWILIO_FLOW_SID"] != own[0].SID || o.environ["TWILIO_WORKSPACE_SID"]+o.environ["TWILIO_WORKFLOW_SID"] != "" {
		t.Errorf("flows are %+v, the environment %v", own, o.environ)
	}
	o.must("--remove", "--route", "interactions")
	if own, _ := o.ownFlow(); len(own) != 0 {
		t.Errorf("after --remove there are %+v", own)
	}
}

// What was changed by hand is mended, in the same flow.
func TestSetupMendsItsOwn(t *testing.T) {
	o := newOperator(t, flexsim.Config{})
	o.must()
	other := flexsim.Workspace{
		SID: flexsim.WorkspaceSID, Name: "Flex Task Assignment",
		Workflows:    []flexsim.Resource{{SID: "WWffffffffffffffffffffffffffffffff", Name: "Support"}},
		TaskChannels: []flexsim.Resource{{SID: "TCffffffffffffffffffffffffffffffff", Name: "Chat", UniqueName: "chat"}},
	}
	o.twilio.SetWorkspaces(other)
	before, _ := o.ownFlow()
	out := o.must()
	own, _ := o.ownFlow()
	if len(own) != 1 || own[0].SID != before[0].SID || own[0].Revision != 2 || !strings.Contains(own[0].Definition, other.Workflows[0].SID) {
		t.Errorf("flows are %+v, want the one with the other workflow\n%s", own, out)
	}
}

func TestSetupDryRun(t *testing.T) {
	o := newOperator(t, flexsim.Config{})
	out := o.must("--dry-run", "--webhook", "console")
	if n := o.mutations(); n != 0 || !strings.Contains(out, "Studio flow") || !strings.Contains(out, "/twilio/webhook") {
		t.Errorf("a dry run made %d changes, and says\n%s", n, out)
	}
	if n := o.twilio.Count(flexsim.ValidateFlow); n != 1 {
		t.Errorf("the flow was validated %d times, want once", n)
	}
}

func TestSetupRemove(t *testing.T) {
	o := newOperator(t, flexsim.Config{})
	o.twilio.AddFlow("other", flexsim.Draft, `{}`)
	o.must("--webhook", "console")
	o.must("--remove", "--dry-run")
	if own, _ := o.ownFlow(); len(own) != 1 {
		t.Fatal("a dry run removed the flow")
	}
	o.must("--remove")
	if own, others := o.ownFlow(); len(own) != 0 || others != 2 {
		t.Errorf("after --remove there are %d flows of ours and %d others, want 0 and 2", len(own), others)
	}
	if h := o.twilio.ServiceHook(); h.URL != "" {
		t.Errorf("after --remove the webhook is %+v, want none", h)
	}
	o.twilio.SetServiceHook(flexsim.ServiceHook{URL: "https://other.example.com/hook", Filters: []string{"onMessageAdded"}})
	o.twilio.AddFlow(deploy.FlowName, flexsim.Published, `{}`)
	o.twilio.Reset()
	o.must("--remove")
	if n := o.mutations(); n != 0 {
		t.Errorf("--remove made %d changes to what is not ours", n)
	}
}

// The scope of conversations takes the service's webhook back, if it is ours.
func TestSetupChangesScope(t *testing.T) {
	o := newOperator(t, flexsim.Config{})
	o.must("--webhook", "console")
	if h := o.twilio.ServiceHook(); h.URL != "https://bridge.example.com/twilio/webhook" || h.Method != "POST" || len(h.Filters) != 4 {
		t.Errorf("the webhook is %+v", h)
	}
	o.must("--webhook", "conversation")
	if h := o.twilio.ServiceHook(); h.URL != "" {
		t.Errorf("the webhook is %+v, want none", h)
	}
}

func TestSetupLeavesForeignFlow(t *testing.T) {
	o := newOperator(t, flexsim.Config{})
	o.twilio.AddFlow(deploy.FlowName, flexsim.Published, `{"description":"mine"}`)
	o.refuses("rename it in Studio")
}

// What somebody did in Studio to the flow that setup made is not lost unasked.
func TestSetupAsksBeforeItLosesEdits(t *testing.T) {
	o := newOperator(t, flexsim.Config{})
	sid := lines(o.must())["TWILIO_FLOW_SID"]
	own, _ := o.ownFlow()
	account, err := flex.NewAccount(flex.Config{AccountSID: flexsim.AccountSID, AuthToken: flexsim.AuthToken, APIURL: o.rest.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer account.CloseIdleConnections()
	edited := strings.Replace(own[0].Definition, "No agent could be asked", "Sorry, nobody could be asked", 1)
	edited = strings.Replace(edited, flexsim.WorkflowSID, `{{ \"x\" }}`, 1)
	var definition map[string]any
	if err := json.Unmarshal([]byte(edited), &definition); err != nil {
		t.Fatal(err)
	}
	if _, err := account.SaveFlow(t.Context(), flex.Flow{SID: sid, Name: own[0].Name, Definition: definition}); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {"--remove"}} {
		o.refuses("--yes", args...)
		if out, err := o.setup(args...); err == nil || !strings.Contains(out, "the flow "+sid+" is not as setup makes it") {
			t.Errorf("setup %q = %v\n%s", args, err, out)
		}
	}
	o.must("--yes")
	if now, _ := o.ownFlow(); len(now) != 1 || now[0].SID != sid || now[0].Definition != own[0].Definition {
		t.Errorf("with --yes the flows are %+v, want the first one", now)
	}
}

// What failed in the middle is told, and goes on when setup is run again.
func TestSetupFailsInTheMiddle(t *testing.T) {
	o := newOperator(t, flexsim.Config{})
	o.twilio.Break(flexsim.CreateFlow, 1, flexsim.Fault{Late: true, Status: 500})
	if _, err := o.setup("--webhook", "console"); err == nil || !strings.Contains(err.Error(), "the outcome is unknown") || !strings.Contains(err.Error(), "not done: create and publish") {
		t.Errorf("setup = %v, want what was not done", err)
	}
	o.twilio.Break(flexsim.UpdateServiceWebhook, 1, flexsim.Fault{Status: 403})
	out, err := o.setup("--webhook", "console")
	if err == nil || !strings.Contains(err.Error(), "changing the service's webhook") || !strings.Contains(err.Error(), "can be run again") || len(lines(out)) != 0 {
		t.Errorf("setup = %v, want that the webhook was not set\n%s", err, out)
	}
	values := lines(o.must("--webhook", "console"))
	if own, _ := o.ownFlow(); len(own) != 1 || values["TWILIO_FLOW_SID"] != own[0].SID || o.twilio.ServiceHook().URL == "" {
		t.Errorf("flows are %+v, the webhook %+v, printed %v", own, o.twilio.ServiceHook(), values)
	}
}

// Who has a workspace beside the flow goes on to have it.
func TestSetupKeepsTheWorkspaceBesideAFlow(t *testing.T) {
	o := newOperator(t, flexsim.Config{})
	maps.Copy(o.environ, lines(o.must()))
	o.environ["TWILIO_WORKSPACE_SID"], o.environ["TELL_NOBODY_ON_SHIFT"] = flexsim.WorkspaceSID, "true"
	if values := lines(o.must()); values["TWILIO_WORKSPACE_SID"] != flexsim.WorkspaceSID || values["TWILIO_WORKFLOW_SID"] != "" {
		t.Errorf("setup prints %v", values)
	}
}

func TestSetupAsksBeforeItReplacesAWebhook(t *testing.T) {
	foreign := flexsim.ServiceHook{URL: "https://other.example.com/secret?token=1", Filters: []string{"onMessageAdded"}}
	for name, set := range map[string]func(*flexsim.Sim){
		"service": func(s *flexsim.Sim) { s.SetServiceHook(foreign) },
		"account": func(s *flexsim.Sim) { s.SetGlobalHook(foreign) },
		"account, before events": func(s *flexsim.Sim) {
			s.SetGlobalHook(flexsim.ServiceHook{PreURL: foreign.URL, Filters: []string{"onMessageAdd"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOperator(t, flexsim.Config{})
			set(o.twilio)
			o.refuses("--yes", "--webhook", "console")
			setEnviron(t, o.environ)
			for answer, agreed := range map[string]bool{"no\n": false, "\n": false, "": false, "yes\n": true} {
				var out bytes.Buffer
				s, err := newSetup(setupOptions{taskChannel: "chat", webhook: "console"}, &out)
				if err != nil {
					t.Fatal(err)
				}
				s.terminal = strings.NewReader(answer)
				err = s.run(t.Context())
				if (err == nil) != agreed || !strings.Contains(out.String(), "other.example.com") || strings.Contains(out.String(), "token") {
					t.Errorf("with the answer %q: %v\n%s", answer, err, &out)
				}
				if mine := strings.HasPrefix(o.twilio.ServiceHook().URL, "https://bridge."); mine != agreed {
					t.Errorf("with the answer %q the webhook is %+v", answer, o.twilio.ServiceHook())
				}
				set(o.twilio)
				if name != "service" {
					o.twilio.SetServiceHook(flexsim.ServiceHook{})
				}
			}
			o.must("--webhook", "console", "--yes")
			if h := o.twilio.ServiceHook(); h.URL != "https://bridge.example.com/twilio/webhook" {
				t.Errorf("with --yes the webhook is %+v", h)
			}
		})
	}
}

// Somebody's pre-event webhook keeps its address and its events.
func TestSetupKeepsPreHook(t *testing.T) {
	o := newOperator(t, flexsim.Config{ServiceHook: flexsim.ServiceHook{PreURL: "https://other.example.com", Filters: []string{"onMessageAdd"}}})
	o.must("--webhook", "console")
	if h := o.twilio.ServiceHook(); h.PreURL != "https://other.example.com" || !slices.Contains(h.Filters, "onMessageAdd") || len(h.Filters) != 5 {
		t.Errorf("the webhook is %+v", h)
	}
}

func TestSetupMustBeToldWhich(t *testing.T) {
	o := newOperator(t, flexsim.Config{})
	one := flexsim.Workspace{SID: "WS00000000000000000000000000000001", Name: "One", Workflows: []flexsim.Resource{{SID: "WW1", Name: "First"}, {SID: "WW2", Name: "Second"}},
		TaskChannels: []flexsim.Resource{{SID: "TC1", Name: "Chat", UniqueName: "chat"}}}
	o.twilio.SetWorkspaces(one, flexsim.Workspace{SID: "WS00000000000000000000000000000002", Name: "Two"})
	o.refuses("--workspace with one of these:\n  WS00000000000000000000000000000001  One\n  WS00000000000000000000000000000002  Two")
	o.refuses("--workflow with one of these:\n  WW1  First\n  WW2  Second", "--workspace", "One")
	o.refuses(`there is no workflow "Third"`, "--workspace", "WS00000000000000000000000000000001", "--workflow", "Third")
	o.refuses("no workflow: is it an account with Flex?", "--workspace", "WS00000000000000000000000000000002")
	o.refuses(`there is no task-channel "mail"`, "--workspace", "WS00000000000000000000000000000001", "--workflow", "WW2", "--task-channel", "mail")
	if values := lines(o.must("--route", "interactions", "--workspace", "WS00000000000000000000000000000001", "--workflow", "Second")); values["TWILIO_WORKFLOW_SID"] != "WW2" {
		t.Errorf("setup prints %v", values)
	}
	o.must("--workspace", "WS00000000000000000000000000000001", "--workflow", "Second")
	if own, _ := o.ownFlow(); len(own) != 1 || !strings.Contains(own[0].Definition, `"WW2"`) {
		t.Errorf("flows are %+v, want one with WW2", own)
	}
}

func TestSetupOfBadEnvironment(t *testing.T) {
	o := newOperator(t, flexsim.Config{})
	o.refuses("--webhook must be", "--webhook", "global")
	o.refuses("--route must be", "--route", "flow")
	o.refuses(`"dry-run" is neither a command nor an option`, "dry-run")
	o.environ["TWILIO_SERVICE_SID"] = "ISffffffffffffffffffffffffffffffff"
	o.refuses("default conversation service")
	o.environ["TWILIO_AUTH_TOKEN"] = "wrong"
	o.refuses("does not accept the credentials")
	o.environ["TWILIO_AUTH_TOKEN"], o.environ["PUBLIC_URL"] = "", "ftp://x"
	o.refuses("TWILIO_AUTH_TOKEN must be set")
	o.refuses("PUBLIC_URL must be")
}

// An API key will do, as setup receives no webhooks.
func TestSetupWithAPIKey(t *testing.T) {
	key := "SK" + strings.Repeat("0", 32)
	o := newOperator(t, flexsim.Config{APIKey: key, APISecret: "keysecret"})
	o.environ["TWILIO_AUTH_TOKEN"], o.environ["TWILIO_API_KEY"], o.environ["TWILIO_API_SECRET"] = "", key, "keysecret"
	if out := o.must(); strings.Contains(out, "keysecret") {
		t.Errorf("setup prints a secret:\n%s", out)
	}
}

// When Flex takes no task, the caller hears of it, and the next question tries again.
func TestSetupFlowTellsWhenFlexTakesNoTask(t *testing.T) {
	o := newOperator(t, flexsim.Config{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.environ["PUBLIC_URL"] = "http://" + listener.Addr().String()
	flow := lines(o.must())["TWILIO_FLOW_SID"]
	o.twilio.SetWorkspaces()
	c := testConfig(o.environ["PUBLIC_URL"])
	routes["studio"](&c)
	c.APIURL, c.FlowSID = o.rest.URL, flow
	r := o.serve(c, listener)
	first, err := r.send(t.Context(), "a", map[string]any{"msg": "anybody?", "wait": 4})
	if err != nil || first.Status != "pending" || len(first.Messages) != 1 || first.Messages[0].Kind != "automatic" ||
		!strings.HasPrefix(first.Messages[0].Text, "No agent could be asked") {
		t.Fatalf("answer = %+v, %v, want what the flow said", first, err)
	}
	o.twilio.SetWorkspaces(flexsim.Workspace{Workflows: []flexsim.Resource{{SID: flexsim.WorkflowSID}}, TaskChannels: []flexsim.Resource{{SID: flexsim.TaskChannelSID}}})
	asked := o.asking(r, "a", "and now?", first.Cursor)
	o.reply(o.asked("and now?"), "Now.")
	o.want(<-asked, "replied", "Now.")
	if n := len(o.twilio.Tasks()); n != 1 {
		t.Errorf("there are %d tasks, want 1", n)
	}
}

func TestStudioFlow(t *testing.T) {
	flow := flex.Flow{Definition: deploy.StudioFlow("WW1", "TC1")}
	workflow, channel, ok := flow.SendsToFlex()
	if !ok || workflow != "WW1" || channel != "TC1" {
		t.Errorf("the flow sends to %q, %q (%v), want WW1 and TC1", workflow, channel, ok)
	}
	if text := fmt.Sprint(flow.Definition); !strings.Contains(text, "description:"+deploy.FlowMark) || strings.Contains(text, "_SID") {
		t.Errorf("the flow has no mark, or a placeholder:\n%s", text)
	}
}
