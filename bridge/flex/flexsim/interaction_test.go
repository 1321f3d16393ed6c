package flexsim_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flexbridge/bridge/flex/flexsim"
)

const tasksPath = "/v1/Workspaces/" + flexsim.WorkspaceSID + "/Tasks"

// interaction is a form that is accepted; pairs are what to replace in its JSON.
func interaction(conversation string, pairs ...string) url.Values {
	edit := strings.NewReplacer(pairs...)
	return url.Values{
		"Channel": {edit.Replace(`{"type":"web","initiated_by":"customer","properties":{"media_channel_sid":"` + conversation + `"}}`)},
		"Routing": {edit.Replace(`{"properties":{"workspace_sid":"` + flexsim.WorkspaceSID + `","workflow_sid":"` + flexsim.WorkflowSID +
			`","task_channel_unique_name":"chat","attributes":{"channelType":"web"}}}`)},
	}
}

// statuses are those of all tasks.
func (a *account) statuses() string {
	var all []string
	for _, task := range a.Tasks() {
		all = append(all, task.Status)
	}
	return strings.Join(all, " ")
}

func TestInteractionRaisesATaskLater(t *testing.T) {
	a := newAccount(t, func(_ *account, c *flexsim.Config) { c.RoutingDelay = 50 * time.Millisecond })
	sid, _ := a.open()
	answer := a.must("POST", "/v1/Interactions", interaction(sid))
	if n := len(a.Tasks()); n != 0 || a.Coming() != 1 {
		t.Errorf("%d tasks at once and %d to come, want it to be asynchronous", n, a.Coming())
	}
	a.webhooks()
	if n := a.Coming(); n != 0 {
		t.Errorf("%d tasks are still to come", n)
	}
	tasks := a.Tasks()
	routing := answer["routing"].(map[string]any)["properties"].(map[string]any)
	if len(tasks) != 1 || tasks[0].SID != routing["sid"] || tasks[0].Customer != customer || tasks[0].Status != flexsim.Pending {
		t.Fatalf("tasks are %+v, want one of %v", tasks, routing)
	}
	var attributes map[string]string
	if err := json.Unmarshal([]byte(tasks[0].Attributes), &attributes); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"channelType": "web", "conversationSid": sid, "flexInteractionSid": answer["sid"].(string),
		"flexInteractionChannelSid": answer["channel"].(map[string]any)["sid"].(string)}
	if diff := cmp.Diff(want, attributes); diff != "" || !strings.HasPrefix(want["flexInteractionSid"], "KD") ||
		!strings.HasPrefix(want["flexInteractionChannelSid"], "UO") {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	a.must("POST", "/v1/Interactions", interaction(sid))
	a.webhooks()
	if got := a.statuses(); got != "pending pending" {
		t.Errorf("tasks are %s, want two for two interactions", got)
	}
}

func TestInteractionsAreRefused(t *testing.T) {
	a := newAccount(t)
	sid, _ := a.open()
	closed, path := a.open()
	a.must("POST", path, url.Values{"State": {"closed"}})
	empty := a.must("POST", "/v1/Conversations", url.Values{})["sid"].(string)
	without := func(name string) url.Values {
		form := interaction(sid)
		form.Del(name)
		return form
	}
	for name, row := range map[string]struct {
		form         url.Values
		status, code int
	}{
		"no channel":            {without("Channel"), 400, 20001},
		"no routing":            {without("Routing"), 400, 20001},
		"unknown field":         {interaction(sid, `"type"`, `"x":1,"type"`), 400, 20001},
		"two objects":           {interaction(sid, `}}`, `}}{}`), 400, 20001},
		"other type":            {interaction(sid, `"web"`, `"fax"`), 400, 20001},
		"not a customer's":      {interaction(sid, `"customer"`, `"agent"`), 400, 20001},
		"no conversation":       {interaction(""), 400, 20001},
		"unknown workspace":     {interaction(sid, "WS0", "WS1"), 400, 20001},
		"no workflow":           {interaction(sid, `"workflow_sid":"`+flexsim.WorkflowSID+`",`, ""), 400, 20001},
		"unknown workflow":      {interaction(sid, "WW0", "WW1"), 400, 20001},
		"unknown task channel":  {interaction(sid, `"chat"`, `"default"`), 400, 20001},
		"attributes as text":    {interaction(sid, `{"channelType":"web"}`, `"{}"`), 400, 20001},
		"unknown conversation":  {interaction("CH9"), 404, 50350},
		"closed conversation":   {interaction(closed), 400, 50377},
		"customer is not in it": {interaction(empty), 400, 20001},
	} {
		if status, answer := a.call("POST", "/v1/Interactions", row.form); status != row.status || answer["code"] != float64(row.code) {
			t.Errorf("%s: %d %v, want %d %d", name, status, answer, row.status, row.code)
		}
	}
	if status, _ := a.call("POST", "/v1/Services/"+flexsim.ServiceSID+"/Interactions", interaction(sid)); status != 404 {
		t.Errorf("below a service: %d, want 404", status)
	}
	a.webhooks()
	if n := len(a.Tasks()); n != 0 {
		t.Errorf("%d tasks, want none", n)
	}
}

