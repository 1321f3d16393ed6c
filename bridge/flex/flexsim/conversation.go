package flexsim

import (
	"cmp"
	"regexp"
	"slices"
	"unicode/utf8"
)

var sidForm = regexp.MustCompile(`^CH[0-9a-fA-F]{32}$`)

// named is the conversation of the request's path, by SID or unique name.
func (s *Sim) named(r *request) (*Conversation, *problem) {
	if c := s.byName[r.PathValue("conversation")]; c != nil {
		return c, nil
	}
	return nil, problemNotFound
}

// above is the conversation that the path's resource is in, by SID only.
func (s *Sim) above(r *request) (*Conversation, *problem) {
	if c := s.find(r.PathValue("conversation")); c != nil {
		return c, nil
	}
	return nil, problemNoConversation
}

func (s *Sim) createConversation(r *request) (any, *problem) {
	name := r.params.Get("UniqueName")
	if sidForm.MatchString(name) {
		return nil, problemNameLikeSID
	}
	// Whether closing frees the name is not documented; deleting does.
	if s.byName[name] != nil {
		return nil, problemTaken
	}
	attributes, p := checked(r.params.Get("Attributes"), maxConversationAttributes)
	if p != nil {
		return nil, p
	}
	timers, p := readTimers(r)
	if p != nil {
		return nil, p
	}
	state := cmp.Or(r.params.Get("State"), Active)
	if state != Active && state != Inactive {
		return nil, invalid("State")
	}
	at := now()
	c := &Conversation{
		SID: s.sid("CH"), UniqueName: name, FriendlyName: r.params.Get("FriendlyName"),
		Attributes: attributes, State: state, Created: at, Updated: at, timers: timers,
	}
	if utf8.RuneCountInString(c.FriendlyName) > 256 {
		return nil, invalid("FriendlyName")
	}
	s.conversations = append(s.conversations, c)
	s.byName[c.SID] = c
	if name != "" {
		s.byName[name] = c
	}
	s.fire(c, s.conversationAdded(c), r.by)
	s.note()
	return s.shapeConversation(c), nil
}

func (s *Sim) fetchConversation(r *request) (any, *problem) {
	c, p := s.named(r)
	if p != nil {
		return nil, p
	}
	return s.shapeConversation(c), nil
}

func (s *Sim) updateConversation(r *request) (any, *problem) {
	c, p := s.named(r)
	switch state := r.params.Get("State"); {
	case p != nil:
		return nil, p
	case c.State == Closed:
		return nil, problemClosed
	case state != "" && state != Active && state != Inactive && state != Closed:
		return nil, invalid("State")
	}
	attributes, p := checked(cmp.Or(r.params.Get("Attributes"), c.Attributes), maxConversationAttributes)
	if p != nil {
		return nil, p
	}
	if r.params.Has("FriendlyName") || r.params.Has("Attributes") {
		c.FriendlyName = cmp.Or(r.params.Get("FriendlyName"), c.FriendlyName)
		c.Attributes, c.Updated = attributes, now()
		s.fire(c, s.conversationUpdated(c), r.by)
	}
	s.become(c, cmp.Or(r.params.Get("State"), c.State), "API", r.by)
	return s.shapeConversation(c), nil
}

func (s *Sim) deleteConversation(r *request) (any, *problem) {
	c, p := s.named(r)
	if p == nil {
		s.remove(c, r.by)
	}
	return nil, p
}

// listParticipantConversations lists closed ones, too, newest first.
func (s *Sim) listParticipantConversations(r *request) (any, *problem) {
	identity := r.params.Get("Identity")
	if identity == "" {
		return nil, invalid("Identity is missing")
	}
	var in []*Conversation
	for _, c := range slices.Backward(s.conversations) {
		if c.participant(identity) >= 0 {
			in = append(in, c)
		}
	}
	return listing(r, "conversations", 50, 50, in, func(c *Conversation) any {
		return s.shapeParticipantConversation(c, c.Participants[c.participant(identity)])
	})
}

func (s *Sim) createParticipant(r *request) (any, *problem) {
	c, p := s.above(r)
	if p != nil {
		return nil, p
	}
	identity := r.params.Get("Identity")
	if identity == "" || len(identity) > 256 {
		return nil, invalid("Identity")
	}
	added, p := s.join(c, identity, r.params.Get("Attributes"), r.by)
	if p != nil {
		return nil, p
	}
	return s.shapeParticipant(c, added), nil
}

func (s *Sim) listParticipants(r *request) (any, *problem) {
	c, p := s.above(r)
	if p != nil {
		return nil, p
	}
	return listing(r, "participants", 50, 100, c.Participants, func(p Participant) any {
		return s.shapeParticipant(c, p)
	})
}

func (s *Sim) deleteParticipant(r *request) (any, *problem) {
	c, p := s.above(r)
	if p != nil {
		return nil, p
	}
	return nil, s.leave(c, r.PathValue("sid"), r.by)
}
