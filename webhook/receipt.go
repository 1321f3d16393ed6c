package webhook

import (
	"net/url"
	"slices"

	"flexbridge/bridge"
)

// Receipt is what can be told of a request.
type Receipt struct {
	Outcome Outcome
	// Type is Twilio's EventType if it is one that Twilio documents, or else
	// [OtherType]; so it is when the request was not read that far.
	Type string
	// Conversation and Message are the SIDs of an event, and otherwise empty. Under
	// [Config.Observe] it may be anybody's.
	Conversation, Message string
}

// OtherType stands for every EventType that Twilio's page "Conversations Webhooks"
// does not have among those that are sent after the fact.
const OtherType = "other"

var types = []string{
	onMessageAdded, onParticipantAdded, onParticipantRemoved, onConversationStateUpdated,
	"onConversationAdded", "onConversationRemoved", "onConversationUpdated", "onDeliveryUpdated",
	"onMessageRemoved", "onMessageUpdated", "onParticipantUpdated", "onUserAdded", "onUserUpdated",
}

func typeOf(form url.Values) string {
	if t := form.Get(eventType); slices.Contains(types, t) {
		return t
	}
	return OtherType
}

func (r *Receipt) of(e bridge.Event) {
	r.Conversation = e.Conversation
	if e.Message != nil {
		r.Message = e.Message.SID
	}
}
