package flex

import (
	"context"
	"net/url"

	twilio "github.com/twilio/twilio-go/rest/conversations/v1"

	"flexbridge/bridge"
)

// The targets and events of a conversation's webhooks, see "Conversation Scoped
// Webhook Resource"
// (twilio.com/docs/conversations/api/conversation-scoped-webhook-resource).
const (
	targetWebhook  = "webhook"
	targetStudio   = "studio"
	onMessageAdded = "onMessageAdded"
	// hookPage is the longest page, and a conversation has no more of them.
	hookPage = 5
)

// Hook attaches our webhook, as bridge.Desk says.
func (d *Desk) Hook(ctx context.Context, conversation string) error {
	if d.config.ConsoleScope {
		return nil
	}
	return d.attach(ctx, opHook, conversation, new(twilio.CreateConversationScopedWebhookParams).
		SetTarget(targetWebhook).
		SetConfigurationUrl(d.hookURL(conversation)).
		SetConfigurationMethod("post").
		SetConfigurationFilters(Events()))
}

// Events are those that our webhook has to be told.
func Events() []string {
	return []string{onMessageAdded, "onConversationStateUpdated", "onParticipantAdded", "onParticipantRemoved"}
}

func (d *Desk) hookURL(conversation string) string {
	return d.config.Keys.HookURL(d.config.WebhookURL, conversation)
}

// Route attaches the Studio flow, or makes an Interaction, as bridge.Desk says. The
// flow starts on the next message that fires webhooks; it finds what that is about in
// the conversation.
func (d *Desk) Route(ctx context.Context, conversation string, about bridge.About) error {
	if d.config.FlowSID == "" {
		return d.interact(ctx, conversation, about)
	}
	return d.attach(ctx, opRoute, conversation, new(twilio.CreateConversationScopedWebhookParams).
		SetTarget(targetStudio).
		SetConfigurationFlowSid(d.config.FlowSID).
		SetConfigurationFilters([]string{onMessageAdded}))
}

func (d *Desk) attach(ctx context.Context, op Operation, conversation string, params *twilio.CreateConversationScopedWebhookParams) error {
	_, err := write(ctx, d, op, "attaching a "+*params.Target+" hook to "+conversation,
		func(t *trip) (*twilio.ConversationsV1ConversationScopedWebhook, error) {
			return t.api.CreateConversationScopedWebhook(url.PathEscape(conversation), params)
		})
	return err
}

// Hooks tells what was done, as bridge.Desk says. On the Interactions route it asks
// TaskRouter, too.
func (d *Desk) Hooks(ctx context.Context, conversation string) (hooked, routed bool, err error) {
	hooked, routed, err = d.attached(ctx, conversation)
	if err != nil || d.config.FlowSID != "" {
		return hooked, routed, err
	}
	tasks, err := d.tasks(ctx, conversation)
	if err != nil {
		return false, false, err
	}
	return hooked, served(tasks), nil
}

// attached tells which hooks of ours there are.
func (d *Desk) attached(ctx context.Context, conversation string) (hooked, routed bool, err error) {
	page, err := read(ctx, d, opHooks, "listing the hooks of "+conversation,
		func(t *trip) (*twilio.ListConversationScopedWebhookResponse, error) {
			params := new(twilio.ListConversationScopedWebhookParams).SetPageSize(hookPage)
			return t.api.PageConversationScopedWebhook(url.PathEscape(conversation), params, "", "")
		})
	if err != nil {
		return false, false, err
	}
	hooked = d.config.ConsoleScope
	for _, hook := range page.Webhooks {
		configuration, _ := value(hook.Configuration).(map[string]any)
		switch value(hook.Target) {
		case targetWebhook:
			hooked = hooked || configuration["url"] == d.hookURL(conversation)
		case targetStudio:
			routed = routed || configuration["flow_sid"] == d.config.FlowSID
		}
	}
	return hooked, routed, nil
}
