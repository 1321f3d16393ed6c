package flex

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"

	"github.com/twilio/twilio-go/client"
	studio "github.com/twilio/twilio-go/rest/studio/v2"
)

// Flow is a Studio flow ("Flow resource", twilio.com/docs/studio/rest-api/v2/flow).
type Flow struct {
	SID, Name  string
	Published  bool // its newest revision; a draft does not run
	Valid      bool
	Definition map[string]any
}

// Flow fetches the newest revision of a flow, with its definition.
func (a *Account) Flow(ctx context.Context, sid string) (Flow, error) {
	return read(ctx, a.desk, opAccount, "fetching "+sid, func(t *trip) (Flow, error) {
		f, err := studio.NewApiService(t.handler).FetchFlow(url.PathEscape(sid))
		if err != nil {
			return Flow{}, err
		}
		return flowOf(f), nil
	})
}

// RunningFlow fetches the revision of a flow that runs, which was published last,
// whatever drafts have come since ("Flow Revision resource",
// twilio.com/docs/studio/rest-api/v2/flow-revision). ErrGone when there is none.
func (a *Account) RunningFlow(ctx context.Context, sid string) (Flow, error) {
	return read(ctx, a.desk, opAccount, "fetching what runs of "+sid, func(t *trip) (Flow, error) {
		f, err := studio.NewApiService(t.handler).FetchFlowRevision(url.PathEscape(sid), "LatestPublished")
		if err != nil {
			return Flow{}, err
		}
		return flowOf(&studio.StudioV2Flow{
			Sid: f.Sid, FriendlyName: f.FriendlyName, Definition: f.Definition, Status: f.Status, Valid: f.Valid,
		}), nil
	})
}

func flowOf(f *studio.StudioV2Flow) Flow {
	definition, _ := value(f.Definition).(map[string]any)
	return Flow{
		SID: value(f.Sid), Name: value(f.FriendlyName), Definition: definition,
		Published: value(f.Status) == published, Valid: value(f.Valid),
	}
}

const published = "published"

var errFlow = errors.New("validating the flow: Studio does not take it, and does not say why")

// ValidateFlow asks Studio whether it would publish the flow, which changes
// nothing. The error of one that it would not says why.
func (a *Account) ValidateFlow(ctx context.Context, f Flow) error {
	params := new(studio.UpdateFlowValidateParams).
		SetFriendlyName(f.Name).SetStatus(published).SetDefinition(f.Definition)
	v, err := read(ctx, a.desk, opAccount, "validating the flow", func(t *trip) (*studio.StudioV2FlowValidate, error) {
		v, err := studio.NewApiService(t.handler).UpdateFlowValidate(params)
		var said *client.TwilioRestError
		if errors.As(err, &said) && len(said.Details) > 0 {
			details, _ := json.Marshal(said.Details)
			said.Message += " " + string(details) // which would be lost
		}
		return v, err
	})
	if err == nil && !value(v.Valid) {
		err = errFlow
	}
	return err
}

// SaveFlow makes the flow, or changes it if it has a SID, publishes it, and
// returns it as it is then.
func (a *Account) SaveFlow(ctx context.Context, f Flow) (Flow, error) {
	const note = "by flexbridge setup"
	return write(ctx, a.desk, opAccount, "saving the flow", func(t *trip) (Flow, error) {
		api := studio.NewApiService(t.handler)
		var saved *studio.StudioV2Flow
		var err error
		if f.SID == "" {
			saved, err = api.CreateFlow(new(studio.CreateFlowParams).SetFriendlyName(f.Name).
				SetStatus(published).SetDefinition(f.Definition).SetCommitMessage(note))
		} else {
			saved, err = api.UpdateFlow(url.PathEscape(f.SID), new(studio.UpdateFlowParams).SetFriendlyName(f.Name).
				SetStatus(published).SetDefinition(f.Definition).SetCommitMessage(note))
		}
		if err == nil && value(saved.Sid) == "" {
			err = errIncomplete
		}
		if err != nil {
			return Flow{}, err
		}
		return flowOf(saved), nil
	})
}

// DeleteFlow deletes a flow.
func (a *Account) DeleteFlow(ctx context.Context, sid string) error {
	_, err := write(ctx, a.desk, opAccount, "deleting "+sid, func(t *trip) (struct{}, error) {
		return struct{}{}, studio.NewApiService(t.handler).DeleteFlow(url.PathEscape(sid))
	})
	return err
}

// SendsToFlex finds what an incoming conversation comes to: the workflow and the
// task channel of the Send to Flex widget that the trigger leads to. It is false
// when there is none.
func (f Flow) SendsToFlex() (workflow, taskChannel string, ok bool) {
	states := make(map[string]map[string]any)
	list, _ := f.Definition["states"].([]any)
	for _, item := range list {
		if state, isMap := item.(map[string]any); isMap {
			name, _ := state["name"].(string)
			states[name] = state
		}
	}
	start, _ := f.Definition["initial_state"].(string)
	open, seen := following(states[start], "incomingConversationMessage"), map[string]bool{}
	for len(open) > 0 {
		name := open[0]
		open = open[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		if states[name]["type"] == "send-to-flex" {
			properties, _ := states[name]["properties"].(map[string]any)
			workflow, _ = properties["workflow"].(string)
			taskChannel, _ = properties["channel"].(string)
			return workflow, taskChannel, true
		}
		open = append(open, following(states[name], "")...)
	}
	return "", "", false
}

// following are the states after one, on an event or, if that is empty, on any.
func following(state map[string]any, event string) (names []string) {
	transitions, _ := state["transitions"].([]any)
	for _, item := range transitions {
		t, _ := item.(map[string]any)
		next, _ := t["next"].(string)
		if next != "" && (event == "" || t["event"] == event) {
			names = append(names, next)
		}
	}
	return names
}
