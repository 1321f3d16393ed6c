package flex_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge"
	"flexbridge/bridge/flex"
	"flexbridge/bridge/flex/flexsim"
)

// newAccount is the administration of the world's account.
func (w *world) newAccount(t *testing.T, change ...func(*flex.Config)) *flex.Account {
	t.Helper()
	c := flex.Config{AccountSID: flexsim.AccountSID, AuthToken: token, APIURL: w.server.URL}
	for _, f := range change {
		f(&c)
	}
	a, err := flex.NewAccount(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.CloseIdleConnections)
	return a
}

func TestAccount(t *testing.T) {
	w := newWorld(t)
	a, ctx := w.newAccount(t), t.Context()
	if s, err := a.Standing(ctx); err != nil || s.Status != "active" || s.Ahead.Abs() > 5*time.Second {
		t.Errorf("Standing = %+v, %v", s, err)
	}
	if s, err := a.DefaultService(ctx); err != nil || s.SID != flexsim.ServiceSID || s.Account != flexsim.AccountSID {
		t.Errorf("DefaultService = %+v, %v", s, err)
	}
	if all, err := a.Workspaces(ctx); err != nil || len(all) != 1 || all[0].Name != flex.FlexWorkspace {
		t.Errorf("Workspaces = %v, %v", all, err)
	}
	if all, err := a.Workflows(ctx, flexsim.WorkspaceSID); err != nil || len(all) != 1 || all[0].SID != flexsim.WorkflowSID {
		t.Errorf("Workflows = %v, %v", all, err)
	}
	if all, err := a.TaskChannels(ctx, flexsim.WorkspaceSID); err != nil || len(all) != 3 || all[1].UniqueName != "chat" {
		t.Errorf("TaskChannels = %v, %v", all, err)
	}
	if _, err := a.Workflows(ctx, "WS2"); !errors.Is(err, bridge.ErrGone) {
		t.Errorf("Workflows of no workspace = %v, want ErrGone", err)
	}
	want := flex.Webhook{PostURL: hookURL, Method: "POST", Filters: flex.Events()}
	if err := a.SetServiceWebhook(ctx, flexsim.ServiceSID, want); err != nil {
		t.Fatal(err)
	}
	if got, err := a.ServiceWebhook(ctx, flexsim.ServiceSID); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("ServiceWebhook = %+v, %v, want %+v", got, err, want)
	}
	if got, err := a.GlobalWebhook(ctx); err != nil || got.PostURL != "" {
		t.Errorf("GlobalWebhook = %+v, %v, want none", got, err)
	}
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	w := newWorld(t)
	for i := range 2345 {
		w.sim.AddFlow(fmt.Sprint(i), flexsim.Draft, `{}`)
	}
	if all, err := w.newAccount(t).Flows(t.Context()); err != nil || len(all) != 2346 || all[2345].Name != "2344" {
		t.Errorf("Flows = %d, %v, want 2346", len(all), err)
	}
}

func TestFlows(t *testing.T) {
	w := newWorld(t)
	a, ctx := w.newAccount(t), t.Context()
	there, err := a.Flow(ctx, flexsim.FlowSID)
	if err != nil || !there.Published || !there.Valid {
		t.Fatalf("Flow = %+v, %v", there, err)
	}
	mine := flex.Flow{Name: "mine", Definition: there.Definition}
	if err := a.ValidateFlow(ctx, mine); err != nil {
		t.Errorf("ValidateFlow = %v", err)
	}
	made, err := a.SaveFlow(ctx, mine)
	if err != nil || made.SID == "" || !made.Published {
		t.Fatalf("SaveFlow = %+v, %v", made, err)
	}
	made.Name = "renamed"
	if again, err := a.SaveFlow(ctx, made); err != nil || again.SID != made.SID || again.Name != "renamed" {
		t.Errorf("SaveFlow = %+v, %v, want the same flow", again, err)
	}
	bad := flex.Flow{Name: "bad", Definition: map[string]any{"initial_state": "nowhere"}}
	if err := a.ValidateFlow(ctx, bad); !errors.Is(err, bridge.ErrDeskRefused) || !strings.Contains(err.Error(), "there are no states") {
		t.Errorf("ValidateFlow = %v, want what is wrong", err)
	}
	if _, err := a.SaveFlow(ctx, bad); !errors.Is(err, bridge.ErrDeskRefused) {
		t.Errorf("SaveFlow = %v, want ErrDeskRefused", err)
	}
	if err := a.DeleteFlow(ctx, made.SID); err != nil {
		t.Errorf("DeleteFlow = %v", err)
	}
	if _, err := a.Flow(ctx, made.SID); !errors.Is(err, bridge.ErrGone) {
		t.Errorf("Flow = %v, want ErrGone", err)
	}
}

