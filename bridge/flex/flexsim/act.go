package flexsim

import (
	"encoding/json"
	"slices"
	"time"
)

// actor is who does something, which decides what its webhooks say and whether
// there are any.
type actor struct {
	source   string // SDK or API; empty fires no webhooks
	identity string // of an SDK's user
}

var quiet actor

// The limits of "Conversations Limits" (twilio.com/docs/conversations/conversations-limits).
const (
	maxBody                   = 32 << 10
	maxAttributes             = 4 << 10
	maxConversationAttributes = 16 << 10
)

// What follows changes a conversation and fires the webhooks. It is called with
// the mutex held.

// say adds a message whose text, author, attributes and media are given.
func (s *Sim) say(c *Conversation, m Message, by actor) (Message, *problem) {
	if c.State == Closed {
		return Message{}, problemClosed
	}
	if m.Text == "" && len(m.Media) == 0 {
		return Message{}, problemBodyEmpty
	}
	if len(m.Text) > maxBody {
		return Message{}, problemBodyTooLong
	}
	attributes, p := checked(m.Attributes, maxAttributes)
	if p != nil {
		return Message{}, p
	}
	m.SID, m.Conversation, m.Index = s.sid("IM"), c.SID, c.next
	m.Attributes, m.Created = attributes, now()
	m.Media = slices.Clone(m.Media)
	for i := range m.Media {
		m.Media[i].SID = s.sid("ME")
	}
	if i := c.participant(m.Author); i >= 0 {
		m.Participant = c.Participants[i].SID
	}
	c.next++
	c.Messages = append(c.Messages, m)
	if c.State == Inactive {
		s.become(c, Active, "EVENT", by)
		s.returned(c, m.Author, by)
	}
	if s.config.OnMessage != nil {
		s.start(func() { s.config.OnMessage(s.ctx, m) })
	}
	s.fire(c, messageAdded(m), by)
	s.note()
	return m, nil
}

func (s *Sim) join(c *Conversation, identity, attributes string, by actor) (Participant, *problem) {
	if c.State == Closed {
		return Participant{}, problemClosed
	}
	if c.participant(identity) >= 0 {
		return Participant{}, problemIsIn
	}
	attributes, p := checked(attributes, maxAttributes)
	if p != nil {
		return Participant{}, p
	}
	at := now()
	added := Participant{SID: s.sid("MB"), Identity: identity, Attributes: attributes, Created: at, Updated: at}
	c.Participants = append(c.Participants, added)
	s.fire(c, participantAdded(c, added), by)
	s.note()
	return added, nil
}

// leave removes the participant with the identity or SID.
func (s *Sim) leave(c *Conversation, name string, by actor) *problem {
	i := c.participant(name)
	if i < 0 {
		return problemNoParticipant
	}
	gone := c.Participants[i]
	c.Participants = slices.Delete(c.Participants, i, i+1)
	s.fire(c, participantRemoved(c, gone), by)
	s.note()
	return nil
}

// become changes the state. A state that is there already is no change, and closed
// is final, whatever agents do afterwards.
func (s *Sim) become(c *Conversation, state, reason string, by actor) {
	if state == c.State || c.State == Closed {
		return
	}
	from := c.State
	c.State, c.Updated = state, now()
	s.fire(c, s.stateUpdated(c, from, reason), by)
	s.note()
}

func (s *Sim) remove(c *Conversation, by actor) {
	delete(s.byName, c.SID)
	delete(s.byName, c.UniqueName)
	s.conversations = slices.DeleteFunc(s.conversations, func(d *Conversation) bool { return d == c })
	s.fire(c, s.conversationRemoved(c), by)
	s.note()
}

// checked returns the attributes to keep.
func checked(attributes string, limit int) (string, *problem) {
	switch {
	case attributes == "":
		return "{}", nil
	case !json.Valid([]byte(attributes)):
		return "", invalid("Attributes is not JSON")
	case len(attributes) > limit:
		return "", problemAttributes
	}
	return attributes, nil
}

func now() time.Time { return time.Now().UTC() }
