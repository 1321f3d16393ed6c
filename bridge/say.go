package bridge

import (
	"context"
	"errors"
	"fmt"
)

// said is a question that stands at the desk.
type said struct {
	place
	index int
	after Cursor // from where its caller reads
	watch Watch  // of the conversation, from before it was said
	id    string // of its record
	rec   Saying
}

// say has the question said once, by this call or by an earlier one.
func (b *Bridge) say(ctx context.Context, q Question) (said, error) {
	dir, err := b.directory(ctx, q.Customer, toAsk)
	if err != nil {
		return said{}, err
	}
	after := dir.genuine(dir.Told)
	if !q.After.IsZero() {
		if dir, after, err = b.locate(ctx, dir, q.After); err != nil {
			return said{}, err
		}
		q.After = after
	}
	now, err := b.current(ctx, dir)
	if err != nil {
		return said{}, err
	}
	if !q.After.IsZero() {
		if now, err = b.tell(ctx, dir, now, after); err != nil {
			return said{}, err
		}
	}
	switch {
	case !now.whole:
		now.opened = opened{} // where it will be said is still to be found
	case after.IsZero():
		after = now.at(now.own)
	}
	s := &saying{b: b, q: q, id: q.id(), rec: b.record(q, now.place, after)}
	switch done, err := s.before(ctx, dir); {
	case err != nil:
		return said{}, err
	case done:
		return s.attach(ctx)
	}
	return s.run(ctx, now.opened, now.whole)
}

// tell checks a cursor that a caller gave, and remembers that it was told so far. It
// returns how the conversation stands then.
func (b *Bridge) tell(ctx context.Context, dir directory, now standing, after Cursor) (standing, error) {
	if p, any := dir.newest(); any && after.Generation == p.generation {
		if now.in == nil {
			in, err := b.state(ctx, p, maxIndex)
			if err != nil {
				return now, err
			}
			now.in = &in
		}
		looked, err := b.check(ctx, p, after, *now.in)
		if err == nil && looked {
			now, err = b.current(ctx, dir)
		}
		if err != nil {
			return now, err
		}
	}
	if after.Compare(dir.Told) > 0 {
		if err := b.mail.Tell(ctx, dir.customer, after); err != nil {
			return now, mailErr("noting what was told", err)
		}
	}
	return now, nil
}

// saying is one call's attempt.
type saying struct {
	b   *Bridge
	q   Question
	id  string
	rec Saying
}

// before reports whether the question has been said before. If not, its record is
// ours.
func (s *saying) before(ctx context.Context, dir directory) (bool, error) {
	got, progress, err := s.begin(ctx)
	if err != nil {
		return false, err
	}
	if progress == Done {
		s.rec = got
		return true, nil
	}
	if progress == TakenOver {
		s.rec.Generation, s.rec.Conversation, s.rec.Nonce, s.rec.After = got.Generation, got.Conversation, got.Nonce, got.After
	}
	found, err := s.recall(ctx, dir)
	if err == nil && !found && progress == TakenOver {
		found, err = s.search(ctx)
	}
	switch {
	case err != nil && progress == TakenOver:
		return false, s.unsure(ctx, err)
	case err != nil:
		s.forget(ctx)
	case found:
		s.note(ctx, "said", s.b.mail.Said)
	}
	return found, err
}

// run says it in the open conversation, or opens one.
func (s *saying) run(ctx context.Context, o opened, whole bool) (said, error) {
	for tries, atLeast := 0, 0; tries < 3; tries, atLeast = tries+1, o.generation+1 {
		if !whole {
			var err error
			if o, err = s.b.open(ctx, s.q.Customer, atLeast, s.q.About); err != nil {
				s.forget(ctx)
				return said{}, err
			}
		}
		done, err := s.sayIn(ctx, o)
		o.finish(err == nil)
		if !errors.Is(err, errReplaced) {
			return done, err
		}
		whole = false
	}
	s.forget(ctx)
	return said{}, fmt.Errorf("%w: every conversation ends at once", ErrDeskUnavailable)
}

