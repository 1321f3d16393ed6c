package flexsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"
)

// The states of a task ("Lifecycle of a Task: Task State",
// twilio.com/docs/taskrouter/lifecycle-task-state).
const (
	Pending   = "pending"
	Reserved  = "reserved"
	Assigned  = "assigned"
	Wrapping  = "wrapping"
	Completed = "completed"
	Canceled  = "canceled"
)

// moves are where a task may go from each state.
var moves = map[string][]string{
	Pending:  {Reserved, Assigned, Canceled},
	Reserved: {Pending, Assigned, Canceled},
	Assigned: {Wrapping, Completed},
	Wrapping: {Completed},
}

// Task is a conversation that waits for an agent in Flex.
type Task struct {
	SID, Conversation string
	Customer          string // identity of the customer
	Attributes        string // JSON
	Status, Reason    string // the reason is that of a cancellation
	Returned          bool   // Flex raised it when the customer wrote again after the agent's Leave
	Created           time.Time
}

// Tasks returns all tasks, in order of creation.
func (s *Sim) Tasks() []Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tasks)
}

// MoveTask moves a task to another state, for a reason that may be empty. A task
// that nobody took is canceled with the reason that its time was over.
func (s *Sim) MoveTask(sid, status, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.task(sid)
	if i < 0 {
		return problemNotFound
	}
	if t := s.tasks[i]; !slices.Contains(moves[t.Status], status) {
		return fmt.Errorf("a task that is %s cannot be %s", t.Status, status)
	}
	s.tasks[i].Status, s.tasks[i].Reason = status, reason
	s.note()
	return nil
}

// DeleteTask forgets a task, as TaskRouter does five minutes after it was completed
// or canceled.
func (s *Sim) DeleteTask(sid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.task(sid)
	if i < 0 {
		return problemNotFound
	}
	s.tasks = slices.Delete(s.tasks, i, i+1)
	s.note()
	return nil
}

// What follows is called with the mutex held.

func (s *Sim) task(sid string) int {
	return slices.IndexFunc(s.tasks, func(t Task) bool { return t.SID == sid })
}

// raise adds a task, whose SID, customer and attributes are given, for the
// conversation, which is at Flex from now on.
func (s *Sim) raise(c *Conversation, t Task) {
	t.Conversation, t.Status, t.Created = c.SID, Pending, now()
	c.customer = t.Customer
	s.tasks = append(s.tasks, t)
	if s.config.OnTask != nil {
		s.start(func() { s.config.OnTask(s.ctx, t) })
	}
	s.note()
}

// moved moves the conversation's tasks from one state to another.
func (s *Sim) moved(c *Conversation, to string, from ...string) {
	for i, t := range s.tasks {
		if t.Conversation == c.SID && slices.Contains(from, t.Status) {
			s.tasks[i].Status = to
		}
	}
}

// vacate is what Flex does when the last agent chose Leave: "the conversation is
// inactive until the customer writes again" (Leave and pause,
// twilio.com/docs/flex/admin-guide/setup/conversations/leave-and-pause-for-conversations).
func (s *Sim) vacate(c *Conversation, by actor) {
	others := slices.ContainsFunc(c.Participants, func(p Participant) bool { return p.Identity != c.customer })
	if c.customer == "" || others {
		return
	}
	s.moved(c, Completed, Assigned, Wrapping)
	c.left = true
	s.become(c, Inactive, "API", by)
}

// returned raises a new task when the customer writes in a conversation that was
// left. Whether that needs a message that fires webhooks is not documented.
func (s *Sim) returned(c *Conversation, author string, by actor) {
	if c.left && author == c.customer && by != quiet {
		s.raise(c, Task{
			SID: s.sid("WT"), Customer: author, Returned: true,
			Attributes: attributesOf(c.SID, s.sid("KD"), s.sid("UO"), map[string]any{"channelType": "web"}),
		})
	}
	c.left = false
}

// attributesOf adds what Flex adds to a task's attributes.
func attributesOf(conversation, interaction, channel string, own map[string]any) string {
	all := map[string]any{}
	for name, value := range own {
		all[name] = value
	}
	all["conversationSid"], all["flexInteractionSid"], all["flexInteractionChannelSid"] = conversation, interaction, channel
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // it came from JSON
	}
	return string(text)
}

var evaluation = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*) == "([^"\\]*)"$`)

// listTasks plays expressions of one comparison with a text.
func (s *Sim) listTasks(r *request) (any, *problem) {
	if r.PathValue("workspace") != s.config.WorkspaceSID {
		return nil, problemNotFound
	}
	matches := func(Task) bool { return true }
	if text := r.params.Get("EvaluateTaskAttributes"); text != "" {
		parts := evaluation.FindStringSubmatch(text)
		if parts == nil {
			return nil, invalid("EvaluateTaskAttributes")
		}
		matches = func(t Task) bool {
			var attributes map[string]any
			return json.Unmarshal([]byte(t.Attributes), &attributes) == nil && attributes[parts[1]] == parts[2]
		}
	}
	states := r.params["AssignmentStatus"]
	for _, state := range states {
		if _, known := moves[state]; !known && state != Completed && state != Canceled {
			return nil, invalid("AssignmentStatus")
		}
	}
	var found []Task
	for _, t := range s.tasks {
		if matches(t) && (len(states) == 0 || slices.Contains(states, t.Status)) {
			found = append(found, t)
		}
	}
	return listing(r, "tasks", 50, 1000, found, s.shapeTask)
}

func (s *Sim) shapeTask(t Task) any {
	here := taskrouterURL + "/v1/Workspaces/" + s.config.WorkspaceSID + "/Tasks/" + t.SID
	return map[string]any{
		"sid": t.SID, "account_sid": s.config.AccountSID, "workspace_sid": s.config.WorkspaceSID,
		"workflow_sid": s.config.WorkflowSID, "workflow_friendly_name": "Assign to Anyone",
		"assignment_status": t.Status, "attributes": t.Attributes, "reason": orNull(t.Reason),
		"age": int(time.Since(t.Created).Seconds()), "priority": 0, "timeout": 86400, "addons": "{}",
		"task_channel_unique_name": taskChannel, "task_channel_sid": nil,
		"task_queue_sid": nil, "task_queue_friendly_name": nil, "task_queue_entered_date": nil,
		"date_created": restTime(t.Created), "date_updated": restTime(t.Created), "virtual_start_time": restTime(t.Created),
		"routing_target": nil, "ignore_capacity": false, "url": here,
		"links": map[string]any{"reservations": here + "/Reservations"},
	}
}

// taskRoutes are at taskrouter.twilio.com.
var taskRoutes = []route{
	{ListTasks, "GET /Workspaces/{workspace}/Tasks", "EvaluateTaskAttributes AssignmentStatus " + paging, http.StatusOK, (*Sim).listTasks},
}