func TestInteractionsThatComeToNothing(t *testing.T) {
	a := newAccount(t)
	a.LoseInteractions(1)
	for _, want := range []string{"", "pending"} {
		sid, _ := a.open()
		a.must("POST", "/v1/Interactions", interaction(sid))
		a.webhooks()
		if got := a.statuses(); got != want {
			t.Errorf("tasks are %q, want %q", got, want)
		}
	}
	late := newAccount(t, func(_ *account, c *flexsim.Config) { c.RoutingDelay = 50 * time.Millisecond })
	sid, path := late.open()
	late.must("POST", "/v1/Interactions", interaction(sid))
	late.must("POST", path, url.Values{"State": {"closed"}})
	late.webhooks()
	if got := late.statuses(); got != "" {
		t.Errorf("tasks are %q in a conversation that was closed before, want none", got)
	}
}

func TestInteractionFaults(t *testing.T) {
	a := newAccount(t)
	sid, _ := a.open()
	for _, op := range []flexsim.Op{flexsim.CreateInteraction, flexsim.ListTasks} {
		a.Break(op, 1, flexsim.Fault{Status: 503, Late: true})
	}
	if status, _ := a.call("POST", "/v1/Interactions", interaction(sid)); status != 503 {
		t.Errorf("POST = %d, want 503", status)
	}
	if status, _ := a.call("GET", tasksPath, nil); status != 503 {
		t.Errorf("GET = %d, want 503", status)
	}
	a.webhooks()
	if n := len(a.must("GET", tasksPath, nil)["tasks"].([]any)); n != 1 {
		t.Errorf("%d tasks, want that of the interaction whose answer was lost", n)
	}
}

func TestListingTasks(t *testing.T) {
	a := newAccount(t)
	var sids []string
	for range 3 {
		sid, _ := a.open()
		sids = append(sids, sid)
		a.must("POST", "/v1/Interactions", interaction(sid))
		a.webhooks()
	}
	if err := a.MoveTask(a.Tasks()[2].SID, flexsim.Canceled, "Task TTL Exceeded"); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		query url.Values
		want  string // the conversations
	}{
		{nil, "012"},
		{url.Values{"EvaluateTaskAttributes": {fmt.Sprintf("conversationSid == %q", sids[1])}}, "1"},
		{url.Values{"EvaluateTaskAttributes": {`conversationSid == "CH9"`}}, ""},
		{url.Values{"EvaluateTaskAttributes": {`channelType == "web"`}, "AssignmentStatus": {"canceled"}}, "2"},
		{url.Values{"AssignmentStatus": {"pending", "canceled"}}, "012"},
		{url.Values{"PageSize": {"2"}}, "01"},
	} {
		var got string
		for _, task := range a.must("GET", tasksPath, row.query)["tasks"].([]any) {
			var attributes struct{ ConversationSid string }
			if err := json.Unmarshal([]byte(task.(map[string]any)["attributes"].(string)), &attributes); err != nil {
				t.Fatal(err)
			}
			got += fmt.Sprint(slices.Index(sids, attributes.ConversationSid))
		}
		if got != row.want {
			t.Errorf("tasks by %v are %s, want %s", row.query, got, row.want)
		}
	}
	page := a.must("GET", tasksPath, url.Values{"PageSize": {"2"}})["meta"].(map[string]any)
	if next, _ := page["next_page_url"].(string); !strings.HasPrefix(next, "https://taskrouter.twilio.com"+tasksPath) {
		t.Errorf("the next page is %q", next)
	}
	task := a.must("GET", tasksPath, nil)["tasks"].([]any)[2].(map[string]any)
	keys := "account_sid addons age assignment_status attributes date_created date_updated ignore_capacity links priority reason routing_target sid task_channel_sid task_channel_unique_name task_queue_entered_date task_queue_friendly_name task_queue_sid timeout url virtual_start_time workflow_friendly_name workflow_sid workspace_sid"
	if diff := cmp.Diff(strings.Fields(keys), slices.Sorted(maps.Keys(task))); diff != "" || task["assignment_status"] != "canceled" || task["reason"] != "Task TTL Exceeded" {
		t.Errorf("the task is %v, keys (-want +got):\n%s", task, diff)
	}
	if status, _ := a.call("GET", "/v1/Workspaces/WS9/Tasks", nil); status != http.StatusNotFound {
		t.Errorf("an unknown workspace: %d, want 404", status)
	}
	for _, query := range []url.Values{
		{"EvaluateTaskAttributes": {`conversationSid = "CH1"`}}, {"AssignmentStatus": {"gone"}}, {"Nothing": {"x"}},
	} {
		if status, _ := a.call("GET", tasksPath, query); status != http.StatusBadRequest {
			t.Errorf("tasks by %v: %d, want 400", query, status)
		}
	}
}

