package flexsim_test

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"

	"flexbridge/bridge/flex/flexsim"
)

// goodFlow is a definition that is sure to be right.
func goodFlow(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/studio-flow.json")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("WORKFLOW_SID", flexsim.WorkflowSID, "TASK_CHANNEL_SID", flexsim.TaskChannelSID).Replace(string(text))
}

func published(definition string) url.Values {
	return url.Values{"FriendlyName": {"mine"}, "Status": {"published"}, "Definition": {definition}}
}

func TestFlowDefinitionsAreChecked(t *testing.T) {
	a := newAccount(t)
	good := goodFlow(t)
	if v := a.must("POST", "/v2/Flows/Validate", published(good)); v["valid"] != true {
		t.Errorf("a good definition: %v", v)
	}
	for what, change := range map[string][2]string{
		"a quoted string":             {good, `"x"`},
		"a field nobody knows":        {`"initial_state"`, `"initialState"`},
		"no trigger":                  {`"initial_state": "Trigger"`, `"initial_state": "send_to_flex"`},
		"a widget nobody knows":       {`"type": "send-message"`, `"type": "send-mail"`},
		"an event that is not there":  {`"event": "callComplete"`, `"event": "callCompleted"`},
		"a state that is not there":   {`"next": "send_to_flex"`, `"next": "send_to_flecks"`},
		"a property left out":         {`"workflow"`, `"priority"`},
		"a property nobody knows":     {`"to": "{{`, `"too": "{{`},
		"a property left empty":       {flexsim.WorkflowSID, ``},
		"attributes that are no JSON": {`"{\"name\"`, `"{\"name`},
		"a name used twice":           {`"name": "nobody_was_asked"`, `"name": "send_to_flex"`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s: nothing was replaced", what)
		}
		for _, path := range []string{"/v2/Flows/Validate", "/v2/Flows", "/v2/Flows/" + flexsim.FlowSID} {
			status, answer := a.call("POST", path, published(bad))
			details, _ := answer["details"].(map[string]any)
			if errors, _ := details["errors"].([]any); status != 400 || answer["code"] != 20001.0 || len(errors) == 0 {
				t.Errorf("%s: %s = %d %v, want 400 with details", what, path, status, answer)
			}
		}
	}
	if n := len(a.Flows()); n != 1 {
		t.Errorf("there are %d flows, want the one from the start", n)
	}
}

func TestFlowResource(t *testing.T) {
	a := newAccount(t)
	made := a.must("POST", "/v2/Flows", published(goodFlow(t)))
	path := "/v2/Flows/" + made["sid"].(string)
	if made["revision"] != 1.0 || made["valid"] != true || made["status"] != "published" || made["friendly_name"] != "mine" {
		t.Errorf("the flow is %v", made)
	}
	// A draft does not replace what runs, whatever is wrong with it.
	made = a.must("POST", path, url.Values{"Status": {"draft"}, "Definition": {`{}`}})
	if made["revision"] != 2.0 || made["valid"] != false || made["status"] != "draft" || made["friendly_name"] != "mine" {
		t.Errorf("the draft is %v", made)
	}
	if runs := a.must("GET", path+"/Revisions/LatestPublished", nil); runs["revision"] != 1.0 || runs["valid"] != true || runs["status"] != "published" {
		t.Errorf("what runs is %v", runs)
	}
	page := a.must("GET", "/v2/Flows", url.Values{"PageSize": {"1"}})
	meta := page["meta"].(map[string]any)
	next, _ := meta["next_page_url"].(string)
	if first := page["flows"].([]any)[0].(map[string]any); first["definition"] != nil || !strings.HasPrefix(next, "https://studio.twilio.com/v2/Flows?") || meta["key"] != "flows" {
		t.Errorf("the first page is %v", page)
	}
	_, conversation := a.open()
	a.must("POST", conversation+"/Webhooks", studio(made["sid"].(string)))
	a.say(conversation, "hello")
	if n := len(a.Tasks()); n != 1 {
		t.Errorf("the flow made %d tasks, want 1", n)
	}
	a.call("DELETE", path, nil)
	for _, method := range []string{"GET", "POST", "DELETE"} {
		if status, _ := a.call(method, path, nil); status != 404 {
			t.Errorf("%s of a flow that is gone = %d, want 404", method, status)
		}
	}
	if status, answer := a.call("POST", "/v2/Flows", url.Values{"Status": {"published"}, "Definiton": {`{}`}}); status != 400 {
		t.Errorf("a misspelt parameter = %d %v, want 400", status, answer)
	}
}

