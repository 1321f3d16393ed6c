package bridge

import (
	"cmp"
	"context"
	"slices"
	"time"
	"unicode/utf8"
)

// reading gathers the replies after a cursor, generation by generation.
type reading struct {
	b       *Bridge
	at      place   // what is being read
	later   []place // what is to be read after it
	index   int     // up to where it is read
	mark    int     // the highest mark seen of it
	looked  bool    // whether the desk was looked at for a conversation before the last
	after   Cursor
	replies []reply
	fresh   *Inbox // what begin has read, to be used once
}

type reply struct {
	place
	Message
}

// reading reads after a cursor, up to and with the conversation in which last stands.
func (b *Bridge) reading(ctx context.Context, c Customer, after Cursor, last place) (*reading, error) {
	places := []place{last}
	if !after.IsZero() && after.Generation < last.generation {
		ctx, cancel := within(ctx, time.Time{}, b.config.LookLimit)
		defer cancel()
		dir, err := b.directory(ctx, c, toRead)
		if err != nil {
			return nil, err
		}
		for g, conversation := range dir.Conversations {
			if g >= after.Generation && g < last.generation {
				places = append(places, place{customer: c, generation: g, conversation: conversation})
			}
		}
		slices.SortFunc(places, func(p, q place) int { return p.generation - q.generation })
	}
	r := &reading{b: b, at: places[0], later: places[1:], index: -1, mark: -1, after: after}
	switch {
	case after.Generation > r.at.generation: // seen to its end
		r.index = maxIndex
	case after.in(r.at.conversation):
		r.index = after.Index
	default: // it lies in a conversation that is gone
		r.after = r.at.at(-1)
	}
	return r, nil
}

// begin refuses a cursor of the newest conversation beyond everything that was ever
// said there. What it reads is the first that is read for the answer, too.
func (r *reading) begin(ctx context.Context, newest place) error {
	if r.after.Generation != newest.generation {
		return nil
	}
	in, err := r.b.state(ctx, r.at, r.index)
	if err != nil {
		return err
	}
	looked, err := r.b.check(ctx, r.at, r.after, in)
	if err == nil && !looked {
		r.fresh = &in
	}
	return err
}

// next is what begin has read, once, or else read anew.
func (r *reading) next(ctx context.Context) (Inbox, error) {
	if in := r.fresh; in != nil {
		r.fresh = nil
		return *in, nil
	}
	return r.b.read(ctx, r.at, r.index)
}

// last is where it waits in the end.
func (r *reading) last() place {
	if n := len(r.later); n > 0 {
		return r.later[n-1]
	}
	return r.at
}

// catchUp reads the conversations before the last. It is done when there is an
// answer already, see settle.
func (r *reading) catchUp(ctx context.Context, seat *seat) (a Answer, done bool, err error) {
	for len(r.later) > 0 {
		if a, done, err := r.settle(ctx, seat); done || err != nil {
			return a, done, err
		}
		r.at, r.later, r.index, r.mark = r.later[0], r.later[1:], -1, -1
	}
	return Answer{}, false, nil
}

// settle reads a conversation that is over to its end, which only a look makes
// certain. It is done with an answer when that is full, when it would be the second
// conversation to be looked at, or when the wait ends before the desk has told.
func (r *reading) settle(ctx context.Context, seat *seat) (a Answer, done bool, err error) {
	looking := false
	// The second look believes every gap that is left.
	for pause := r.b.config.GapBelief + time.Second; ; pause *= 2 {
		in, err := r.read(ctx)
		settled := err == nil && in.Owner != nil && in.Closed == CloseLooked
		if err == nil && !settled {
			if r.looked && !looking {
				return r.partial(in), true, nil
			}
			r.looked, looking = true, true
			in, err = r.look(ctx, in)
			settled = err == nil && in.Owner != nil && in.Top <= in.Mark && in.Mark >= r.mark
		}
		switch {
		case err != nil:
			r.b.log.WarnContext(ctx, "the end of a conversation could not be read", "conversation", r.at.conversation, "error", err)
		case r.full():
			return r.answer(Replied, in), true, nil
		case settled:
			return Answer{}, false, nil
		}
		if ended, err := seat.pause(ctx, nil, time.Now().Add(pause)); ended || err != nil {
			return r.answer(Pending, in), true, err
		}
	}
}

// look looks at the conversation at hand, and reads what that brought.
func (r *reading) look(ctx context.Context, in Inbox) (Inbox, error) {
	if _, err := r.b.look(ctx, r.at, in.unsure()); err != nil {
		return in, err
	}
	return r.read(ctx)
}

// lookAgain looks at an abandoned conversation at which nobody has looked for long:
// an agent may have come all the same, unheard of. It reports whether it did.
func (r *reading) lookAgain(ctx context.Context, in Inbox) bool {
	if in.LookAge >= 0 && in.LookAge < r.b.config.LookEvery || !r.b.mayLook() {
		return false
	}
	mine, err := r.b.mail.Claim(ctx, r.at.conversation, r.b.config.LookEvery)
	if err == nil && mine {
		_, err = r.b.look(ctx, r.at, in.unsure())
	}
	if err != nil {
		r.b.log.WarnContext(ctx, "could not look at an abandoned conversation", "conversation", r.at.conversation, "error", err)
	}
	return err == nil && mine
}

// read reads what is new, once.
func (r *reading) read(ctx context.Context) (Inbox, error) {
	in, err := r.next(ctx)
	if err != nil {
		return in, err
	}
	for _, m := range in.Messages {
		if m.reply() {
			r.replies = append(r.replies, reply{place: r.at, Message: m})
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
		size += utf8.RuneCountInString(m.Text) + mediaText*len(m.Media)
		if size > MaxText && i > 0 {
			return i
		}
	}
	return len(r.replies)
}

// partial is the answer of who has to come back for the rest.
func (r *reading) partial(in Inbox) Answer {
	a := r.answer(Replied, in)
	if a.More = true; len(a.Messages) == 0 {
		a.Status = Pending
	}
	return a
}

// answer is what the caller gets, with the cursor at the end of it.
func (r *reading) answer(status Status, in Inbox) Answer {
	a := Answer{Status: status, Agent: cmp.Or(in.Agent, AgentWaiting), Conversation: r.at.conversation, Messages: []Message{}, WaitingSince: r.waitingSince(in)}
	a.OffShift = !a.WaitingSince.IsZero() && r.b.shift.isOff()
	fits := r.fitting()
	for _, m := range r.replies[:fits] {
		a.Messages = append(a.Messages, m.Message)
	}
	if fits < len(r.replies) {
		last := r.replies[fits-1]
		a.More, a.Cursor = true, last.at(last.Index)
		return a
	}
	if a.Cursor = r.at.at(r.index); a.Cursor.Compare(r.after) < 0 {
		a.Cursor = r.after
	}
	return a
}

// waitingSince is known only of the last conversation, by a mailbox that is not behind.
func (r *reading) waitingSince(in Inbox) time.Time {
	over := in.Closed != NotClosed || in.Abandoned
	if over || in.Agent == AgentJoined || in.Mark < r.mark || len(r.later) > 0 {
		return time.Time{}
	}
	return in.Unanswered
}
