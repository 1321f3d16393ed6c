package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"flexbridge/bridge/flex"
	"flexbridge/deploy"
)

// plan finds out what has to change so that the service can work.
func (s *setup) plan(ctx context.Context) error {
	if err := s.findService(ctx); err != nil {
		return err
	}
	if err := s.planRoute(ctx); err != nil {
		return err
	}
	if s.config.WebhookScope == "console" {
		return s.planWebhook(ctx)
	}
	return s.planNoWebhook(ctx)
}

// planRemoval finds out what setup made.
func (s *setup) planRemoval(ctx context.Context) error {
	if err := s.findService(ctx); err != nil {
		return err
	}
	flow, err := s.ownFlow(ctx)
	if err != nil && !errors.Is(err, errForeignFlow) {
		return err
	}
	if flow.SID != "" {
		s.noteEdits(flow, "deleted, too")
		s.change("delete the Studio flow "+flow.SID, func(ctx context.Context) error { return s.account.DeleteFlow(ctx, flow.SID) })
	}
	return s.planNoWebhook(ctx)
}

func (s *setup) change(what string, do func(context.Context) error) {
	s.changes = append(s.changes, change{what, do})
}

func (s *setup) findService(ctx context.Context) error {
	service, err := s.account.DefaultService(ctx)
	s.service = service.SID
	switch own := s.config.ServiceSID; {
	case err != nil:
		return err
	case service.Account != s.config.AccountSID:
		return fmt.Errorf("TWILIO_API_KEY is of the account %s, and not of TWILIO_ACCOUNT_SID", service.Account)
	case own != "" && own != s.service:
		return fmt.Errorf("TWILIO_SERVICE_SID is %s, but Flex works with the account's default conversation service only, which is %s: leave it empty", own, s.service)
	}
	return nil
}

// planRoute leads to the workflow that was chosen: by a flow, or as it is.
func (s *setup) planRoute(ctx context.Context) error {
	t, err := s.findTaskRouter(ctx)
	if err != nil {
		return err
	}
	if s.route == routeStudio {
		if s.config.interactions() {
			s.config.WorkspaceSID = "" // of the other route; beside a flow it stays
		}
		s.config.WorkflowSID = ""
		return s.planFlow(ctx, deploy.StudioFlow(t.workflow.SID, t.channel.SID))
	}
	if t.channel.UniqueName != flex.TaskChannel {
		return fmt.Errorf("the task channel %s cannot be used: interactions make their tasks in %q only", named(t.channel), flex.TaskChannel)
	}
	s.config.FlowSID, s.config.WorkspaceSID, s.config.WorkflowSID = "", t.workspace.SID, t.workflow.SID
	return nil
}

// taskRouter is where tasks are made.
type taskRouter struct{ workspace, workflow, channel flex.Named }

// findTaskRouter finds what was chosen.
func (s *setup) findTaskRouter(ctx context.Context) (t taskRouter, err error) {
	workspaces, err := s.account.Workspaces(ctx)
	if err != nil {
		return t, err
	}
	// Flex's own goes before others.
	if i := slices.IndexFunc(workspaces, func(w flex.Named) bool { return w.Name == flex.FlexWorkspace }); i >= 0 && s.workspace == "" {
		workspaces = workspaces[i : i+1]
	}
	if t.workspace, err = choose(workspaces, "workspace", s.workspace); err != nil {
		return t, err
	}
	workflows, err := s.account.Workflows(ctx, t.workspace.SID)
	if err != nil {
		return t, err
	}
	if t.workflow, err = choose(workflows, "workflow", s.workflow); err != nil {
		return t, err
	}
	channels, err := s.account.TaskChannels(ctx, t.workspace.SID)
	if err != nil {
		return t, err
	}
	if t.channel, err = choose(channels, "task-channel", s.taskChannel); err != nil {
		return t, err
	}
	s.say("found: account %s, conversation service %s", s.config.AccountSID, s.service)
	s.say("found: workspace %s, workflow %s, task channel %s", named(t.workspace), named(t.workflow), named(t.channel))
	return t, nil
}

