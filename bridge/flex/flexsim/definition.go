package flexsim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// definition is what a flow does: the part of Studio's JSON ("Flow definition",
// twilio.com/docs/studio/flow-definition) that leads a message to Flex.
type definition struct {
	Description  string      `json:"description"`
	States       []flowState `json:"states"`
	InitialState string      `json:"initial_state"`
	Flags        flags       `json:"flags"`
}

type flags struct {
	AllowConcurrentCalls bool `json:"allow_concurrent_calls"`
}

type flowState struct {
	Name        string         `json:"name"`
	Type        string         `json:"type"`
	Transitions []transition   `json:"transitions"`
	Properties  map[string]any `json:"properties"`
}

type transition struct {
	Event      string `json:"event"`
	Next       string `json:"next"`
	Conditions []any  `json:"conditions"`
}

// flaw is an error of a definition, as Studio tells it.
type flaw struct {
	Message string `json:"message"`
	Path    string `json:"property_path"`
}

// widget is what a type of state must have and may have; others are refused.
type widget struct{ events, needs, takes string }

var widgets = map[string]widget{
	"trigger": {"incomingMessage incomingCall incomingConversationMessage incomingRequest incomingParent", "offset", ""},
	"send-to-flex": {"callComplete failedToEnqueue callFailure", "offset workflow channel attributes",
		"priority timeout waitUrl waitUrlMethod"},
	"send-message": {"sent failed", "offset body service channel from to", "attributes media_url"},
}

// parseDefinition returns what is wrong, all of it.
func parseDefinition(text string) (d definition, flaws []flaw) {
	wrong := func(path, message string, args ...any) {
		flaws = append(flaws, flaw{fmt.Sprintf(message, args...), path})
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		wrong("#/", "not a flow definition: %v", err)
		return d, flaws
	}
	if len(d.States) == 0 {
		wrong("#/states", "there are no states")
	}
	if s, ok := d.state(d.InitialState); !ok || s.Type != "trigger" {
		wrong("#/initial_state", "%q is not the trigger", d.InitialState)
	}
	for i, s := range d.States {
		path := fmt.Sprintf("#/states/%d", i)
		w, known := widgets[s.Type]
		if !known {
			wrong(path+"/type", "%q is not a widget", s.Type)
			continue
		}
		if first, _ := d.state(s.Name); s.Name == "" || first.Type != s.Type {
			wrong(path+"/name", "a name is missing or used twice")
		}
		for j, t := range s.Transitions {
			if !slices.Contains(strings.Fields(w.events), t.Event) {
				wrong(fmt.Sprintf("%s/transitions/%d/event", path, j), "%q is no event of %s", t.Event, s.Type)
			}
			if _, there := d.state(t.Next); t.Next != "" && !there {
				wrong(fmt.Sprintf("%s/transitions/%d/next", path, j), "there is no state %q", t.Next)
			}
		}
		s.properties(w, func(name, message string) { wrong(path+"/properties/"+name, "%s", message) })
	}
	return d, flaws
}

func (s flowState) properties(w widget, wrong func(name, message string)) {
	for _, name := range strings.Fields(w.needs) {
		if value, there := s.Properties[name]; !there || value == "" {
			wrong(name, "is required")
		}
	}
	for name := range s.Properties {
		if !slices.Contains(strings.Fields(w.needs+" "+w.takes), name) {
			wrong(name, "is no property of "+s.Type)
		}
	}
	if text, ok := s.Properties["attributes"].(string); ok && s.Type == "send-to-flex" {
		if len(text) > 1024 || !json.Valid([]byte(text)) {
			wrong("attributes", "must be JSON of at most 1024 characters")
		}
	}
}

func (d definition) state(name string) (flowState, bool) {
	i := slices.IndexFunc(d.States, func(s flowState) bool { return s.Name == name })
	if i < 0 {
		return flowState{}, false
	}
	return d.States[i], true
}

// after is the state that follows an event, if any.
func (d definition) after(s flowState, event string) (flowState, bool) {
	for _, t := range s.Transitions {
		if t.Event == event && t.Next != "" {
			return d.state(t.Next)
		}
	}
	return flowState{}, false
}

func (s flowState) text(property string) string {
	text, _ := s.Properties[property].(string)
	return text
}
