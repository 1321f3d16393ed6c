package flexsim

import (
	"encoding/json"
	"net/http"
	"strings"
)

// taskChannel is the one task channel for chats that each Flex account has.
const taskChannel = "chat"

// interactionRoutes are at flex-api.twilio.com.
var interactionRoutes = []route{
	{CreateInteraction, "POST /Interactions", "Channel Routing", http.StatusOK, (*Sim).createInteraction},
}

// channel and routing are the parameters of an interaction that a customer
// begins ("Interactions Resource",
// twilio.com/docs/flex/developer/conversations/interactions-api/interactions).
type channel struct {
	Type        string `json:"type"`
	InitiatedBy string `json:"initiated_by"`
	Properties  struct {
		MediaChannelSID string `json:"media_channel_sid"`
	} `json:"properties"`
}

type routing struct {
	Properties struct {
		WorkspaceSID          string         `json:"workspace_sid"`
		WorkflowSID           string         `json:"workflow_sid"`
		TaskChannelUniqueName string         `json:"task_channel_unique_name"`
		Attributes            map[string]any `json:"attributes"`
	} `json:"properties"`
}

// LoseInteractions has nothing come of the next n interactions, although they are
// accepted.
func (s *Sim) LoseInteractions(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost += n
}

// Coming is how many interactions have been accepted whose task is under way.
func (s *Sim) Coming() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.coming
}

// createInteraction accepts an interaction; its task comes later, if it does. Two
// of one conversation are two tasks.
func (s *Sim) createInteraction(r *request) (any, *problem) {
	var (
		ch channel
		rt routing
	)
	if !strictly(r.params.Get("Channel"), &ch) {
		return nil, invalid("Channel")
	}
	if !strictly(r.params.Get("Routing"), &rt) {
		return nil, invalid("Routing")
	}
	c, p := s.interacting(ch, rt)
	if p != nil {
		return nil, p
	}
	interaction, channel := s.sid("KD"), s.sid("UO")
	task := Task{
		SID: s.sid("WT"), Customer: c.Participants[0].Identity,
		Attributes: attributesOf(c.SID, interaction, channel, rt.Properties.Attributes),
	}
	if s.lost > 0 {
		s.lost--
	} else {
		s.coming++
		s.start(func() { s.arrive(c.SID, task) })
	}
	return s.shapeInteraction(interaction, channel, ch, rt, task), nil
}

// strictly reads JSON text that has nothing unknown in it.
func strictly(text string, into any) bool {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into) == nil && !d.More()
}

// interacting checks every field, and finds the conversation.
func (s *Sim) interacting(ch channel, rt routing) (*Conversation, *problem) {
	to := rt.Properties
	c := s.find(ch.Properties.MediaChannelSID)
	switch {
	case ch.Type != "web":
		return nil, invalid("Channel: type")
	case ch.InitiatedBy != "customer":
		return nil, invalid("Channel: initiated_by")
	case ch.Properties.MediaChannelSID == "":
		return nil, invalid("Channel: properties.media_channel_sid is missing")
	case to.WorkspaceSID != s.config.WorkspaceSID:
		return nil, invalid("Routing: properties.workspace_sid")
	case to.WorkflowSID != s.config.WorkflowSID:
		return nil, invalid("Routing: properties.workflow_sid")
	case to.TaskChannelUniqueName != taskChannel:
		return nil, invalid("Routing: properties.task_channel_unique_name")
	case c == nil:
		return nil, problemNoConversation
	case c.State == Closed:
		return nil, problemClosed
	case len(c.Participants) == 0:
		return nil, invalid("the customer is not in the conversation")
	}
	return c, nil
}

// arrive raises the task of an interaction, unless the conversation has ended.
func (s *Sim) arrive(conversation string, t Task) {
	if !pause(s.ctx, nil, s.config.RoutingDelay) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming--
	if c := s.find(conversation); c != nil && c.State != Closed {
		s.raise(c, t)
	}
}

func (s *Sim) shapeInteraction(interaction, channel string, ch channel, rt routing, t Task) any {
	here := flexURL + "/v1/Interactions/" + interaction
	return map[string]any{
		"sid": interaction, "url": here, "interaction_context_sid": nil, "webhook_ttid": nil,
		"links": map[string]any{"channels": here + "/Channels"},
		"channel": map[string]any{
			"sid": channel, "type": ch.Type, "initiated_by": ch.InitiatedBy,
			"properties": map[string]any{"media_channel_sid": ch.Properties.MediaChannelSID},
		},
		"routing": map[string]any{"properties": map[string]any{
			"sid": t.SID, "workspace_sid": rt.Properties.WorkspaceSID, "workflow_sid": rt.Properties.WorkflowSID,
			"task_channel_unique_name": rt.Properties.TaskChannelUniqueName, "attributes": t.Attributes,
		}},
	}
}
