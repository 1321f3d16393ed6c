package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Question is what a caller asks.
type Question struct {
	Customer Customer
	Text     string    // not empty, valid UTF-8
	After    Cursor    // replies up to here have been seen; zero: see Bridge.Ask
	Key      string    // optional: binds the text for 24 hours, so that it is asked once
	Deadline time.Time // when the caller must have its answer; absolute, from the request's arrival
	About    About     // counts only if the question opens a conversation
}

func (q Question) validate() error {
	switch {
	case strings.TrimSpace(q.Text) == "":
		return fmt.Errorf("%w: the text is empty", ErrInvalid)
	case !utf8.ValidString(q.Text):
		return fmt.Errorf("%w: the text is not UTF-8", ErrInvalid)
	}
	return nil
}

// Ask says the question and waits for an agent's reply to it, until q.Deadline.
// It finds the customer's open conversation or opens one. The answer is
//
//   - Replied with a reply of an agent that came after the question;
//   - Pending when the deadline passed first, the process drains, or the same
//     customer waits too often: the question was said and must not be said again;
//   - Closed when the conversation ended after the question was said;
//   - Unavailable when no agent comes to it, as a look found. It is told as soon as it
//     is known, and the customer's next question opens another conversation.
//
// Older replies after the cursor come along first, and automatic messages too.
// Without a cursor the replies begin after what an earlier Ask told, or else
// after the customer's previous message.
//
// The same question is said once: under its key for 24 hours; without a key
// until an answer with its reply was [Answer.Written], at most two minutes after
// its deadline. Asked again in that time it attaches to the question said.
//
// Saying has SayLimit even when the deadline is nearer, and runs to its end when
// ctx is done. After that a done ctx ends the wait: with Pending if its cause is
// [ErrDraining], or else with the cause.
//
// Errors: [ErrInvalid], [ErrCursorAhead], [ErrKeyReused], [ErrBusy], [ErrDeskRefused],
// [ErrDeskUnavailable]: nothing was said. [ErrMailbox] and [ErrUnsure]: asked again
// unchanged, the question is not said twice.
func (b *Bridge) Ask(ctx context.Context, q Question) (Answer, error) {
	return returned(func(over then) { b.AskThen(ctx, q, over) })
}

// AskThen is [Bridge.Ask] without a goroutine that waits. It returns once the question
// is said and earlier conversations are read, and over is called once with what Ask would
// return: on any goroutine, and perhaps before AskThen returns.
func (b *Bridge) AskThen(ctx context.Context, q Question, over func(Answer, error)) {
	if err := q.validate(); err != nil {
		over(Answer{}, err)
		return
	}
	b.seated(ctx, CallSend, q.Customer, q.Deadline, over, func(seat *seat, over then) error {
		w, err := b.asked(ctx, &q, seat)
		if err != nil {
			return err
		}
		w.begin(ctx, over)
		return nil
	})
}

// returned is what a call comes to. Its stack gets deep, and is not that of who waits,
// which would hardly shrink again.
func returned(call func(then)) (answer Answer, err error) {
	done := make(chan struct{})
	go call(func(a Answer, e error) {
		answer, err = a, e
		close(done)
	})
	<-done
	return answer, err
}

// asked has the question said, and prepares the wait for the reply to it.
func (b *Bridge) asked(ctx context.Context, q *Question, seat *seat) (*wait, error) {
	saying, cancel := within(ctx, q.Deadline, b.config.SayLimit)
	defer cancel()
	s, err := b.say(saying, *q)
	if err != nil {
		return nil, err
	}
	r, err := b.reading(ctx, q.Customer, s.after, s.place)
	if err != nil {
		s.watch.Close()
		if !errors.Is(err, ErrMailbox) {
			err = fmt.Errorf("%w: it was, but the replies before it cannot be found: %v", ErrUnsure, err)
		}
		return nil, err
	}
	toIt := func(p place, m Message) bool {
		return m.Kind == FromAgent && p.generation == s.generation && m.Index > s.index
	}
	told := func(a Answer) { b.told(ctx, q, &s, a) }
	return &wait{reading: r, watch: s.watch, seat: seat, enough: toIt, told: told}, nil
}

// seated takes a seat for a call until it is over, and begins it. An error of begin,
// or a panic, is what it comes to.
func (b *Bridge) seated(ctx context.Context, call Call, c Customer, deadline time.Time, over then, begin func(*seat, then) error) {
	seat, err := b.sit(ctx, c, deadline)
	if err != nil {
		over(Answer{}, err)
		return
	}
	left := func(a Answer, err error) {
		seat.leave()
		b.outside(func() { b.waited(ctx, call, seat.since, seat.taken, a, err) })
		over(a, err)
	}
	if err := shielded(func() error { return begin(seat, left) }); err != nil {
		left(Answer{}, err)
	}
}

// sit takes a seat, unless the process is stopping.
func (b *Bridge) sit(ctx context.Context, c Customer, deadline time.Time) (*seat, error) {
	if err := ctx.Err(); err != nil {
		if errors.Is(context.Cause(ctx), ErrDraining) {
			return nil, fmt.Errorf("%w: %w", ErrBusy, ErrDraining)
		}
		return nil, context.Cause(ctx)
	}
	return b.parking.take(c, deadline)
}

// told remembers what a caller without a cursor has seen, and that a question
// without a key may be asked anew.
func (b *Bridge) told(ctx context.Context, q *Question, s *said, a Answer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.config.KeepLimit)
	defer cancel()
	var err error
	if q.Key == "" && a.Status != Pending && !a.More {
		err = b.mail.Forget(ctx, q.Customer, s.id, s.rec)
	}
	if q.After.IsZero() {
		err = errors.Join(err, b.mail.Tell(ctx, q.Customer, a.Cursor))
	}
	if err != nil {
		b.log.WarnContext(ctx, "what was told could not be noted", "error", err)
	}
}
