package flexsim

import (
	"cmp"
	"slices"
)

func (s *Sim) createMessage(r *request) (any, *problem) {
	c, p := s.above(r)
	if p != nil {
		return nil, p
	}
	said, p := s.say(c, Message{
		Author:     cmp.Or(r.params.Get("Author"), "system"),
		Text:       r.params.Get("Body"),
		Attributes: r.params.Get("Attributes"),
	}, r.by)
	if p != nil {
		return nil, p
	}
	return s.shapeMessage(said), nil
}

func (s *Sim) listMessages(r *request) (any, *problem) {
	c, p := s.above(r)
	if p != nil {
		return nil, p
	}
	messages := c.Messages
	switch r.params.Get("Order") {
	case "", "asc":
	case "desc":
		messages = slices.Clone(messages)
		slices.Reverse(messages)
	default:
		return nil, invalid("Order")
	}
	return listing(r, "messages", 50, 100, messages, s.shapeMessage)
}

func (s *Sim) fetchMessage(r *request) (any, *problem) {
	c, p := s.above(r)
	if p != nil {
		return nil, p
	}
	i := slices.IndexFunc(c.Messages, func(m Message) bool { return m.SID == r.PathValue("sid") })
	if i < 0 {
		return nil, problemNotFound
	}
	return s.shapeMessage(c.Messages[i]), nil
}
