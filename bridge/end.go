package bridge

import "context"

// End closes the customer's conversation, if it is open, and returns every reply
// after the cursor, with status Closed. It may be repeated, and then returns the
// same. Errors are those of Ask, without ErrKeyReused and ErrUnsure.
func (b *Bridge) End(ctx context.Context, c Customer, after Cursor) (Answer, error) {
	dir, after, err := b.from(ctx, c, after)
	if err != nil {
		return Answer{}, err
	}
	p, any := dir.newest()
	if !any {
		return Answer{Status: Closed, Agent: AgentWaiting}, nil
	}
	if err := b.close(ctx, p); err != nil {
		return Answer{}, err
	}
	r, err := b.reading(ctx, c, after, p)
	if err != nil {
		return Answer{}, err
	}
	if a, done, err := r.catchUp(ctx); done || err != nil {
		return a, err
	}
	in, err := r.read(ctx, p)
	if err == nil && in.Closed != CloseLooked {
		in, err = r.settle(ctx, p, in)
	}
	if err != nil {
		return Answer{}, err
	}
	return r.answer(Closed, in), nil
}

// close closes a conversation at the desk, and in the mailbox, unless it is.
func (b *Bridge) close(ctx context.Context, p place) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.config.SayLimit)
	defer cancel()
	in, err := b.read(ctx, p, maxIndex)
	if err != nil || in.Closed == CloseLooked {
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