func TestSendsToFlex(t *testing.T) {
	state := func(name, kind string, next ...string) string {
		transitions := "[]"
		if len(next) == 2 {
			transitions = fmt.Sprintf(`[{"event":"incomingMessage","next":"end"},{"event":%q,"next":%q}]`, next[0], next[1])
		}
		return fmt.Sprintf(`{"name":%q,"type":%q,"transitions":%s,"properties":{"workflow":"WW1","channel":"TC1"}}`, name, kind, transitions)
	}
	const incoming = "incomingConversationMessage"
	for name, row := range map[string]struct {
		states []string
		want   bool
	}{
		"at once":            {[]string{state("Trigger", "trigger", incoming, "flex"), state("flex", "send-to-flex")}, true},
		"after a greeting":   {[]string{state("Trigger", "trigger", incoming, "hello"), state("hello", "send-message", "sent", "flex"), state("flex", "send-to-flex")}, true},
		"by another trigger": {[]string{state("Trigger", "trigger", "incomingCall", "flex"), state("flex", "send-to-flex")}, false},
		"in a circle":        {[]string{state("Trigger", "trigger", incoming, "a"), state("a", "x", "e", "b"), state("b", "x", "e", "a")}, false},
		"nowhere":            {[]string{state("Trigger", "trigger"), state("flex", "send-to-flex")}, false},
		"without states":     {nil, false},
	} {
		var f flex.Flow
		text := `{"initial_state":"Trigger","states":[` + strings.Join(row.states, ",") + `]}`
		if err := json.Unmarshal([]byte(text), &f.Definition); err != nil {
			t.Fatal(err)
		}
		workflow, channel, ok := f.SendsToFlex()
		if ok != row.want || ok && (workflow != "WW1" || channel != "TC1") {
			t.Errorf("%s: SendsToFlex = %q %q %v, want %v", name, workflow, channel, ok, row.want)
		}
	}
}

func TestAccountRefusesAndHidesSecrets(t *testing.T) {
	if _, err := flex.NewAccount(flex.Config{AccountSID: flexsim.AccountSID}); err == nil {
		t.Error("NewAccount without a token = nil error")
	}
	w := newWorld(t)
	a := w.newAccount(t, func(c *flex.Config) { c.AuthToken = "wrongtoken" })
	if _, err := a.Standing(t.Context()); !errors.Is(err, bridge.ErrDeskRefused) || strings.Contains(err.Error(), "wrongtoken") {
		t.Errorf("Standing = %v, want ErrDeskRefused without the token", err)
	}
	byKey := w.newAccount(t, func(c *flex.Config) { c.AuthToken, c.APIKey, c.APISecret = "", "SK1", secret })
	if _, err := byKey.DefaultService(t.Context()); err != nil {
		t.Errorf("DefaultService by API key = %v", err)
	}
}

// Whoever writes the URL of a list's next page must not get our credentials.
func TestCredentialsGoToTwilioOnly(t *testing.T) {
	w := newWorld(t, func(c *flex.Config) { c.APIURL = "" })
	for address, want := range map[string]string{
		"https://studio.twilio.com/v2/Flows?PageToken=a":  "https://studio.twilio.com/v2/Flows?PageToken=a",
		"http://taskrouter.twilio.com/v1/Workspaces":      "https://taskrouter.twilio.com/v1/Workspaces",
		"https://x@conversations.twilio.com/v1/Services/": "https://conversations.twilio.com/v1/Services/",
		"https://example.com/v2/Flows":                    "",
		"https://twilio.com.example.com/v2/Flows":         "",
		"https://studio.twilio.com:8443/v2/Flows":         "",
		"/v2/Flows": "",
	} {
		if got, err := w.Target(address); got != want || (err == nil) != (want != "") {
			t.Errorf("a call to %s goes to %q, %v, want %q", address, got, err, want)
		}
	}
}
