package bridge

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
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

// sayingFor is how long a saying that ends with ctx may still take, and a margin
// for what follows it.
func (b *Bridge) sayingFor(ctx context.Context) time.Duration {
	end, _ := ctx.Deadline()
	return max(time.Until(end), 0) + time.Second
}

// say has the question said once, by this call or by an earlier one.
func (b *Bridge) say(ctx context.Context, q Question) (said, error) {
	dir, err := b.directory(ctx, q.Customer)
	if err != nil {
		return said{}, err
	}
	after := dir.Told
	if !q.After.IsZero() {
		if dir, err = b.check(ctx, dir, q.After); err != nil {
			return said{}, err
		}
		after = q.After
		if after.Compare(dir.Told) > 0 {
			if err := b.mail.Tell(ctx, q.Customer, after); err != nil {
				return said{}, mailErr("noting what was told", err)
			}
		}
	}
	o, whole, _, err := b.current(ctx, dir)
	if err != nil {
		return said{}, err
	}
	if after.IsZero() && whole {
		after = o.at(o.own)
	}
	s := &saying{b: b, q: q, id: q.id(), rec: b.record(ctx, q, o.place, after)}
	return s.run(ctx, o, whole)
}

// id is under what a question is recorded: its key, or else its text.
func (q Question) id() string {
	if q.Key != "" {
		return "k" + digest(q.Key)
	}
	return "t" + digest(q.Text)
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

func (b *Bridge) record(ctx context.Context, q Question, p place, after Cursor) Saying {
	r := Saying{
		Generation: p.generation, Conversation: p.conversation,
		Nonce: rand.Text(), TextHash: digest(q.Text), After: after,
		Hold: b.sayingFor(ctx), Life: max(time.Until(q.Deadline), 0) + b.config.RepeatFor,
	}
	if q.Key != "" {
		r.Nonce, r.Life = b.keys.nonce(q.Customer, q.Key, q.Text), b.config.KeyFor
	}
	return r
}

// saying is one call's attempt.
type saying struct {
	b   *Bridge
	q   Question
	id  string
	rec Saying
}

func (s *saying) run(ctx context.Context, o opened, whole bool) (said, error) {
	got, progress, err := s.begin(ctx)
	if err != nil {
		return said{}, err
	}
	if progress == Done {
		return s.attach(ctx, got)
	}
	if progress == TakenOver {
		s.rec.Generation, s.rec.Conversation, s.rec.Nonce, s.rec.After = got.Generation, got.Conversation, got.Nonce, got.After
		found, err := s.search(ctx)
		if err != nil {
			return said{}, s.unsure(ctx, err)
		}
		if found {
			s.note(ctx, "said", s.b.mail.Said)
			return s.attach(ctx, s.rec)
		}
	}
	for tries, atLeast := 0, 0; tries < 3; tries, atLeast = tries+1, o.generation+1 {
		if !whole {
			if o, err = s.b.open(ctx, s.q.Customer, atLeast); err != nil {
				s.note(ctx, "forgotten", s.b.mail.Forget)
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
	s.note(ctx, "forgotten", s.b.mail.Forget)
	return said{}, fmt.Errorf("%w: every conversation ends at once", ErrDeskUnavailable)
}

// begin waits until the record is ours, or says that the question has been said.
func (s *saying) begin(ctx context.Context) (got Saying, progress Progress, err error) {
	var w Watch
	for {
		got, progress, err = s.b.mail.Begin(ctx, s.q.Customer, s.id, s.rec)
		if err != nil {
			return got, progress, mailErr("recording the question", err)
		}
		if progress != Started && got.TextHash != s.rec.TextHash {
			return got, progress, fmt.Errorf("%w: it was used with another text during the last %v; choose a new key for a new question", ErrKeyReused, s.b.config.KeyFor)
		}
		if progress != Busy {
			return got, progress, nil
		}
		if w == nil {
			if w, err = s.b.mail.WatchCustomer(ctx, s.q.Customer); err != nil {
				return got, progress, mailErr("watching the question", err)
			}
			defer w.Close()
			continue // it may have been said before we watched
		}
		select {
		case <-w.C():
		case <-time.After(got.Hold):
		case <-ctx.Done():
			return got, progress, fmt.Errorf("%w: another call is still saying it", ErrUnsure)
		}
	}
}

// errReplaced: the conversation ended before the question was said in it.
var errReplaced = errors.New("the conversation ended meanwhile")

// sayIn says the question in an open conversation.
func (s *saying) sayIn(ctx context.Context, o opened) (said, error) {
	b := s.b
	if s.rec.Conversation != o.conversation {
		s.rec.Generation, s.rec.Conversation, s.rec.Hold = o.generation, o.conversation, b.sayingFor(ctx)
		if s.rec.After.IsZero() {
			s.rec.After = o.at(o.own)
		}
		if err := b.mail.Move(ctx, s.q.Customer, s.id, s.rec); err != nil {
			return said{}, mailErr("recording the question", err)
		}
	}
	w, err := b.mail.Watch(ctx, o.conversation)
	if err != nil {
		s.note(ctx, "forgotten", b.mail.Forget)
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
			s.note(ctx, "forgotten", b.mail.Forget)
			return m, fmt.Errorf("saying in %s: %w", o.conversation, err)
		case errors.Is(err, ErrDeskUnavailable):
			s.note(ctx, "forgotten", b.mail.Forget)
			return m, fmt.Errorf("saying in %s: %w", o.conversation, err)
		}
		b.log.WarnContext(ctx, "it is unknown whether a question was said", "conversation", o.conversation, "error", err)
		m, found, err := s.doubt(ctx, o)
		if err != nil {
			return m, s.unsure(ctx, err)
		}
		if found {
			return m, s.kept(ctx, o.conversation, m)
		}
	}
}

// doubt searches for a question whose saying has an unknown outcome. Only when
// the last search went through and did not find it may it be said again.
func (s *saying) doubt(ctx context.Context, o opened) (m Message, found bool, err error) {
	for _, pause := range s.b.config.Doubt {
		if !sleep(ctx, pause) {
			return m, false, ctx.Err()
		}
		m, found, err = s.find(ctx, o.conversation, o.own)
		if found {
			return m, true, nil
		}
	}
	return m, false, err
}

// search finds the question of a record that somebody else left behind.
func (s *saying) search(ctx context.Context) (found bool, err error) {
	if s.rec.Conversation == "" { // it never came to saying
		return false, nil
	}
	after := -1
	if s.rec.After.Generation == s.rec.Generation && s.rec.After.in(s.rec.Conversation) {
		after = s.rec.After.Index
	}
	m, found, err := s.find(ctx, s.rec.Conversation, after)
	if errors.Is(err, ErrGone) {
		return false, nil
	}
	if found {
		s.rec.Index = m.Index
		err = s.kept(ctx, s.rec.Conversation, m)
	}
	return found, err
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

// kept keeps the customer's own message. Until that is done nobody knows its Index.
func (s *saying) kept(ctx context.Context, conversation string, m Message) error {
	if _, err := s.b.mail.Keep(ctx, conversation, Update{Messages: []Message{m}}); err != nil {
		return s.unsure(ctx, mailErr("keeping the question", err))
	}
	return nil
}

// replaced keeps the end of a conversation.
func (s *saying) replaced(ctx context.Context, o opened, cause error) error {
	if _, err := s.b.mail.Keep(ctx, o.conversation, Update{Closed: CloseHeard}); err != nil {
		return mailErr("keeping the end of "+o.conversation, err)
	}
	s.b.log.InfoContext(ctx, "a conversation ended before the question was said", "conversation", o.conversation, "cause", cause)
	return errReplaced
}

// unsure leaves the record behind, for the next call to find out.
func (s *saying) unsure(ctx context.Context, cause error) error {
	s.rec.Hold = 0
	s.note(ctx, "left in doubt", s.b.mail.Move)
	return fmt.Errorf("%w: %w", ErrUnsure, cause)
}

// note writes the record. A failure costs a search the next time, nothing else.
func (s *saying) note(ctx context.Context, what string, write func(context.Context, Customer, string, Saying) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.b.config.KeepLimit)
	defer cancel()
	if err := write(ctx, s.q.Customer, s.id, s.rec); err != nil {
		s.b.log.WarnContext(ctx, "a question's record could not be written", "record", what, "error", err)
	}
}

// attach joins a question that has been said already.
func (s *saying) attach(ctx context.Context, r Saying) (said, error) {
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
