package flexsim

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// The states of a flow. What runs is what was published last.
const (
	Draft     = "draft"
	Published = "published"
)

// Flow is a Studio flow.
type Flow struct {
	SID, Name  string
	Status     string // of the newest revision
	Definition string // of the newest revision, as JSON
	Revision   int

	running   definition // published last; without states if nothing was
	published *Flow      // the revision published last, or nil
	updated   time.Time
}

// AddFlow adds a flow of the name, as made in Studio by hand, and returns its
// SID. It may be one that does not work.
func (s *Sim) AddFlow(name, status, definition string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &Flow{SID: s.flowSID(), Name: name}
	f.save(status, definition)
	s.flows = append(s.flows, f)
	return f.SID
}

// Flows returns all flows, in order of creation.
func (s *Sim) Flows() []Flow {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Flow, len(s.flows))
	for i, f := range s.flows {
		all[i] = *f
	}
	return all
}

// flexFlow is the definition of the flow that an account begins with.
const flexFlow = `{"description":"Sends a conversation to Flex.","initial_state":"Trigger","flags":{"allow_concurrent_calls":true},"states":[
{"name":"Trigger","type":"trigger","properties":{"offset":{"x":0,"y":0}},"transitions":[{"event":"incomingMessage"},{"event":"incomingCall"},
 {"event":"incomingConversationMessage","next":"SendToFlex"},{"event":"incomingRequest"},{"event":"incomingParent"}]},
{"name":"SendToFlex","type":"send-to-flex","transitions":[{"event":"callComplete"},{"event":"failedToEnqueue"},{"event":"callFailure"}],
 "properties":{"offset":{"x":0,"y":200},"workflow":"` + WorkflowSID + `","channel":"` + TaskChannelSID + `","attributes":"{}"}}]}`

func (f *Flow) save(status, text string) {
	f.Status, f.Definition, f.updated = status, text, now()
	f.Revision++
	if status == Published {
		revision := *f
		f.published = &revision
	}
	if d, problems := parseDefinition(text); status == Published && len(problems) == 0 {
		f.running = d
	}
}

// flowSID makes a SID that no flow has, not even the one of the Config.
func (s *Sim) flowSID() string {
	sid := s.sid("FW")
	for s.flowOf(sid) != nil {
		sid = s.sid("FW")
	}
	return sid
}

func (s *Sim) flowOf(sid string) *Flow {
	for _, f := range s.flows {
		if f.SID == sid {
			return f
		}
	}
	return nil
}

// proposed are the parameters of a flow to be saved. Without a definition the
// one before stays.
func (r *request) proposed(before Flow) (Flow, *problem) {
	f := Flow{
		Name:       cmp.Or(r.params.Get("FriendlyName"), before.Name),
		Status:     r.params.Get("Status"),
		Definition: cmp.Or(r.params.Get("Definition"), before.Definition),
	}
	if f.Status != Draft && f.Status != Published {
		return f, invalid("Status")
	}
	if f.Name == "" {
		return f, invalid("FriendlyName is missing")
	}
	if _, wrong := parseDefinition(f.Definition); len(wrong) > 0 && f.Status == Published {
		p := newProblem(http.StatusBadRequest, 20001, "Invalid flow definition")
		p.Details = map[string]any{"errors": wrong}
		return f, p
	}
	return f, nil
}

func (s *Sim) validateFlow(r *request) (any, *problem) {
	if _, p := r.proposed(Flow{}); p != nil {
		return nil, p
	}
	return map[string]any{"valid": true}, nil
}

func (s *Sim) createFlow(r *request) (any, *problem) {
	proposed, p := r.proposed(Flow{})
	if p != nil {
		return nil, p
	}
	f := &Flow{SID: s.flowSID(), Name: proposed.Name}
	f.save(proposed.Status, proposed.Definition)
	s.flows = append(s.flows, f)
	s.note()
	return s.shapeFlow(f, true), nil
}

func (s *Sim) updateFlow(r *request) (any, *problem) {
	f := s.flowOf(r.PathValue("flow"))
	if f == nil {
		return nil, problemNotFound
	}
	proposed, p := r.proposed(*f)
	if p != nil {
		return nil, p
	}
	f.Name = proposed.Name
	f.save(proposed.Status, proposed.Definition)
	s.note()
	return s.shapeFlow(f, true), nil
}

func (s *Sim) fetchFlow(r *request) (any, *problem) {
	f := s.flowOf(r.PathValue("flow"))
	if f == nil {
		return nil, problemNotFound
	}
	return s.shapeFlow(f, true), nil
}

// fetchRevision knows the one name of a revision that is asked for here ("Flow
// Revision resource", twilio.com/docs/studio/rest-api/v2/flow-revision).
func (s *Sim) fetchRevision(r *request) (any, *problem) {
	f := s.flowOf(r.PathValue("flow"))
	if f == nil || f.published == nil || r.PathValue("revision") != "LatestPublished" {
		return nil, problemNotFound
	}
	return s.shapeFlow(f.published, true), nil
}

func (s *Sim) listFlows(r *request) (any, *problem) {
	return listing(r, "flows", 50, 1000, s.flows, func(f *Flow) any { return s.shapeFlow(f, false) })
}

func (s *Sim) deleteFlow(r *request) (any, *problem) {
	f := s.flowOf(r.PathValue("flow"))
	if f == nil {
		return nil, problemNotFound
	}
	s.flows = slices.DeleteFunc(s.flows, func(g *Flow) bool { return g == f })
	s.note()
	return nil, nil
}

// shapeFlow is whole when it is the answer, and without its definition in a list
// ("Flow resource", twilio.com/docs/studio/rest-api/v2/flow).
func (s *Sim) shapeFlow(f *Flow, whole bool) any {
	here := studioURL + "/v2/Flows/" + f.SID
	shape := map[string]any{
		"sid": f.SID, "account_sid": s.config.AccountSID, "friendly_name": f.Name,
		"status": f.Status, "revision": f.Revision, "commit_message": nil,
		"date_created": restTime(f.updated), "date_updated": restTime(f.updated),
		"url": here, "links": map[string]any{"executions": here + "/Executions"},
	}
	if whole {
		_, wrong := parseDefinition(f.Definition)
		shape["definition"], shape["valid"] = json.RawMessage(f.Definition), len(wrong) == 0
		shape["errors"], shape["warnings"] = wrong, []any{}
		shape["webhook_url"] = "https://webhooks.twilio.com/v1/Accounts/" + s.config.AccountSID + "/Flows/" + f.SID
	}
	return shape
}
