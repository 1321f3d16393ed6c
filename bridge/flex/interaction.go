package flex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	twilio "github.com/twilio/twilio-go/rest/conversations/v1"
	interactions "github.com/twilio/twilio-go/rest/flex/v1"
	taskrouter "github.com/twilio/twilio-go/rest/taskrouter/v1"

	"flexbridge/bridge"
)

// TaskChannel is the unique name of the task channel for chats, which every Flex
// workspace has. Interactions make their tasks there.
const TaskChannel = "chat"

const (
	// canceled is the state of a task that nobody took in time, or that was called off.
	canceled = "canceled"
	// taskPage is the usual page of tasks; lists of tasks have no further ones
	// ("Task Resource", twilio.com/docs/taskrouter/api/task).
	taskPage = 50
	// raising is how long after a message, which may have opened the conversation, a
	// task may still be to come.
	raising = time.Minute
)

// interact hands the conversation over to agents by an Interaction, which makes a
// task ("Interactions Resource",
// twilio.com/docs/flex/developer/conversations/interactions-api/interactions).
// Success says only that Flex has accepted it: the task comes a little later.
func (d *Desk) interact(ctx context.Context, conversation string, about bridge.About) error {
	params := new(interactions.CreateInteractionParams).
		SetChannel(map[string]any{
			"type":         "web",
			"initiated_by": "customer",
			"properties":   map[string]any{"media_channel_sid": conversation},
		}).
		SetRouting(map[string]any{"properties": map[string]any{
			"workspace_sid":            d.config.WorkspaceSID,
			"workflow_sid":             d.config.WorkflowSID,
			"task_channel_unique_name": TaskChannel,
			// As Send to Flex sets them, but nothing here tells who the customer is.
			"attributes": map[string]any{
				"channelType":     "web",
				"conversationSid": conversation,
				"customerName":    d.config.CustomerName,
				"flexbridge":      aboutAttributes(about),
				"from":            d.config.CustomerName,
				"name":            d.config.CustomerName,
			},
		}})
	_, err := write(ctx, d, opRoute, "creating an interaction of "+conversation, func(t *trip) (*interactions.FlexV1Interaction, error) {
		made, err := interactions.NewApiService(t.handler).CreateInteraction(params)
		if err == nil && value(made.Sid) == "" {
			err = errIncomplete
		}
		return made, err
	})
	return withoutFlex(err)
}

// tasks are the states of the tasks made for the conversation. TaskRouter forgets
// a task five minutes after it was completed or canceled ("Lifecycle of a Task:
// Task State", twilio.com/docs/taskrouter/lifecycle-task-state).
func (d *Desk) tasks(ctx context.Context, conversation string) ([]string, error) {
	params := new(taskrouter.ListTaskParams).
		SetEvaluateTaskAttributes(fmt.Sprintf("conversationSid == %q", conversation)).
		SetPageSize(taskPage)
	page, err := read(ctx, d, opTasks, "listing the tasks of "+conversation, func(t *trip) (*taskrouter.ListTaskResponse, error) {
		page, err := taskrouter.NewApiService(t.handler).PageTask(url.PathEscape(d.config.WorkspaceSID), params, "", "")
		if err == nil && page.Tasks == nil {
			err = errIncomplete // which is not the same as none
		}
		return page, err
	})
	if err != nil {
		return nil, withoutFlex(err)
	}
	var states []string
	for _, task := range page.Tasks {
		states = append(states, value(task.AssignmentStatus))
	}
	return states, nil
}

// served reports whether one of the tasks is not canceled. One that is completed
// counts: its agent left, and Flex makes another when the customer writes again.
func served(tasks []string) bool {
	return slices.ContainsFunc(tasks, func(state string) bool { return state != canceled })
}

// Abandoned asks TaskRouter, as bridge.Desk says. Without a workspace it is false
// without a call. On the Studio route Send to Flex makes the interaction, and that
// there is no task proves nothing: the flow may still be talking.
func (d *Desk) Abandoned(ctx context.Context, conversation string) (bool, error) {
	if d.config.WorkspaceSID == "" {
		return false, nil
	}
	tasks, err := d.tasks(ctx, conversation)
	if err != nil || len(tasks) > 0 || d.config.FlowSID != "" {
		return err == nil && len(tasks) > 0 && !served(tasks), err
	}
	// Forgotten, never made, or still to come. In one that is inactive the customer's
	// next message may make a task.
	open, err := read(ctx, d, opState, "fetching "+conversation, func(t *trip) (bool, error) {
		c, err := t.api.FetchConversation(url.PathEscape(conversation))
		if err != nil {
			return false, err
		}
		return value(c.State) == active, nil
	})
	if err != nil || !open {
		return false, err
	}
	return d.quiet(ctx, conversation)
}

// quiet reports whether the conversation's last message is so old that a task would
// have come since, by Twilio's own clock. Without any, none was to come.
func (d *Desk) quiet(ctx context.Context, conversation string) (bool, error) {
	params := new(twilio.ListConversationMessageParams).SetOrder("desc").SetPageSize(1)
	return read(ctx, d, opLook, "listing the last message of "+conversation, func(t *trip) (bool, error) {
		page, err := t.api.PageConversationMessage(url.PathEscape(conversation), params, "", "")
		if err != nil || len(page.Messages) == 0 {
			return false, err
		}
		now, err := http.ParseTime(t.header.Get("Date"))
		if err != nil || page.Messages[0].DateCreated == nil {
			return false, errIncomplete
		}
		return now.Sub(*page.Messages[0].DateCreated) > raising, nil
	})
}

// OnShift reports whether a worker of the workspace is in an activity that makes
// it available, whatever its queue ("Worker Resource",
// twilio.com/docs/taskrouter/api/worker). Without TellShift it is true without a call.
func (d *Desk) OnShift(ctx context.Context) (bool, error) {
	if !d.config.TellShift {
		return true, nil
	}
	on, err := d.available(ctx, d.config.WorkspaceSID)
	return on, withoutFlex(err)
}

// available reports whether a worker of a workspace is.
func (d *Desk) available(ctx context.Context, workspace string) (bool, error) {
	params := new(taskrouter.ListWorkerParams).SetAvailable("true").SetPageSize(1)
	return read(ctx, d, opShift, "listing the available workers", func(t *trip) (bool, error) {
		page, err := taskrouter.NewApiService(t.handler).PageWorker(url.PathEscape(workspace), params, "", "")
		if err == nil && page.Workers == nil {
			err = errIncomplete // which is not the same as none
		}
		return err == nil && len(page.Workers) > 0, err
	})
}

// withoutFlex corrects the meaning of a 404 to calls that are not about a
// conversation alone: Flex may not know the workspace or the workflow.
func withoutFlex(err error) error {
	if !errors.Is(err, bridge.ErrGone) {
		return err
	}
	return fmt.Errorf("%w: Flex does not know the workspace, the workflow or the conversation: %v", bridge.ErrDeskRefused, err)
}
