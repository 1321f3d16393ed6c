package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// Await waits for any reply after the cursor, until the deadline, and changes
// nothing. Without a cursor it begins where an [Bridge.Ask] without one would.
// The answer is Replied with at least one reply, Pending, or Closed, when the
// conversation has ended or nothing was ever asked: then the cursor is zero. ctx
// and the errors are as with Ask, without ErrKeyReused and ErrUnsure.
func (b *Bridge) Await(ctx context.Context, c Customer, after Cursor, deadline time.Time) (Answer, error) {
	seat, err := b.sit(ctx, c)
	if err != nil {
		return Answer{}, err
	}
	defer seat.leave()
	dir, after, err := b.from(ctx, c, after)
	if err != nil {
		return Answer{}, err
	}
	p, any := dir.newest()
	if !any {
		return Answer{Status: Closed, Agent: AgentWaiting}, nil
	}
	w, err := b.mail.Watch(ctx, p.conversation)
	if err != nil {
		return Answer{}, mailErr("watching "+p.conversation, err)
	}
	defer w.Close()
	r, err := b.reading(ctx, c, after, p)
	if err != nil {
		return Answer{}, err
	}
	return r.await(ctx, w, seat, deadline, func(place, Message) bool { return true })
}

// from returns the customer's conversations and where a caller reads from that
// gave this cursor.
func (b *Bridge) from(ctx context.Context, c Customer, after Cursor) (directory, Cursor, error) {
	dir, err := b.directory(ctx, c)
	if err != nil {
		return dir, after, err
	}
	if !after.IsZero() {
		dir, err = b.check(ctx, dir, after)
		return dir, after, err
	}
	p, any := dir.newest()
	if !dir.Told.IsZero() || !any {
		return dir, dir.Told, nil
	}
	in, err := b.state(ctx, p)
	return dir, p.at(in.Own), err
}

// check refuses a cursor beyond everything that was ever said, after one look.
func (b *Bridge) check(ctx context.Context, dir directory, after Cursor) (directory, error) {
	newest, _ := dir.newest()
	if after.Generation > newest.generation {
		var err error
		if dir, err = b.find(ctx, dir.customer); err != nil {
			return dir, err
		}
		if newest, _ = dir.newest(); after.Generation > newest.generation {
			return dir, fmt.Errorf("%w: give back the `cursor` of an earlier answer", ErrCursorAhead)
		}
	}
	conversation, any := dir.Conversations[after.Generation]
	if !any || !after.in(conversation) {
		return dir, nil // that generation is gone, or read from its start
	}
	p := place{customer: dir.customer, generation: after.Generation, conversation: conversation}
	in, err := b.state(ctx, p)
	if err != nil || after.Index <= in.Top {
		return dir, err
	}
	if in.Closed != CloseLooked {
		if !b.ration.take() {
			return dir, fmt.Errorf("%w: too many cursors ahead of their conversations in this second", ErrBusy)
		}
		if _, err := b.look(ctx, p, in.unsure()); err != nil {
			return dir, err
		}
		if in, err = b.read(ctx, p, maxIndex); err != nil || after.Index <= in.Top {
			return dir, err
		}
	}
	return dir, fmt.Errorf("%w: nothing was said there yet; give back the `cursor` of an earlier answer", ErrCursorAhead)
}

// reading gathers the replies after a cursor, generation by generation.
type reading struct {
	b       *Bridge
	older   []place // still to be read, before the one that is waited in
	last    place
	index   int // what is read of the generation at hand
	mark    int // the highest mark seen of it
	after   Cursor
	replies []reply
}

type reply struct {
	place
	Message
}

// reading reads after a cursor, up to and with the conversation in which last stands.
func (b *Bridge) reading(ctx context.Context, c Customer, after Cursor, last place) (*reading, error) {
	r := &reading{b: b, last: last, after: after, index: -1, mark: -1}
	if after.IsZero() || after.Generation > last.generation {
		return r, nil
	}
	if after.Generation < last.generation {
		dir, err := b.directory(ctx, c)
		if err != nil {
			return nil, err
		}
		for g, conversation := range dir.Conversations {
			if g >= after.Generation && g < last.generation {
				r.older = append(r.older, place{customer: c, generation: g, conversation: conversation})
			}
		}
		slices.SortFunc(r.older, func(p, q place) int { return p.generation - q.generation })
	}
	if first := append(r.older, last)[0]; first.generation == after.Generation && after.in(first.conversation) {
		r.index = after.Index
	}
	return r, nil
}

