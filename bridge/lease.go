package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// lease is the right to open for a customer.
type lease struct {
	b         *Bridge
	customer  Customer
	about     About // what the question is about that opens
	token     string
	steps     Opening
	known     map[int]string // generation → SID, all of the customer's
	doubt     time.Duration  // how long a step with an unknown outcome may still take effect
	forgotten bool           // whether what somebody else began is not recorded
}

// end gives the lease back, once nothing of ours can take effect any more. The
// steps stay recorded while the message is missing, so that the next opener knows
// that nothing else is.
func (l *lease) end(ctx context.Context, said bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.b.config.KeepLimit)
	defer cancel()
	var err error
	if said {
		err = l.b.mail.Release(ctx, l.customer, l.token)
	} else {
		_, err = l.b.mail.Record(ctx, l.customer, l.token, l.steps, l.doubt)
	}
	if err != nil {
		l.b.log.WarnContext(ctx, "a lease could not be given back; it ends by itself", "error", err)
	}
}

// open brings the customer's conversation to where only the message is missing.
func (l *lease) open(ctx context.Context, atLeast int) (opened, error) {
	b := l.b
	dir, err := b.directory(ctx, l.customer, toAsk)
	if err != nil {
		return opened{}, err
	}
	if l.known = dir.Conversations; l.known == nil {
		l.known = map[int]string{}
	}
	now, err := b.current(ctx, dir)
	if err != nil {
		return opened{}, err
	}
	if now.whole && now.generation >= atLeast {
		l.end(ctx, true)
		return now.opened, nil
	}
	if now.abandoned {
		// A customer has one open conversation at most.
		if err := b.close(ctx, now.place); err != nil {
			return opened{}, err
		}
	}
	p := place{customer: l.customer, generation: atLeast}
	if newest, any := dir.newest(); any {
		p.generation = max(p.generation, newest.generation+1)
	}
	if now.half && now.generation >= atLeast {
		p = now.place
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
		p.conversation, err = desk.Create(ctx, p.customer, p.generation, l.about)
		if err == nil {
			l.known[p.generation] = p.conversation
			return -1, l.finishNew(ctx, *p)
		}
		if !errors.Is(err, ErrTaken) {
			return 0, deskErr("creating a conversation", err)
		}
		found, err := desk.Fetch(ctx, p.customer, p.generation)
		if err != nil {
			return 0, deskErr("fetching a conversation", err)
		}
		p.conversation = found.Conversation
		l.known[p.generation] = p.conversation
		if found.Closed {
			return 0, fmt.Errorf("%s: %w", found.Conversation, ErrClosed)
		}
	}
	l.known[p.generation] = p.conversation
	if l.steps.Conversation == p.conversation && l.steps.Done == Routed {
		return -1, nil
	}
	// The mailbox has lost the steps, and with them the lease: whoever had it may
	// be in the middle of one.
	l.forgotten = l.steps.Conversation != p.conversation
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
	if l.forgotten && !sleep(ctx, l.b.config.Lease/2) {
		return 0, deskErr("waiting for another opener's step", ctx.Err())
	}
	hooked, routed, err := l.b.desk.Hooks(ctx, p.conversation)
	if err != nil {
		return 0, deskErr("listing hooks", err)
	}
	return -1, l.finish(ctx, p, hooked, routed)
}

// enter enters the conversation, and all others, too: a directory that was lost
// meanwhile would otherwise seem to be whole with this one alone.
func (l *lease) enter(ctx context.Context, p place) error {
	if err := l.b.mail.Enter(ctx, p.customer, l.known); err != nil {
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
		if err := l.only(ctx, "hooking "+p.conversation, func(ctx context.Context) error { return desk.Hook(ctx, p.conversation) }); err != nil {
			return err
		}
	}
	if err := l.record(ctx, p, Hooked, l.b.config.Lease); err != nil {
		return err
	}
	if routed {
		return nil
	}
	return l.only(ctx, "routing "+p.conversation, func(ctx context.Context) error { return desk.Route(ctx, p.conversation, l.about) })
}

// only does a step that must not be done twice. It has to end well before the
// lease does, and while its outcome is unknown the lease is not given back: the
// next opener could not see yet what is about to take effect.
func (l *lease) only(ctx context.Context, doing string, step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, l.b.config.Lease/2)
	defer cancel()
	err := step(ctx)
	if err == nil {
		return nil
	}
	if !definite(err) {
		l.doubt = l.b.config.Lease / 2
	}
	return deskErr(doing, err)
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