func TestStatesOfATask(t *testing.T) {
	a := newAccount(t)
	for want, states := range map[string][]string{
		"":                                {flexsim.Reserved, flexsim.Pending, flexsim.Reserved, flexsim.Assigned, flexsim.Wrapping, flexsim.Completed},
		"completed cannot be pending":     {flexsim.Assigned, flexsim.Completed, flexsim.Pending},
		"a task that is assigned cannot":  {flexsim.Assigned, flexsim.Canceled},
		"a task that is canceled cannot":  {flexsim.Canceled, flexsim.Assigned},
		"a task that is pending cannot":   {flexsim.Wrapping},
		"is pending cannot be on holiday": {"on holiday"},
	} {
		sid, _ := a.open()
		a.must("POST", "/v1/Interactions", interaction(sid))
		a.webhooks()
		tasks := a.Tasks()
		task := tasks[len(tasks)-1].SID
		var err error
		for _, state := range states {
			err = errors.Join(err, a.MoveTask(task, state, ""))
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("moving it to %q = %v, want %q", states, err, want)
		}
		if err := a.DeleteTask(task); err != nil {
			t.Error(err)
		}
		if a.DeleteTask(task) == nil || a.MoveTask(task, flexsim.Canceled, "") == nil {
			t.Error("a task was there after it was deleted")
		}
	}
}

// TestAgentsAndTasks: by either route.
func TestAgentsAndTasks(t *testing.T) {
	routes := map[string]func(a *account, sid, path string){
		"studio": func(a *account, sid, path string) {
			a.must("POST", path+"/Webhooks", studio(flexsim.FlowSID))
			a.say(path, "hello")
		},
		"interaction": func(a *account, sid, path string) {
			a.must("POST", "/v1/Interactions", interaction(sid))
			a.webhooks()
			a.say(path, "hello")
		},
	}
	for name, route := range routes {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t)
			sid, path := a.open("onConversationStateUpdated")
			route(a, sid, path)
			ann, bob := a.Agent("ann@example.com"), a.Agent("bob@example.com")
			step := func(do error, state, tasks string) {
				t.Helper()
				c, _ := a.Conversation(sid)
				if do != nil || c.State != state || a.statuses() != tasks {
					t.Errorf("after %v it is %s with tasks %q, want %s %q", do, c.State, a.statuses(), state, tasks)
				}
			}
			step(nil, "active", "pending")
			step(ann.Join(sid), "active", "assigned")
			step(bob.Join(sid), "active", "assigned")
			step(ann.Leave(sid), "active", "assigned")
			step(bob.Leave(sid), "inactive", "completed")
			a.must("POST", path+"/Messages", url.Values{"Author": {customer}, "Body": {"without webhooks"}})
			step(nil, "active", "completed")
			step(ann.Join(sid), "active", "completed")
			step(ann.Leave(sid), "inactive", "completed")
			a.say(path, "are you there?")
			step(nil, "active", "completed pending")
			a.say(path, "hello?")
			step(nil, "active", "completed pending")
			if tasks := a.Tasks(); tasks[0].Returned || !tasks[1].Returned || tasks[1].Conversation != sid || tasks[1].Customer != customer {
				t.Errorf("tasks are %+v, want the second to be that of a customer who returned", tasks)
			}
			step(bob.Join(sid), "active", "completed assigned")
			step(bob.Close(sid), "closed", "completed wrapping")
			step(bob.Leave(sid), "closed", "completed completed") // it stays so
			var states []string
			for _, w := range a.webhooks() {
				states = append(states, w.form.Get("StateTo"))
			}
			if slices.Sort(states); strings.Join(states, " ") != "active closed inactive inactive" {
				t.Errorf("webhooks told of %q", states)
			}
		})
	}
}
