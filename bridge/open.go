package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// directory is what is known of a customer, and of which conversations the desk
// has just said that they are closed.
type directory struct {
	Directory
	customer Customer
	closed   map[int]bool
}

// directory asks the mailbox, and the desk when the mailbox knows nothing.
func (b *Bridge) directory(ctx context.Context, c Customer) (directory, error) {
	dir, err := b.mail.Directory(ctx, c)
	if err != nil {
		return directory{}, mailErr("reading the directory", err)
	}
	if !dir.Known {
		return b.find(ctx, c)
	}
	return directory{Directory: dir, customer: c}, nil
}

// find asks the desk for the customer's conversations and enters them.
func (b *Bridge) find(ctx context.Context, c Customer) (directory, error) {
	if !b.ration.take() {
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

// opened is a conversation that takes the customer's messages, and what the
// mailbox knows of it.
type opened struct {
	place
	own int // Index of the customer's last message; -1
	// finish ends our lease on the customer, if we have one; said tells whether the
	// conversation got its message.
	finish func(said bool)
}

// current returns the customer's conversation if it is open and was opened
// whole. The message is the last step of opening, so one that holds any was.
// half is the conversation that is open, but perhaps not whole.
func (b *Bridge) current(ctx context.Context, dir directory) (o opened, whole bool, half place, err error) {
	p, any := dir.newest()
	if !any || dir.closed[p.generation] {
		return opened{}, false, place{}, nil
	}
	in, err := b.state(ctx, p)
	switch {
	case err != nil:
		return opened{}, false, place{}, err
	case in.Closed != NotClosed:
		return opened{}, false, place{}, nil
	case in.Top < 0:
		return opened{}, false, p, nil
	}
	return opened{place: p, own: in.Own, finish: func(bool) {}}, true, place{}, nil
}

// state reads how a conversation stands, and looks first if the mailbox does not
// know it. That it is closed is certain once it was heard; only its last messages
// are not.
func (b *Bridge) state(ctx context.Context, p place) (Inbox, error) {
	in, err := b.read(ctx, p, maxIndex)
	if err != nil || in.Owner != nil {
		return in, err
	}
	if _, err := b.look(ctx, p, in.unsure()); err != nil {
		return in, err
	}
	return b.read(ctx, p, maxIndex)
}

func (b *Bridge) read(ctx context.Context, p place, after int) (Inbox, error) {
	in, err := b.mail.Read(ctx, p.conversation, after)
	if err != nil {
		return in, mailErr("reading "+p.conversation, err)
	}
	return in, nil
}

var errLeaseLost = errors.New("another opener took over")

// open returns the customer's open conversation, of generation atLeast or
// higher, opening one if need be. Hooks and routes have no uniqueness at the
// desk, so only one opener works, under a lease; others wait for its wake.
func (b *Bridge) open(ctx context.Context, c Customer, atLeast int) (opened, error) {
	w, err := b.mail.WatchCustomer(ctx, c)
	if err != nil {
		return opened{}, mailErr("watching for the opening", err)
	}
	defer w.Close()
	token := rand.Text()
	for {
		steps, held, err := b.mail.Lease(ctx, c, token, b.config.Lease)
		if err != nil {
			return opened{}, mailErr("taking the lease", err)
		}
		if held {
			l := &lease{b: b, customer: c, token: token, steps: steps}
			o, err := l.open(ctx, atLeast)
			if err == nil {
				return o, nil
			}
			if !errors.Is(err, errLeaseLost) {
				l.end(ctx, false)
				return opened{}, err
			}
			continue
		}
		select {
		case <-w.C():
		case <-time.After(steps.Taken):
		case <-ctx.Done():
			return opened{}, fmt.Errorf("waiting for another opener: %w: %w", ErrDeskUnavailable, ctx.Err())
		}
		dir, err := b.directory(ctx, c)
		if err != nil {
			return opened{}, err
		}
		if o, whole, _, err := b.current(ctx, dir); err != nil || whole && o.generation >= atLeast {
			return o, err
		}
	}
}

// lease is the right to open for a customer.
type lease struct {
	b        *Bridge
	customer Customer
	token    string
	steps    Opening
}

// end gives the lease back. The steps stay recorded while the message is
// missing, so that the next opener knows that nothing else is.
func (l *lease) end(ctx context.Context, said bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.b.config.KeepLimit)
	defer cancel()
	var err error
	if said {
		err = l.b.mail.Release(ctx, l.customer, l.token)
	} else {
		_, err = l.b.mail.Record(ctx, l.customer, l.token, l.steps, 0)
	}
	if err != nil {
		l.b.log.WarnContext(ctx, "a lease could not be given back; it ends by itself", "error", err)
	}
}

// open brings the customer's conversation to where only the message is missing.
func (l *lease) open(ctx context.Context, atLeast int) (opened, error) {
	b := l.b
	dir, err := b.directory(ctx, l.customer)
	if err != nil {
		return opened{}, err
	}
	o, whole, half, err := b.current(ctx, dir)
	if err != nil {
		return opened{}, err
	}
	if whole && o.generation >= atLeast {
		l.end(ctx, true)
		return o, nil
	}
	p := place{customer: l.customer, generation: atLeast}
	if newest, any := dir.newest(); any {
		p.generation = max(p.generation, newest.generation+1)
	}
	if half.conversation != "" && half.generation >= atLeast {
		p = half
	} else if l.steps.Conversation != "" && l.steps.Generation >= p.generation {
		p.generation, p.conversation = l.steps.Generation, l.steps.Conversation
	}
	return l.openAt(ctx, p)
}

// openAt opens p, or a later generation when p turns out to be closed or gone.
func (l *lease) openAt(ctx context.Context, p place) (opened, error) {
	for range 8 {
		own, err := l.try(ctx, &p)
		switch {
		case err == nil:
			// The lease has to last until the message is said.
			if err := l.record(ctx, p, Routed, l.b.sayingFor(ctx)); err != nil {
				return opened{}, err
			}
			return opened{place: p, own: own, finish: func(said bool) { l.end(ctx, said) }}, nil
		case errors.Is(err, ErrClosed), errors.Is(err, ErrGone):
			p = place{customer: p.customer, generation: p.generation + 1}
		default:
			return opened{}, err
		}
	}
	return opened{}, fmt.Errorf("opening a conversation: %w: each generation up to %d is closed", ErrDeskUnavailable, p.generation)
}

// try does the steps that are missing and returns the Index of the customer's
// last message, -1.
func (l *lease) try(ctx context.Context, p *place) (own int, err error) {
	desk := l.b.desk
	if p.conversation == "" {
		p.conversation, err = desk.Create(ctx, p.customer, p.generation)
		if err == nil {
			return -1, l.finishNew(ctx, *p)
		}
		if !errors.Is(err, ErrTaken) {
			return 0, deskErr("creating a conversation", err)
		}
		found, err := desk.Fetch(ctx, p.customer, p.generation)
		if err != nil {
			return 0, deskErr("fetching a conversation", err)
		}
		if found.Closed {
			return 0, fmt.Errorf("%s: %w", found.Conversation, ErrClosed)
		}
		p.conversation = found.Conversation
	}
	if l.steps.Conversation == p.conversation && l.steps.Done == Routed {
		return -1, nil
	}
	return l.takeOver(ctx, *p)
}

// finishNew does every step after the creation.
func (l *lease) finishNew(ctx context.Context, p place) error {
	if err := l.record(ctx, p, Created, l.b.config.Lease); err != nil {
		return err
	}
	if _, err := l.b.mail.Keep(ctx, p.conversation, Update{Owner: &Owner{Customer: p.customer, Generation: p.generation}}); err != nil {
		return mailErr("keeping a new conversation", err)
	}
	if err := l.enter(ctx, p); err != nil {
		return err
	}
	return l.finish(ctx, p, false, false)
}

// takeOver finishes what somebody else began, or what a lost mailbox has
// forgotten. It returns the Index of the customer's last message.
func (l *lease) takeOver(ctx context.Context, p place) (own int, err error) {
	closed, err := l.b.look(ctx, p, -1)
	if err != nil {
		return 0, err
	}
	if closed {
		return 0, fmt.Errorf("%s: %w", p.conversation, ErrClosed)
	}
	if err := l.enter(ctx, p); err != nil {
		return 0, err
	}
	in, err := l.b.read(ctx, p, maxIndex)
	if err != nil || in.Top >= 0 {
		return in.Own, err
	}
	hooked, routed, err := l.b.desk.Hooks(ctx, p.conversation)
	if err != nil {
		return 0, deskErr("listing hooks", err)
	}
	return -1, l.finish(ctx, p, hooked, routed)
}

func (l *lease) enter(ctx context.Context, p place) error {
	if err := l.b.mail.Enter(ctx, p.customer, map[int]string{p.generation: p.conversation}); err != nil {
		return mailErr("entering a conversation", err)
	}
	return l.record(ctx, p, Entered, l.b.config.Lease)
}

// finish does the steps from joining on, but for those of the two that may be done.
func (l *lease) finish(ctx context.Context, p place, hooked, routed bool) error {
	desk := l.b.desk
	if err := desk.Join(ctx, p.conversation, p.customer); err != nil {
		return deskErr("joining "+p.conversation, err)
	}
	if err := l.record(ctx, p, Joined, l.b.config.Lease); err != nil {
		return err
	}
	if !hooked {
		if err := desk.Hook(ctx, p.conversation); err != nil {
			return deskErr("hooking "+p.conversation, err)
		}
	}
	if err := l.record(ctx, p, Hooked, l.b.config.Lease); err != nil {
		return err
	}
	if routed {
		return nil
	}
	if err := desk.Route(ctx, p.conversation); err != nil {
		return deskErr("routing "+p.conversation, err)
	}
	return nil
}

// record notes a step and renews the lease.
func (l *lease) record(ctx context.Context, p place, done Step, d time.Duration) error {
	l.steps = Opening{Generation: p.generation, Conversation: p.conversation, Done: done}
	held, err := l.b.mail.Record(ctx, l.customer, l.token, l.steps, d)
	if err != nil {
		return mailErr("recording a step", err)
	}
	if !held {
		return errLeaseLost
	}
	return nil
}
