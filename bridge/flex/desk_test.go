package flex_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flexbridge/bridge"
	"flexbridge/bridge/flex"
	"flexbridge/bridge/flex/flexsim"
)

func TestOpeningAndClosing(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if found, err := w.Find(ctx, customer); err != nil || len(found) != 0 {
		t.Errorf("Find = %v, %v before anything was created", found, err)
	}
	sid, err := w.Create(ctx, customer, 3, bridge.About{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Join(ctx, sid, customer); err != nil {
		t.Fatal(err)
	}
	if err := w.Join(ctx, sid, customer); err != nil {
		t.Errorf("Join = %v the second time, want nil", err)
	}
	for i, attach := range []func() error{
		func() error { return nil },
		func() error { return w.Hook(ctx, sid) },
		func() error { return w.Route(ctx, sid, bridge.About{}) },
	} {
		if err := attach(); err != nil {
			t.Fatal(err)
		}
		hooked, routed, err := w.Hooks(ctx, sid)
		if err != nil || hooked != (i > 0) || routed != (i > 1) {
			t.Errorf("Hooks = %v, %v, %v after %d of Hook and Route", hooked, routed, err, i)
		}
	}
	for _, closed := range []bool{false, true} {
		want := bridge.Found{Conversation: sid, Generation: 3, Closed: closed}
		if got, err := w.Fetch(ctx, customer, 3); err != nil || got != want {
			t.Errorf("Fetch = %v, %v, want %v", got, err, want)
		}
		if got, err := w.Find(ctx, customer); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("Find = %v, %v, want %v", got, err, want)
		}
		if got, err := w.State(ctx, sid); err != nil || got != closed {
			t.Errorf("State = %v, %v, want %v", got, err, closed)
		}
		if err := w.Close(ctx, sid); err != nil {
			t.Errorf("Close = %v, want nil, for one that is closed, too", err)
		}
	}
}

func TestWhatIsSent(t *testing.T) {
	w := newWorld(t)
	sid := w.open(t, 2)
	for _, m := range methods {
		if strings.HasPrefix(m.name, "Create") || m.name == "Join" || m.reads || m.interactions {
			continue
		}
		if err := w.do(t.Context(), m, sid); err != nil {
			t.Fatalf("%s = %v", m.name, err)
		}
	}
	c := w.conversation(t, sid)
	if want := "flexbridge-0123456789abcdef0123456789abcdef-2"; c.UniqueName != want || c.FriendlyName == "" {
		t.Errorf("names are %q and %q, want %q and one for agents", c.UniqueName, c.FriendlyName, want)
	}
	var attributes struct {
		Flexbridge struct {
			Customer   string
			Generation int
		}
	}
	if err := json.Unmarshal([]byte(c.Attributes), &attributes); err != nil ||
		attributes.Flexbridge.Customer != string(customer) || attributes.Flexbridge.Generation != 2 {
		t.Errorf("attributes are %s", c.Attributes)
	}
	if got := c.Participants[0].Identity; got != customer.Identity() {
		t.Errorf("participant is %q, want %q", got, customer.Identity())
	}
	hooks := []flexsim.Hook{
		{Target: "webhook", URL: w.keys.HookURL(hookURL, sid), Filters: []string{
			"onMessageAdded", "onConversationStateUpdated", "onParticipantAdded", "onParticipantRemoved"}},
		{Target: "studio", FlowSID: flexsim.FlowSID, Filters: []string{"onMessageAdded"}},
	}
	for i := range c.Hooks {
		c.Hooks[i].SID, c.Hooks[i].Created = "", time.Time{}
	}
	if diff := cmp.Diff(hooks, c.Hooks); diff != "" {
		t.Errorf("hooks (-want +got):\n%s", diff)
	}
	if got := c.Messages[0]; got.Author != customer.Identity() || got.Text != "hello" ||
		got.Attributes != `{"flexbridge_nonce":"n"}` {
		t.Errorf("message is %+v", got)
	}
	// Only what the flow and our webhook must hear of fires webhooks.
	for _, call := range w.sim.Calls() {
		enabled := call.Header.Get("X-Twilio-Webhook-Enabled") == "true"
		if want := call.Op == flexsim.CreateMessage || call.Op == flexsim.UpdateConversation; enabled != want {
			t.Errorf("%s: webhooks enabled = %v, want %v", call.Op, enabled, want)
		}
	}
	if tasks := w.sim.Tasks(); len(tasks) != 1 || tasks[0].Conversation != sid {
		t.Errorf("tasks are %v, want one", tasks)
	}
}

// Agents see a name that was configured, never one that tells customers apart.
func TestCustomerName(t *testing.T) {
	longest := strings.Repeat("é", flex.MaxCustomerName)
	for given, want := range map[string]string{
		"": "Assistant question", "Assistant's \"customer\" <é>": "Assistant's \"customer\" <é>", longest: longest,
	} {
		w := newWorld(t, func(c *flex.Config) { c.CustomerName = given })
		c := w.conversation(t, w.open(t, 0))
		var attributes struct {
			Engagement struct{ FriendlyName string } `json:"pre_engagement_data"`
		}
		if err := json.Unmarshal([]byte(c.Attributes), &attributes); err != nil {
			t.Fatal(err)
		}
		if c.FriendlyName != want || attributes.Engagement.FriendlyName != want {
			t.Errorf("with %q agents see %q and %q, want %q", given, c.FriendlyName, attributes.Engagement.FriendlyName, want)
		}
	}
}

// TestAbout: flows read it from the conversation, in a form that is always the same.
func TestAbout(t *testing.T) {
	for _, row := range []struct {
		about bridge.About
		want  string
	}{
		{bridge.About{Channel: bridge.ByAPI}, `"channel":"api","context":{},`},
		{bridge.About{Channel: bridge.ByMCP, Locale: "pt-BR", Context: map[string]string{"topic": "returns", "empty": ""}},
			`"channel":"mcp","context":{"empty":"","topic":"returns"},`},
	} {
		w := newWorld(t)
		sid, err := w.Create(t.Context(), customer, 3, row.about)
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`{"flexbridge":{%s"customer":%q,"generation":3,"locale":%q},"pre_engagement_data":{"friendlyName":"Assistant question"}}`,
			row.want, customer, row.about.Locale)
		if got := w.conversation(t, sid).Attributes; got != want {
			t.Errorf("attributes are %s, want %s", got, want)
		}
	}
}