func named(n flex.Named) string { return fmt.Sprintf("%q (%s)", n.Name, n.SID) }

// choose takes the one that was asked for, by SID or name, or the only one.
func choose(all []flex.Named, flag, wanted string) (flex.Named, error) {
	var fit []flex.Named
	var list strings.Builder
	for _, n := range all {
		if wanted == "" || wanted == n.SID || wanted == n.Name || wanted == n.UniqueName {
			fit = append(fit, n)
		}
		fmt.Fprintf(&list, "\n  %s  %s", n.SID, n.Name)
	}
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(all) == 0:
		return flex.Named{}, fmt.Errorf("the account has no %s: is it an account with Flex?", flag)
	case len(fit) == 0:
		return flex.Named{}, fmt.Errorf("there is no %s %q; say --%s with one of these:%s", flag, wanted, flag, &list)
	}
	return flex.Named{}, fmt.Errorf("there are several; say --%s with one of these:%s", flag, &list)
}

var errForeignFlow = errors.New("setup did not make it, so it stays as it is: rename it in Studio, or put its SID into TWILIO_FLOW_SID and do without setup")

// ownFlow is the flow that setup made before, or empty.
func (s *setup) ownFlow(ctx context.Context) (own flex.Flow, err error) {
	flows, err := s.account.Flows(ctx)
	if err != nil {
		return own, err
	}
	var foreign error
	for _, f := range flows {
		if f.Name != deploy.FlowName {
			continue
		}
		flow, err := s.account.Flow(ctx, f.SID)
		if err != nil {
			return own, err
		}
		switch description, _ := flow.Definition["description"].(string); {
		case !strings.HasPrefix(description, deploy.FlowMark):
			foreign = fmt.Errorf("there is a flow %q already, %s: %w", f.Name, f.SID, errForeignFlow)
		case own.SID != "":
			return own, fmt.Errorf("there are two flows that setup made, %s and %s: delete the one that is not in use", own.SID, f.SID)
		default:
			own = flow
		}
	}
	if own.SID != "" {
		return own, nil
	}
	return own, foreign
}

func (s *setup) planFlow(ctx context.Context, definition map[string]any) error {
	own, err := s.ownFlow(ctx)
	if err != nil {
		return err
	}
	s.config.FlowSID = own.SID
	if own.SID != "" && own.Published && own.Valid && holds(own.Definition, definition) {
		return nil
	}
	wanted := flex.Flow{SID: own.SID, Name: deploy.FlowName, Definition: definition}
	if err := s.account.ValidateFlow(ctx, wanted); err != nil {
		return err
	}
	what := fmt.Sprintf("create and publish a Studio flow %q", wanted.Name)
	if own.SID != "" {
		what = fmt.Sprintf("change and publish the Studio flow %q (%s)", wanted.Name, own.SID)
		s.noteEdits(own, "overwritten")
	}
	s.change(what, func(ctx context.Context) error {
		saved, err := s.account.SaveFlow(ctx, wanted)
		s.config.FlowSID = saved.SID
		return err
	})
	return nil
}

// noteEdits tells of what somebody did in Studio to a flow that setup made. Another
// workflow or task channel is nothing that would be missed.
func (s *setup) noteEdits(own flex.Flow, become string) {
	workflow, channel, _ := own.SendsToFlex()
	if !holds(own.Definition, deploy.StudioFlow(workflow, channel)) {
		s.lost = append(s.lost, fmt.Sprintf("the flow %s is not as setup makes it: what was changed in Studio would be %s. "+
			"To keep it, copy the flow under another name, and put the copy's SID into TWILIO_FLOW_SID", own.SID, become))
	}
}

// holds reports whether all of want stands in have, which may hold more: Studio
// is free to add to what it keeps.
func holds(have, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := have.(map[string]any)
		for name, value := range want {
			ok = ok && holds(have[name], value)
		}
		return ok
	case []any:
		have, ok := have.([]any)
		if !ok || len(have) != len(want) {
			return false
		}
		for i := range want {
			ok = ok && holds(have[i], want[i])
		}
		return ok
	}
	return have == want
}
