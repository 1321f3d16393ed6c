package main

import (
	"context"
	"slices"

	"flexbridge/bridge/flex"
)

// workflow finds out whether a task can be made where the route leads.
func (d *doctor) workflow(ctx context.Context) finding {
	return d.rest(func(a *flex.Account) finding {
		workspaces, err := a.Workspaces(ctx)
		if err != nil {
			return failed(err)
		}
		if d.config.interactions() {
			return d.workflowOfConfig(ctx, a, workspaces)
		}
		return d.workflowOfFlow(ctx, a, workspaces)
	})
}

// workflowOfFlow looks for what the flow names, which it does without a workspace.
func (d *doctor) workflowOfFlow(ctx context.Context, a *flex.Account, workspaces []flex.Named) finding {
	const repair = "choose another in the flow, or run flexbridge setup"
	workflow, channel, _ := d.flow.SendsToFlex()
	for _, w := range workspaces {
		all, err := a.Workflows(ctx, w.SID)
		if err != nil {
			return failed(err)
		}
		if !listed(all, workflow) {
			continue
		}
		channels, err := a.TaskChannels(ctx, w.SID)
		switch own := d.config.WorkspaceSID; {
		case err != nil:
			return failed(err)
		case own != "" && own != w.SID:
			return bad("set TWILIO_WORKSPACE_SID="+w.SID, "the flow's tasks are made in workspace %q (%s), and TWILIO_WORKSPACE_SID is %s", w.Name, w.SID, own)
		case !listed(channels, channel):
			return bad(repair, "the flow's task channel %s is not in workspace %q", channel, w.Name)
		}
		return ok("%s in workspace %q, task channel %s", workflow, w.Name, channel)
	}
	return bad(repair, "the flow's workflow %s does not exist", workflow)
}

// workflowOfConfig looks for what the environment names.
func (d *doctor) workflowOfConfig(ctx context.Context, a *flex.Account, workspaces []flex.Named) finding {
	const repair = "run flexbridge setup --route interactions, and set what it prints"
	workspace, workflow := d.config.WorkspaceSID, d.config.WorkflowSID
	i := slices.IndexFunc(workspaces, func(w flex.Named) bool { return w.SID == workspace })
	if i < 0 {
		return bad(repair, "the workspace %s does not exist", workspace)
	}
	name := workspaces[i].Name
	if name != flex.FlexWorkspace && slices.ContainsFunc(workspaces, func(w flex.Named) bool { return w.Name == flex.FlexWorkspace }) {
		return bad(repair, "the workspace %q (%s) is not Flex's own, which is %q", name, workspace, flex.FlexWorkspace)
	}
	all, err := a.Workflows(ctx, workspace)
	switch {
	case err != nil:
		return failed(err)
	case !listed(all, workflow):
		return bad(repair, "the workflow %s is not in workspace %q", workflow, name)
	}
	channels, err := a.TaskChannels(ctx, workspace)
	switch {
	case err != nil:
		return failed(err)
	case !listed(channels, flex.TaskChannel):
		return bad("make one of this unique name in TaskRouter: tasks of chats are made in it", "workspace %q has no task channel %q", name, flex.TaskChannel)
	}
	return ok("%s in workspace %q, task channel %s", workflow, name, flex.TaskChannel)
}

// tasksAndWorkers finds out whether the service can see what becomes of a task, and
// who could take it.
func (d *doctor) tasksAndWorkers(ctx context.Context) finding {
	workspace := d.config.WorkspaceSID
	if workspace == "" {
		return ok("not looked at by the service: TWILIO_WORKSPACE_SID is empty")
	}
	return d.rest(func(a *flex.Account) finding {
		if err := a.ListsTasks(ctx, workspace); err != nil {
			return failed(err)
		}
		if !d.config.TellShift {
			return ok("tasks can be listed")
		}
		switch on, err := a.OnShift(ctx, workspace); {
		case err != nil:
			return failed(err)
		case on:
			return ok("both can be listed; somebody is available")
		}
		return ok("both can be listed; nobody is available at present")
	})
}

// listed reports whether a resource is there, by its SID or its unique name.
func listed(all []flex.Named, resource string) bool {
	return slices.ContainsFunc(all, func(n flex.Named) bool { return n.SID == resource || n.UniqueName == resource })
}
