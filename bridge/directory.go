package bridge

import (
	"context"
	"fmt"
)

// directory is what is known of a customer, and of which conversations the desk
// has just said that they are closed.
type directory struct {
	Directory
	customer Customer
	closed   map[int]bool
}

// directory asks the mailbox, and the desk when the mailbox knows nothing.
func (b *Bridge) directory(ctx context.Context, c Customer, why purpose) (directory, error) {
	dir, err := b.mail.Directory(ctx, c)
	if err != nil {
		return directory{}, mailErr("reading the directory", err)
	}
	if !dir.Known {
		return b.find(ctx, c, why)
	}
	return directory{Directory: dir, customer: c}, nil
}

// purpose is what a customer is looked up for.
type purpose bool

const (
	toAsk  purpose = false
	toRead purpose = true // or to end what there is
)

// find asks the desk for the customer's conversations and enters them. Names can be
// made up by the thousand, and those who only read cost no question: so they get
// half of the ration at most, and leave the rest to who asks.
func (b *Bridge) find(ctx context.Context, c Customer, why purpose) (directory, error) {
	if why == toRead && !b.readers.take() || !b.ration.take() {
		b.observer.Happened(LookRefused, 1)
		return directory{}, fmt.Errorf("%w: too many look-ups of customers in this second", ErrBusy)
	}
	found, err := b.desk.Find(ctx, c)
	if err != nil {
		return directory{}, deskErr("finding conversations", err)
	}
	dir := directory{customer: c, closed: map[int]bool{}}
	dir.Known, dir.Conversations = true, map[int]string{}
	for _, f := range found {
		dir.Conversations[f.Generation] = f.Conversation
		dir.closed[f.Generation] = f.Closed
	}
	if err := b.mail.Enter(ctx, c, dir.Conversations); err != nil {
		return directory{}, mailErr("entering conversations", err)
	}
	return dir, nil
}

// genuine returns the cursor, or the start of its generation if it comes from
// another conversation, which had that generation before it was deleted.
func (d directory) genuine(c Cursor) Cursor {
	conversation, any := d.Conversations[c.Generation]
	if c.IsZero() || !any || c.in(conversation) {
		return c
	}
	return At(c.Generation, conversation, -1)
}

// newest returns the conversation of the highest generation.
func (d directory) newest() (place, bool) {
	p := place{customer: d.customer, generation: -1}
	for g, conversation := range d.Conversations {
		if g > p.generation {
			p.generation, p.conversation = g, conversation
		}
	}
	return p, p.generation >= 0
}

// state reads how a conversation stands, and its messages after an Index. It looks
// first if the mailbox does not know the conversation. That it is closed is certain
// once it was heard; only its last messages are not.
func (b *Bridge) state(ctx context.Context, p place, after int) (Inbox, error) {
	in, err := b.read(ctx, p, after)
	if err != nil || in.Owner != nil {
		return in, err
	}
	if _, err := b.look(ctx, p, in.unsure()); err != nil {
		return in, err
	}
	return b.read(ctx, p, after)
}

// read reads the mailbox within KeepLimit, even when the caller has left.
func (b *Bridge) read(ctx context.Context, p place, after int) (Inbox, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.config.KeepLimit)
	defer cancel()
	in, err := b.mail.Read(ctx, p.conversation, after)
	if err != nil {
		return in, mailErr("reading "+p.conversation, err)
	}
	return in, nil
}
