package flex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	twilio "github.com/twilio/twilio-go/rest/conversations/v1"

	"flexbridge/bridge"
)

const (
	// participantPage is the longest page of ParticipantConversations.
	participantPage = 50
	active          = "active"
	closed          = "closed"
	// enabled makes an action of ours fire webhooks; without the header it fires
	// none ("Conversations Webhooks",
	// twilio.com/docs/conversations/conversations-webhooks).
	enabled = "true"
)

// uniqueName is the only thing that keeps two openers from making two
// conversations of one generation.
func uniqueName(c bridge.Customer, generation int) string {
	return c.Identity() + "-" + strconv.Itoa(generation)
}

var generationForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})$`)

// generationOf undoes uniqueName, and is false for any other name.
func generationOf(name string, c bridge.Customer) (int, bool) {
	digits, ok := strings.CutPrefix(name, c.Identity()+"-")
	if !ok || !generationForm.MatchString(digits) {
		return 0, false
	}
	generation, _ := strconv.Atoi(digits)
	return generation, true
}

// Find lists the customer's conversations, as bridge.Desk says.
func (d *Desk) Find(ctx context.Context, c bridge.Customer) ([]bridge.Found, error) {
	type list = twilio.ListParticipantConversationResponse
	what := "finding conversations of " + c.Identity()
	params := new(twilio.ListParticipantConversationParams).SetIdentity(c.Identity()).SetPageSize(participantPage)
	page, err := read(ctx, d, opFind, what, func(t *trip) (*list, error) {
		return t.api.PageParticipantConversation(params, "", "")
	})
	var found []bridge.Found
	for err == nil {
		for _, p := range page.Conversations {
			generation, ours := generationOf(value(p.ConversationUniqueName), c)
			if ours && value(p.ConversationSid) != "" {
				found = append(found, bridge.Found{
					Conversation: *p.ConversationSid,
					Generation:   generation,
					Closed:       value(p.ConversationState) == closed,
				})
			}
		}
		nextURL := value(page.Meta.NextPageUrl)
		if nextURL == "" {
			return found, nil
		}
		page, err = read(ctx, d, opFind, what, func(t *trip) (*list, error) { return next[list](t, nextURL) })
	}
	return nil, withoutService(err)
}

// Create makes a conversation, as bridge.Desk says. No webhook is to fire for
// it: there is none yet.
func (d *Desk) Create(ctx context.Context, c bridge.Customer, generation int, about bridge.About) (string, error) {
	params := new(twilio.CreateConversationParams).
		SetUniqueName(uniqueName(c, generation)).
		SetFriendlyName(d.config.CustomerName).
		SetAttributes(d.conversationAttributes(c, generation, about)).
		SetState(active) // without it a timer is refused: twilio.com/docs/api/errors/50382
	if d.config.InactiveAfter > 0 {
		params.SetTimersInactive(iso8601(d.config.InactiveAfter))
	}
	if d.config.ClosedAfter > 0 {
		params.SetTimersClosed(iso8601(d.config.ClosedAfter))
	}
	sid, err := write(ctx, d, opOpen, "creating "+uniqueName(c, generation), func(t *trip) (string, error) {
		made, err := t.api.CreateConversation(params)
		if err == nil && value(made.Sid) == "" {
			err = errIncomplete
		}
		if err != nil {
			return "", err
		}
		return *made.Sid, nil
	})
	return sid, withoutService(err)
}

// conversationAttributes can be used by the Studio flow, as
// trigger.conversation.ChannelAttributes; Flex shows pre_engagement_data's
// friendlyName as the customer's name ("Send to Flex",
// twilio.com/docs/studio/widget-library/send-flex).
func (d *Desk) conversationAttributes(c bridge.Customer, generation int, about bridge.About) string {
	ours := aboutAttributes(about)
	ours["customer"], ours["generation"] = c, generation
	text, err := json.Marshal(map[string]any{
		"flexbridge":          ours,
		"pre_engagement_data": map[string]any{"friendlyName": d.config.CustomerName},
	})
	if err != nil {
		panic(err) // strings and numbers have a JSON form
	}
	return string(text)
}

// aboutAttributes are those of conversations and tasks under the name flexbridge. All
// are there, so that flows and workflows need not ask whether they are.
func aboutAttributes(about bridge.About) map[string]any {
	context := about.Context
	if context == nil {
		context = map[string]string{}
	}
	return map[string]any{"channel": about.Channel, "locale": about.Locale, "context": context}
}

// Fetch finds a conversation by its generation, as bridge.Desk says.
func (d *Desk) Fetch(ctx context.Context, c bridge.Customer, generation int) (bridge.Found, error) {
	found, err := d.fetch(ctx, uniqueName(c, generation))
	found.Generation = generation
	return found, err
}

// State tells whether the conversation is closed, as bridge.Desk says.
func (d *Desk) State(ctx context.Context, conversation string) (bool, error) {
	found, err := d.fetch(ctx, conversation)
	return found.Closed, err
}

// fetch takes a SID or a unique name.
func (d *Desk) fetch(ctx context.Context, name string) (bridge.Found, error) {
	return read(ctx, d, opState, "fetching "+name, func(t *trip) (bridge.Found, error) {
		c, err := t.api.FetchConversation(url.PathEscape(name))
		if err == nil && (value(c.Sid) == "" || value(c.State) == "") {
			err = errIncomplete
		}
		if err != nil {
			return bridge.Found{}, err
		}
		return bridge.Found{Conversation: *c.Sid, Closed: *c.State == closed}, nil
	})
}

// Join adds the customer, as bridge.Desk says.
func (d *Desk) Join(ctx context.Context, conversation string, c bridge.Customer) error {
	params := new(twilio.CreateConversationParticipantParams).SetIdentity(c.Identity())
	_, err := write(ctx, d, opJoin, fmt.Sprintf("adding %s to %s", c.Identity(), conversation),
		func(t *trip) (*twilio.ConversationsV1ConversationParticipant, error) {
			return t.api.CreateConversationParticipant(url.PathEscape(conversation), params)
		})
	if errors.Is(err, errIsIn) {
		return nil
	}
	return err
}

// Close closes the conversation, as bridge.Desk says.
func (d *Desk) Close(ctx context.Context, conversation string) error {
	params := new(twilio.UpdateConversationParams).SetState(closed).SetXTwilioWebhookEnabled(enabled)
	_, err := write(ctx, d, opClose, "closing "+conversation, func(t *trip) (*twilio.ConversationsV1Conversation, error) {
		return t.api.UpdateConversation(url.PathEscape(conversation), params)
	})
	if errors.Is(err, bridge.ErrClosed) || errors.Is(err, bridge.ErrGone) {
		return nil
	}
	return err
}

// value is what p points to; twilio-go's fields are nil when absent.
func value[T any](p *T) T {
	if p == nil {
		var none T
		return none
	}
	return *p
}
