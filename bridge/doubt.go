package bridge

import (
	"context"
	"errors"
	"time"
)

// doubt searches for a question whose saying has an unknown outcome, after each
// pause. Only when the last search went through and did not find it may it be
// said again.
func (s *saying) doubt(ctx context.Context, conversation string, after int, pauses ...time.Duration) (m Message, found bool, err error) {
	for _, pause := range pauses {
		if !sleep(ctx, pause) {
			return m, false, ctx.Err()
		}
		m, found, err = s.find(ctx, conversation, after)
		if found || errors.Is(err, ErrGone) {
			break
		}
	}
	return m, found, err
}

// find looks for the question's nonce among the messages after an Index.
func (s *saying) find(ctx context.Context, conversation string, after int) (Message, bool, error) {
	list, err := s.b.desk.Since(ctx, conversation, after)
	if err != nil {
		return Message{}, false, err
	}
	for _, m := range list.Messages {
		if m.Kind == FromCustomer && m.Nonce == s.rec.Nonce {
			return m, true, nil
		}
	}
	return Message{}, false, nil
}

// search finds the question of a record that somebody else left behind, perhaps
// a moment ago, in the middle of saying it.
func (s *saying) search(ctx context.Context) (found bool, err error) {
	if s.rec.Conversation == "" { // it never came to saying
		return false, nil
	}
	after := -1
	if s.rec.After.Generation == s.rec.Generation && s.rec.After.in(s.rec.Conversation) {
		after = s.rec.After.Index
	}
	pauses := append([]time.Duration{0}, s.b.config.Doubt[:]...)
	m, found, err := s.doubt(ctx, s.rec.Conversation, after, pauses...)
	if errors.Is(err, ErrGone) {
		return false, nil
	}
	if found {
		s.rec.Index = m.Index
		err = s.kept(ctx, s.rec.Conversation, m)
	}
	return found, err
}

// recall finds a question that was said under its key before the mailbox was
// lost, in the customer's newest conversation.
func (s *saying) recall(ctx context.Context, dir directory) (found bool, err error) {
	p, any := dir.newest()
	if s.q.Key == "" || !any {
		return false, nil
	}
	if _, err := s.b.state(ctx, p, maxIndex); err != nil { // it is known now, with all nonces
		return false, err
	}
	index, found, err := s.b.mail.Find(ctx, p.conversation, s.rec.Nonce)
	if err != nil {
		return false, mailErr("finding a question in "+p.conversation, err)
	}
	if found {
		s.rec.Generation, s.rec.Conversation, s.rec.Index = p.generation, p.conversation, index
		if s.q.After.IsZero() { // what was told is lost, too
			s.rec.After = p.at(index)
		}
	}
	return found, nil
}

// kept keeps the customer's own message, even when the time for saying it is over.
// Until that is done nobody knows its Index.
func (s *saying) kept(ctx context.Context, conversation string, m Message) error {
	keeping, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.b.config.KeepLimit)
	defer cancel()
	kept, err := s.b.mail.Keep(keeping, conversation, Update{Messages: []Message{m}})
	if err != nil {
		return s.unsure(ctx, mailErr("keeping the question", err))
	}
	s.b.answered(kept) // its reply may have overtaken it
	return nil
}