func TestTimers(t *testing.T) {
	for _, row := range []struct {
		inactive, closed time.Duration
		want             [2]string
	}{
		{0, 0, [2]string{"", ""}},
		{flex.MinInactiveAfter, 0, [2]string{"PT1M0S", ""}},
		{0, flex.MinClosedAfter, [2]string{"", "PT10M0S"}},
		{time.Hour, 24 * time.Hour, [2]string{"PT1H0M0S", "PT24H0M0S"}},
		{61*time.Minute + time.Second, 9000 * time.Hour, [2]string{"PT1H1M1S", "PT9000H0M0S"}},
	} {
		w := newWorld(t, func(c *flex.Config) { c.InactiveAfter, c.ClosedAfter = row.inactive, row.closed })
		w.open(t, 0) // which is refused unless the form is right
		made := w.sim.Calls()[0].Params
		if got := [2]string{made.Get("Timers.Inactive"), made.Get("Timers.Closed")}; got != row.want {
			t.Errorf("timers are %q, want %q", got, row.want)
		}
	}
	for _, wrong := range [][2]time.Duration{{59 * time.Second, 0}, {-time.Hour, 0}, {90*time.Second + 1, 0}, {0, 599 * time.Second}, {0, -1}} {
		c := flex.Config{AccountSID: flexsim.AccountSID, AuthToken: token, FlowSID: flexsim.FlowSID, ConsoleScope: true,
			Keys: newWorld(t).keys, InactiveAfter: wrong[0], ClosedAfter: wrong[1]}
		if _, err := flex.New(c); err == nil {
			t.Errorf("New with timers of %v = nil, want an error", wrong)
		}
	}
}

func TestCallsOfEachMethod(t *testing.T) {
	w := newWorld(t)
	w.open(t, 0) // for Fetch
	for i, m := range methods {
		sid := w.open(t, i+8) // above Create's
		w.sim.Reset()
		if err := w.do(t.Context(), m, sid); err != nil {
			t.Errorf("%s = %v", m.name, err)
		}
		want := m.before + 1 + m.after
		if all, own := w.sim.Count(), w.sim.Count(m.op); all != want || own != 1 {
			t.Errorf("%s made %d calls, %d of them %s, want %d and 1", m.name, all, own, m.op, want)
		}
	}
}

