package flexsim

import (
	"encoding/json"
	"net/url"
	"strconv"
	"time"
)

// event is what a webhook tells: the parameters of the tables in "Conversations
// Webhooks" (twilio.com/docs/conversations/conversations-webhooks), without the
// common ones.
type event struct {
	name   string
	params url.Values
}

// SIDs that every conversation has and nobody looks at.
const (
	messagingServiceSID = "MG00000000000000000000000000000001"
	roleSID             = "RL00000000000000000000000000000001"
)

func newEvent(name string, pairs ...string) event {
	params := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		params.Set(pairs[i], pairs[i+1])
	}
	return event{name, params}
}

// optional adds parameters that are left out when empty.
func (e event) optional(pairs ...string) event {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			e.params.Set(pairs[i], pairs[i+1])
		}
	}
	return e
}

func messageAdded(m Message) event {
	return newEvent("onMessageAdded",
		"ConversationSid", m.Conversation,
		"MessageSid", m.SID,
		"MessagingServiceSid", messagingServiceSID,
		"Index", strconv.Itoa(m.Index),
		"DateCreated", hookTime(m.Created),
		"Author", m.Author,
		"Attributes", m.Attributes,
	).optional("Body", m.Text, "ParticipantSid", m.Participant, "Media", hookMedia(m.Media))
}

// hookMedia is in Pascal case, unlike the REST API's.
func hookMedia(media []Media) string {
	if len(media) == 0 {
		return ""
	}
	type file struct {
		Sid, ContentType, Filename string
		Size                       int64
	}
	var files []file
	for _, m := range media {
		files = append(files, file{Sid: m.SID, ContentType: m.Type, Filename: m.Name, Size: m.Size})
	}
	text, err := json.Marshal(files)
	if err != nil {
		panic(err) // strings and numbers have a JSON form
	}
	return string(text)
}

func participantAdded(c *Conversation, p Participant) event {
	return newEvent("onParticipantAdded",
		"ConversationSid", c.SID,
		"ParticipantSid", p.SID,
		"DateCreated", hookTime(p.Created),
		"Identity", p.Identity,
		"RoleSid", roleSID,
		"Attributes", p.Attributes,
		"MessagingBinding.Type", "CHAT",
	)
}

func participantRemoved(c *Conversation, p Participant) event {
	e := participantAdded(c, p)
	e.name = "onParticipantRemoved"
	return e.optional("DateUpdated", hookTime(p.Updated), "DateRemoved", hookTime(now()))
}

func (s *Sim) stateUpdated(c *Conversation, from, reason string) event {
	return newEvent("onConversationStateUpdated",
		"ChatServiceSid", s.config.ServiceSID,
		"ConversationSid", c.SID,
		"StateUpdated", hookTime(c.Updated),
		"StateFrom", from,
		"StateTo", c.State,
		"Reason", reason,
		"MessagingServiceSid", messagingServiceSID,
	)
}

func (s *Sim) conversationUpdated(c *Conversation) event {
	return newEvent("onConversationUpdated",
		"ConversationSid", c.SID,
		"DateCreated", hookTime(c.Created),
		"DateUpdated", hookTime(c.Updated),
		"Attributes", c.Attributes,
		"ChatServiceSid", s.config.ServiceSID,
		"MessagingServiceSid", messagingServiceSID,
		"State", c.State,
	).optional("FriendlyName", c.FriendlyName, "UniqueName", c.UniqueName)
}

func (s *Sim) conversationAdded(c *Conversation) event {
	e := s.conversationUpdated(c)
	e.name = "onConversationAdded"
	return e
}

func (s *Sim) conversationRemoved(c *Conversation) event {
	e := s.conversationUpdated(c)
	e.name = "onConversationRemoved"
	return e.optional("DateRemoved", hookTime(now()))
}

// hookTime has milliseconds, unlike the REST API's.
func hookTime(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }
