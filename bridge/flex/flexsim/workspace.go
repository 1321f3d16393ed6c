package flexsim

import (
	"slices"
	"time"
)

// The SIDs of what Flex begins with.
const (
	WorkspaceSID   = "WS00000000000000000000000000000001"
	WorkflowSID    = "WW00000000000000000000000000000001"
	TaskChannelSID = "TC00000000000000000000000000000002" // of chats
)

// Workspace is a workspace of TaskRouter; Flex's own is called "Flex Task
// Assignment".
type Workspace struct {
	SID, Name    string
	Workflows    []Resource
	TaskChannels []Resource
	Available    []Resource // workers
	Unavailable  []Resource // workers whose activity is a break or being offline
}

// Resource is a workflow, or a task channel, which has a unique name, too.
type Resource struct{ SID, Name, UniqueName string }

// flexWorkspaces is what an account with Flex begins with.
func flexWorkspaces() []Workspace {
	return []Workspace{{
		SID: WorkspaceSID, Name: "Flex Task Assignment",
		Workflows: []Resource{{SID: WorkflowSID, Name: "Assign to Anyone"}},
		Available: []Resource{{SID: "WK00000000000000000000000000000001", Name: "ana.lopez@example.com"}},
		TaskChannels: []Resource{
			{"TC00000000000000000000000000000001", "Default", "default"},
			{TaskChannelSID, "Programmable Chat", "chat"},
			{"TC00000000000000000000000000000003", "Voice", "voice"},
		},
	}}
}

// routable reports whether a task can be made with the workflow and the task
// channel, which may be named by its unique name. It is called with the mutex held.
func (s *Sim) routable(workflow, channel string) bool {
	return slices.ContainsFunc(s.workspaces, func(w Workspace) bool {
		return slices.ContainsFunc(w.Workflows, func(r Resource) bool { return r.SID == workflow }) &&
			slices.ContainsFunc(w.TaskChannels, func(r Resource) bool { return r.SID == channel || r.UniqueName == channel })
	})
}

// SetWorkspaces replaces the workspaces, as an administrator does in the console.
func (s *Sim) SetWorkspaces(all ...Workspace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workspaces = all
}

func (s *Sim) listWorkspaces(r *request) (any, *problem) {
	return listing(r, "workspaces", 50, 1000, s.workspaces, func(w Workspace) any {
		here := taskrouterURL + "/v1/Workspaces/" + w.SID
		shape := s.shapeResource(here, Resource{SID: w.SID, Name: w.Name})
		shape["multi_task_enabled"], shape["prioritize_queue_order"] = true, "FIFO"
		shape["default_activity_name"], shape["timeout_activity_name"] = "Offline", "Offline"
		shape["event_callback_url"], shape["events_filter"] = nil, nil
		shape["links"] = map[string]any{"workflows": here + "/Workflows", "task_channels": here + "/TaskChannels"}
		return shape
	})
}

func (s *Sim) listWorkflows(r *request) (any, *problem) {
	w, p := s.workspace(r)
	if p != nil {
		return nil, p
	}
	return listing(r, "workflows", 50, 1000, w.Workflows, func(f Resource) any {
		shape := s.shapeResource(taskrouterURL+"/v1/Workspaces/"+w.SID+"/Workflows/"+f.SID, f)
		shape["workspace_sid"], shape["document_content_type"] = w.SID, "application/json"
		shape["assignment_callback_url"], shape["fallback_assignment_callback_url"] = "", ""
		shape["task_reservation_timeout"], shape["configuration"] = 120, "{}"
		return shape
	})
}

func (s *Sim) listTaskChannels(r *request) (any, *problem) {
	w, p := s.workspace(r)
	if p != nil {
		return nil, p
	}
	return listing(r, "channels", 50, 1000, w.TaskChannels, func(c Resource) any {
		shape := s.shapeResource(taskrouterURL+"/v1/Workspaces/"+w.SID+"/TaskChannels/"+c.SID, c)
		shape["workspace_sid"], shape["unique_name"], shape["channel_optimized_routing"] = w.SID, c.UniqueName, false
		return shape
	})
}

// listWorkers plays Available as it is documented: any text but these means those
// who are not ("Worker Resource", twilio.com/docs/taskrouter/api/worker).
func (s *Sim) listWorkers(r *request) (any, *problem) {
	w, p := s.workspace(r)
	if p != nil {
		return nil, p
	}
	workers := slices.Concat(w.Available, w.Unavailable)
	if r.Form.Has("Available") {
		workers = w.Unavailable
		if slices.Contains([]string{"true", "1", "yes"}, r.Form.Get("Available")) {
			workers = w.Available
		}
	}
	return listing(r, "workers", 50, 1000, workers, func(k Resource) any {
		shape := s.shapeResource(taskrouterURL+"/v1/Workspaces/"+w.SID+"/Workers/"+k.SID, k)
		shape["workspace_sid"], shape["attributes"] = w.SID, "{}"
		shape["available"] = slices.Contains(w.Available, k)
		return shape
	})
}

func (s *Sim) workspace(r *request) (Workspace, *problem) {
	i := slices.IndexFunc(s.workspaces, func(w Workspace) bool { return w.SID == r.PathValue("workspace") })
	if i < 0 {
		return Workspace{}, problemNotFound
	}
	return s.workspaces[i], nil
}

// shapeResource has what TaskRouter's resources have in common.
func (s *Sim) shapeResource(url string, r Resource) map[string]any {
	since := restTime(time.Date(2022, 4, 1, 0, 0, 0, 0, time.UTC))
	return map[string]any{
		"sid": r.SID, "account_sid": s.config.AccountSID, "friendly_name": r.Name,
		"date_created": since, "date_updated": since, "url": url,
	}
}