// errReplaced: the conversation ended before the question was said in it.
var errReplaced = errors.New("the conversation ended meanwhile")

// sayIn says the question in an open conversation.
func (s *saying) sayIn(ctx context.Context, o opened) (said, error) {
	b := s.b
	if s.rec.Conversation != o.conversation {
		s.rec.Generation, s.rec.Conversation = o.generation, o.conversation
		if s.rec.After.IsZero() {
			s.rec.After = o.at(o.own)
		}
		s.renew(ctx)
		if err := b.mail.Move(ctx, s.q.Customer, s.id, s.rec); err != nil {
			s.forget(ctx)
			return said{}, mailErr("recording the question", err)
		}
	}
	w, err := b.mail.Watch(ctx, o.conversation)
	if err != nil {
		s.forget(ctx)
		return said{}, mailErr("watching "+o.conversation, err)
	}
	m, err := s.post(ctx, o)
	if err != nil {
		w.Close()
		return said{}, err
	}
	s.rec.Index = m.Index
	s.note(ctx, "said", b.mail.Said)
	return said{place: o.place, index: m.Index, after: s.rec.After, watch: w, id: s.id, rec: s.rec}, nil
}

// post posts the question and keeps it. An error that is not ErrUnsure means
// that it was not said.
func (s *saying) post(ctx context.Context, o opened) (Message, error) {
	b := s.b
	for {
		m, err := b.desk.Say(ctx, o.conversation, Utterance{Customer: s.q.Customer, Text: s.q.Text, Nonce: s.rec.Nonce})
		switch {
		case err == nil:
			return m, s.kept(ctx, o.conversation, m)
		case errors.Is(err, ErrClosed), errors.Is(err, ErrGone):
			return m, s.replaced(ctx, o, err)
		case errors.Is(err, ErrDeskRefused):
			if closed, stateErr := b.desk.State(ctx, o.conversation); closed || errors.Is(stateErr, ErrGone) {
				return m, s.replaced(ctx, o, err)
			}
			s.forget(ctx)
			return m, fmt.Errorf("saying in %s: %w", o.conversation, err)
		case errors.Is(err, ErrDeskUnavailable):
			s.forget(ctx)
			return m, fmt.Errorf("saying in %s: %w", o.conversation, err)
		}
		b.log.WarnContext(ctx, "it is unknown whether a question was said", "conversation", o.conversation, "error", err)
		m, found, err := s.doubt(ctx, o.conversation, o.own, b.config.Doubt[:]...)
		switch {
		case found:
			return m, s.kept(ctx, o.conversation, m)
		case errors.Is(err, ErrGone):
			return m, s.replaced(ctx, o, err)
		case err != nil:
			return m, s.unsure(ctx, err)
		}
	}
}

// replaced keeps the end of a conversation.
func (s *saying) replaced(ctx context.Context, o opened, cause error) error {
	if _, err := s.b.mail.Keep(ctx, o.conversation, Update{Closed: CloseHeard}); err != nil {
		s.forget(ctx)
		return mailErr("keeping the end of "+o.conversation, err)
	}
	s.b.log.InfoContext(ctx, "a conversation ended before the question was said", "conversation", o.conversation, "cause", cause)
	return errReplaced
}

// attach joins a question that has been said already.
func (s *saying) attach(ctx context.Context) (said, error) {
	r := s.rec
	w, err := s.b.mail.Watch(ctx, r.Conversation)
	if err != nil {
		return said{}, mailErr("watching "+r.Conversation, err)
	}
	after := r.After
	if !s.q.After.IsZero() {
		after = s.q.After
	}
	p := place{customer: s.q.Customer, generation: r.Generation, conversation: r.Conversation}
	return said{place: p, index: r.Index, after: after, watch: w, id: s.id, rec: r}, nil
}
