package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// opened is a conversation that takes the customer's messages, and what the
// mailbox knows of it.
type opened struct {
	place
	own int // Index of the customer's last message; -1
	// finish ends our lease on the customer, if we have one; said tells whether the
	// conversation got its message.
	finish func(said bool)
}

// standing is how the customer's newest conversation stands. Without any, and when
// that is closed, it is neither.
type standing struct {
	opened
	whole     bool   // it is open and was opened whole, and an agent may come
	half      bool   // it is open, but perhaps not whole
	abandoned bool   // it is open, and no agent comes
	in        *Inbox // what was read of it; nil if nothing was
}

// current tells how the customer's newest conversation stands. The message is the
// last step of opening, so one that holds any was opened whole.
func (b *Bridge) current(ctx context.Context, dir directory) (standing, error) {
	p, any := dir.newest()
	if !any || dir.closed[p.generation] {
		return standing{}, nil
	}
	in, err := b.state(ctx, p, maxIndex)
	if err != nil || in.Closed != NotClosed {
		return standing{in: &in}, err
	}
	return standing{
		in:        &in,
		opened:    opened{place: p, own: in.Own, finish: func(bool) {}},
		whole:     in.Top >= 0 && !in.Abandoned,
		half:      in.Top < 0 && !in.Abandoned,
		abandoned: in.Abandoned,
	}, nil
}

var errLeaseLost = errors.New("another opener took over")

// open returns the customer's open conversation, of generation atLeast or
// higher, opening one if need be. Hooks and routes have no uniqueness at the
// desk, so only one opener works, under a lease; others wait for its wake.
func (b *Bridge) open(ctx context.Context, c Customer, atLeast int, about About) (opened, error) {
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
			l := &lease{b: b, customer: c, about: about, token: token, steps: steps}
			o, err := l.open(ctx, atLeast)
			if errors.Is(err, errLeaseLost) {
				continue
			}
			if err != nil {
				l.end(ctx, false)
			}
			return o, err
		}
		select {
		case <-w.C():
		case <-time.After(steps.Taken):
		case <-ctx.Done():
			return opened{}, fmt.Errorf("waiting for another opener: %w: %w", ErrDeskUnavailable, ctx.Err())
		}
		dir, err := b.directory(ctx, c, toAsk)
		if err != nil {
			return opened{}, err
		}
		if now, err := b.current(ctx, dir); err != nil || now.whole && now.generation >= atLeast {
			return now.opened, err
		}
	}
}
