package bridge

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

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

// record is what is recorded of a question that is said at p, if it comes to that.
func (b *Bridge) record(q Question, p place, after Cursor) Saying {
	r := Saying{
		Generation: p.generation, Conversation: p.conversation,
		Nonce: rand.Text(), TextHash: digest(q.Text), After: after,
	}
	if q.Key != "" {
		r.Nonce = b.keys.nonce(q.Customer, q.Key, q.Text)
	}
	return r
}

// sayingFor is how long a saying that ends with ctx may still take, and a margin
// for what follows it.
func (b *Bridge) sayingFor(ctx context.Context) time.Duration {
	end, _ := ctx.Deadline()
	return max(time.Until(end), 0) + time.Second
}

// renew sets the record's hold and life as of now.
func (s *saying) renew(ctx context.Context) {
	s.rec.Hold = s.b.sayingFor(ctx)
	s.rec.Life = max(time.Until(s.q.Deadline), 0) + s.b.config.RepeatFor
	if s.q.Key != "" {
		s.rec.Life = s.b.config.KeyFor
	}
}

// begin waits until the record is ours, or says that the question has been said.
func (s *saying) begin(ctx context.Context) (got Saying, progress Progress, err error) {
	var w Watch
	for {
		s.renew(ctx)
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

// unsure leaves the record behind, for the next call to find out. The cause is
// told, but is no longer what went wrong: "unavailable" would mean not said.
func (s *saying) unsure(ctx context.Context, cause error) error {
	s.renew(ctx)
	s.rec.Hold = 0
	s.note(ctx, "left in doubt", s.b.mail.Move)
	return fmt.Errorf("%w: %v", ErrUnsure, cause)
}

// forget removes the record of a question that was not said.
func (s *saying) forget(ctx context.Context) { s.note(ctx, "forgotten", s.b.mail.Forget) }

// note writes the record. A failure costs a search the next time, nothing else.
func (s *saying) note(ctx context.Context, what string, write func(context.Context, Customer, string, Saying) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.b.config.KeepLimit)
	defer cancel()
	if err := write(ctx, s.q.Customer, s.id, s.rec); err != nil {
		s.b.log.WarnContext(ctx, "a question's record could not be written", "record", what, "error", err)
	}
}