// await waits in the last conversation until enough says that a reply is what
// is waited for. A mailbox that fails meanwhile is asked again until the deadline.
func (r *reading) await(ctx context.Context, w Watch, seat *seat, deadline time.Time, enough func(place, Message) bool) (Answer, error) {
	if a, done, err := r.catchUp(ctx); done || err != nil {
		return a, err
	}
	over := time.NewTimer(time.Until(deadline))
	defer over.Stop()
	lookout := r.b.lookout(r.last, deadline)
	var in Inbox
	for ended := false; ; {
		next := time.Now().Add(r.b.config.LookLimit)
		if news, err := r.read(ctx, r.last); err != nil {
			r.b.log.WarnContext(ctx, "a waiting request could not be read for", "error", err)
		} else {
			in = news
			known := in.Owner != nil && in.Mark >= r.mark
			switch {
			case slices.ContainsFunc(r.replies, func(p reply) bool { return enough(p.place, p.Message) }) || r.full():
				return r.answer(Replied, in), nil
			case known && in.Closed == CloseLooked:
				return r.answer(Closed, in), nil
			}
			next = lookout.due(ctx, in, !known)
		}
		if ended {
			return r.answer(Pending, in), nil
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-w.C():
		case <-timer.C:
		case <-over.C:
			ended = true // but what came at the last moment is read
		case <-seat.taken:
			ended = true
		case <-ctx.Done():
			if !errors.Is(context.Cause(ctx), ErrDraining) {
				return Answer{}, context.Cause(ctx)
			}
			ctx, ended = context.WithoutCancel(ctx), true
		}
		timer.Stop()
	}
}

// catchUp reads the conversations before the last. It is done when that fills
// an answer, or would take a second look at the desk.
func (r *reading) catchUp(ctx context.Context) (a Answer, done bool, err error) {
	looked := false
	for len(r.older) > 0 {
		p := r.older[0]
		in, err := r.read(ctx, p)
		if err == nil && (in.Owner == nil || in.Closed != CloseLooked) {
			if looked {
				a := r.answer(Replied, in)
				if a.More = true; len(a.Messages) == 0 {
					a.Status = Pending
				}
				return a, true, nil
			}
			looked = true
			in, err = r.settle(ctx, p, in)
		}
		if err != nil {
			return Answer{}, false, err
		}
		if r.full() {
			return r.answer(Replied, in), true, nil
		}
		r.older, r.index, r.mark = r.older[1:], -1, -1
	}
	return Answer{}, false, nil
}

// settle looks at a conversation that is over: only then is it certain what is
// unread of it.
func (r *reading) settle(ctx context.Context, p place, in Inbox) (Inbox, error) {
	if _, err := r.b.look(ctx, p, in.unsure()); err != nil {
		return in, err
	}
	return r.read(ctx, p)
}

// read reads what is new, once.
func (r *reading) read(ctx context.Context, p place) (Inbox, error) {
	in, err := r.b.read(ctx, p, r.index)
	if err != nil {
		return in, err
	}
	for _, m := range in.Messages {
		if m.reply() {
			r.replies = append(r.replies, reply{place: p, Message: m})
		}
	}
	r.index, r.mark = max(r.index, in.Mark), max(r.mark, in.Mark)
	return in, nil
}

// full reports whether the replies fill an answer.
func (r *reading) full() bool { return r.fitting() < len(r.replies) }

// fitting is how many replies one answer holds, at least one.
func (r *reading) fitting() int {
	size := 0
	for i, m := range r.replies {
		if size += utf8.RuneCountInString(m.Text); size > MaxText && i > 0 {
			return i
		}
	}
	return len(r.replies)
}

// answer is what the caller gets, with the cursor at the end of it.
func (r *reading) answer(status Status, in Inbox) Answer {
	a := Answer{Status: status, Agent: cmp.Or(in.Agent, AgentWaiting), Messages: []Message{}}
	fits := r.fitting()
	for _, m := range r.replies[:fits] {
		a.Messages = append(a.Messages, m.Message)
	}
	if fits < len(r.replies) {
		last := r.replies[fits-1]
		a.More, a.Cursor = true, last.at(last.Index)
		return a
	}
	at := r.last
	if len(r.older) > 0 {
		at = r.older[0]
	}
	a.Cursor = at.at(r.index)
	if a.Cursor.Compare(r.after) < 0 {
		a.Cursor = r.after
	}
	return a
}