// When no task can be made, the flow goes the way of failedToEnqueue, and ends;
// the next message starts it again.
func TestFlowThatCannotSendToFlex(t *testing.T) {
	a := newAccount(t)
	flow := a.must("POST", "/v2/Flows", published(goodFlow(t)))["sid"].(string)
	sid, path := a.open()
	a.must("POST", path+"/Webhooks", studio(flow))
	a.SetWorkspaces()
	a.say(path, "hello")
	c, _ := a.Conversation(sid)
	if len(c.Messages) != 2 || !strings.HasPrefix(c.Messages[1].Text, "No agent could be asked") || len(a.Tasks()) != 0 {
		t.Errorf("messages are %+v, tasks %v", c.Messages, a.Tasks())
	}
	a.SetWorkspaces(flexsim.Workspace{Workflows: []flexsim.Resource{{SID: flexsim.WorkflowSID}}, TaskChannels: []flexsim.Resource{{SID: flexsim.TaskChannelSID}}})
	a.say(path, "and now?")
	if len(a.Tasks()) != 1 {
		t.Errorf("tasks are %v, want one", a.Tasks())
	}
}

func TestWebhookConfiguration(t *testing.T) {
	a := newAccount(t)
	path := "/v1/Services/" + flexsim.ServiceSID + "/Configuration/Webhooks"
	a.SetGlobalHook(flexsim.ServiceHook{URL: a.hook.URL + "/global", Filters: []string{"onMessageAdded"}})
	_, conversation := a.open()
	a.say(conversation, "the account's hears it")
	a.must("POST", path, url.Values{"PostWebhookUrl": {a.hook.URL + "/service"}, "Method": {"POST"}, "Filters": {"onMessageAdded", "onMessageAdd"}})
	a.webhooks()
	a.say(conversation, "only the service's hears it")
	if got := a.webhooks(); len(got) != 2 || !strings.HasSuffix(got[0].url, "/global") || !strings.HasSuffix(got[1].url, "/service") {
		t.Errorf("webhooks are %v", got)
	}
	shape := a.must("GET", path, nil)
	if text, _ := json.Marshal(shape["filters"]); string(text) != `["onMessageAdded","onMessageAdd"]` || shape["pre_webhook_url"] != nil || shape["method"] != "POST" {
		t.Errorf("the webhook is %v", shape)
	}
	for _, form := range []url.Values{{"Filters": {"onMessage"}}, {"Method": {"post"}}, {"PostWebhookUrl": {"bridge"}}, {"Target": {"flex"}}} {
		if status, answer := a.call("POST", path, form); status != 400 {
			t.Errorf("%v = %d %v, want 400", form, status, answer)
		}
	}
	if status, _ := a.call("GET", "/v1/Services/ISffffffffffffffffffffffffffffffff/Configuration/Webhooks", nil); status != 404 {
		t.Errorf("another service's webhook = %d, want 404", status)
	}
}

func TestAccountAndTaskRouter(t *testing.T) {
	a := newAccount(t)
	if got := a.must("GET", "/2010-04-01/Accounts/"+flexsim.AccountSID+".json", nil); got["status"] != "active" {
		t.Errorf("the account is %v", got)
	}
	if status, _ := a.call("GET", "/2010-04-01/Accounts/ACffffffffffffffffffffffffffffffff.json", nil); status != 404 {
		t.Errorf("another account = %d, want 404", status)
	}
	if got := a.must("GET", "/v1/Configuration", nil); got["default_chat_service_sid"] != flexsim.ServiceSID {
		t.Errorf("the configuration is %v", got)
	}
	for path, key := range map[string]string{
		"/v1/Workspaces": "workspaces",
		"/v1/Workspaces/" + flexsim.WorkspaceSID + "/Workflows":    "workflows",
		"/v1/Workspaces/" + flexsim.WorkspaceSID + "/TaskChannels": "channels",
		"/v1/Workspaces/" + flexsim.WorkspaceSID + "/Workers":      "workers",
	} {
		page := a.must("GET", path, nil)
		if list, _ := page[key].([]any); len(list) == 0 || page["meta"].(map[string]any)["key"] != key {
			t.Errorf("%s is %v", path, page)
		}
	}
	if status, _ := a.call("GET", "/v1/Workspaces/WS2/Workflows", nil); status != 404 {
		t.Errorf("the workflows of no workspace = %d, want 404", status)
	}
}