func TestConsoleScopeMakesNoHook(t *testing.T) {
	w := newWorld(t, func(c *flex.Config) { c.ConsoleScope, c.WebhookURL = true, "" })
	sid := w.open(t, 0)
	if err := w.Hook(t.Context(), sid); err != nil {
		t.Fatal(err)
	}
	if hooked, routed, err := w.Hooks(t.Context(), sid); !hooked || routed || err != nil {
		t.Errorf("Hooks = %v, %v, %v, want hooked", hooked, routed, err)
	}
	if n := w.sim.Count(flexsim.CreateWebhook); n != 0 {
		t.Errorf("%d webhooks were made, want none", n)
	}
}

func TestForeignHooksAreNotOurs(t *testing.T) {
	w := newWorld(t)
	other := newWorld(t, func(c *flex.Config) {
		c.APIURL, c.WebhookURL, c.FlowSID = w.server.URL, "https://old.example.com/twilio/webhook", "FW2"
	})
	sid := w.open(t, 0)
	if err := other.Hook(t.Context(), sid); err != nil {
		t.Fatal(err)
	}
	if err := other.Route(t.Context(), sid, bridge.About{}); err != nil {
		t.Fatal(err)
	}
	if hooked, routed, err := w.Hooks(t.Context(), sid); hooked || routed || err != nil {
		t.Errorf("Hooks = %v, %v, %v, want neither", hooked, routed, err)
	}
}

func TestFindFollowsPages(t *testing.T) {
	w := newWorld(t)
	for generation := range 101 {
		w.open(t, generation)
	}
	sid, err := w.Create(t.Context(), stranger, 0, bridge.About{}) // the customer is in it, but it is not theirs
	if err == nil {
		err = w.Join(t.Context(), sid, customer)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.sim.Reset()
	found, err := w.Find(t.Context(), customer)
	if err != nil {
		t.Fatal(err)
	}
	generations := map[int]string{}
	for _, f := range found {
		generations[f.Generation] = f.Conversation
	}
	if len(found) != 101 || len(generations) != 101 {
		t.Errorf("found %d conversations of %d generations, want 101", len(found), len(generations))
	}
	if n := w.sim.Count(); n != 3 {
		t.Errorf("Find made %d calls for 102 conversations, want 3", n)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*flex.Config){
		"no account":         func(c *flex.Config) { c.AccountSID = "" },
		"no token":           func(c *flex.Config) { c.AuthToken = "" },
		"odd token":          func(c *flex.Config) { c.AuthToken = "secret-token" },
		"key without secret": func(c *flex.Config) { c.APIKey = "SK1" },
		"no route":           func(c *flex.Config) { c.FlowSID = "" },
		"two routes":         func(c *flex.Config) { c.WorkspaceSID, c.WorkflowSID = "WS1", "WW1" },
		"no workflow":        func(c *flex.Config) { c.FlowSID, c.WorkspaceSID = "", "WS1" },
		"no workspace":       func(c *flex.Config) { c.FlowSID, c.WorkflowSID = "", "WW1" },
		"long name":          func(c *flex.Config) { c.CustomerName = strings.Repeat("é", flex.MaxCustomerName+1) },
		"no keys":            func(c *flex.Config) { c.Keys = nil },
		"no webhook":         func(c *flex.Config) { c.WebhookURL = "" },
		"relative webhook":   func(c *flex.Config) { c.WebhookURL = "/twilio/webhook" },
		"webhook with query": func(c *flex.Config) { c.WebhookURL += "?a=b" },
		"long webhook":       func(c *flex.Config) { c.WebhookURL += strings.Repeat("x", 512) },
		"odd API URL":        func(c *flex.Config) { c.APIURL = "localhost:80" },
		"password in URL":    func(c *flex.Config) { c.APIURL = "http://user:secret-token@localhost" },
		"unreadable URL":     func(c *flex.Config) { c.APIURL = "http://user:secret-token@local host" },
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := bridge.NewKeyring(make([]byte, bridge.MinSecret))
			if err != nil {
				t.Fatal(err)
			}
			c := flex.Config{AccountSID: "AC1", AuthToken: "t", FlowSID: "FW1", WebhookURL: hookURL, Keys: keys}
			if _, err := flex.New(c); err != nil {
				t.Fatalf("New = %v before the change", err)
			}
			change(&c)
			if d, err := flex.New(c); err == nil || d != nil {
				t.Error("New succeeded, want an error")
			} else if strings.Contains(err.Error(), "secret-token") {
				t.Errorf("New = %q holds a secret", err)
			}
		})
	}
}
