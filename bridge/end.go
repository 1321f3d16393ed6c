package bridge

import (
	"context"
	"time"
)

// End closes the customer's conversation, if it is open, and returns every reply
// after the cursor, with status Closed; or Pending, if the desk cannot tell just
// now what is still unread. It may be repeated, and then returns the same. Errors
// are those of Ask, without ErrKeyReused and ErrUnsure.
func (b *Bridge) End(ctx context.Context, c Customer, after Cursor) (answer Answer, err error) {
	began := time.Now()
	defer func(ctx context.Context) { b.waited(ctx, CallEnd, began, nil, answer, err) }(ctx)
	ctx, cancel := within(ctx, time.Time{}, b.config.SayLimit)
	defer cancel()
	given := !after.IsZero()
	dir, after, err := b.from(ctx, c, after)
	if err != nil {
		return Answer{}, err
	}
	p, any := dir.newest()
	if !any {
		return Answer{Status: Closed, Agent: AgentWaiting}, nil
	}
	r, err := b.reading(ctx, c, after, p)
	if err == nil && given {
		err = r.begin(ctx, p)
	}
	if err != nil {
		return Answer{}, err
	}
	if err := b.close(ctx, p); err != nil {
		return Answer{}, err
	}
	deadline, _ := ctx.Deadline()
	return r.end(ctx, &seat{deadline: deadline})
}

// end reads everything there is.
func (r *reading) end(ctx context.Context, seat *seat) (Answer, error) {
	a, done, err := r.catchUp(ctx, seat)
	if !done && err == nil {
		a, done, err = r.settle(ctx, seat)
	}
	if done || err != nil {
		return a, err
	}
	in, err := r.read(ctx)
	return r.answer(Closed, in), err
}

// close closes a conversation at the desk, and in the mailbox, unless it is.
func (b *Bridge) close(ctx context.Context, p place) error {
	in, err := b.read(ctx, p, maxIndex)
	if err != nil || in.Closed != NotClosed {
		return err
	}
	if err := b.desk.Close(ctx, p.conversation); err != nil {
		return deskErr("closing "+p.conversation, err)
	}
	if _, err := b.mail.Keep(ctx, p.conversation, Update{Closed: CloseHeard}); err != nil {
		return mailErr("keeping the end of "+p.conversation, err)
	}
	return nil
}
