package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// maxIndex is above every Index, and believes any gap.
const maxIndex = 1_000_000_000

// look asks the desk: the state first, then the messages after an Index, so that
// in a closed conversation the list is complete; and keeps what it saw. It
// reports whether the conversation is closed. It runs at most LookLimit.
func (b *Bridge) look(ctx context.Context, p place, after int) (closed bool, err error) {
	defer func() {
		if err != nil {
			b.observer.Happened(LookFailed, 1)
		} else {
			b.observer.Happened(LookDone, 1)
		}
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.config.LookLimit)
	defer cancel()
	u, err := b.see(ctx, p, after)
	if err != nil {
		return false, err
	}
	kept, err := b.mail.Keep(ctx, p.conversation, u)
	if err != nil {
		return false, mailErr("keeping a look at "+p.conversation, err)
	}
	b.answered(kept)
	b.observer.Happened(ReplyFound, kept.Replies)
	b.observer.Happened(GapRepaired, kept.Repaired)
	b.observer.Happened(GapSkipped, kept.Skipped)
	b.log.DebugContext(ctx, "looked", "conversation", p.conversation, "new", kept.New, "mark", kept.Mark, "closed", u.Closed != NotClosed)
	return u.Closed != NotClosed, nil
}

// see makes an update of what the desk shows. Only a look from the start makes a
// conversation known: had the mailbox lost it meanwhile, any other would seem to
// be all of it.
func (b *Bridge) see(ctx context.Context, p place, after int) (Update, error) {
	u := Update{OwnedOnly: after >= 0, From: after + 1}
	if after < 0 {
		u.Owner = &Owner{Customer: p.customer, Generation: p.generation}
	}
	closed, err := b.desk.State(ctx, p.conversation)
	var list Listing
	if err == nil {
		list, err = b.desk.Since(ctx, p.conversation, after)
	}
	if errors.Is(err, ErrGone) { // deleted, and its messages with it
		u.Closed, u.Believe, u.From = CloseLooked, maxIndex, 0
		return u, nil
	}
	if err != nil {
		return Update{}, deskErr("looking at "+p.conversation, err)
	}
	next := after + 1
	for _, m := range list.Messages {
		if m.Index > next && list.At.Sub(m.SentAt.Truncate(time.Second)) >= b.config.GapBelief {
			u.Believe = m.Index
		}
		next = m.Index + 1
	}
	u.Messages = list.Messages
	if closed {
		u.Closed = CloseLooked
	}
	return u, nil
}

// definite reports whether an error of the desk says what became of the call.
func definite(err error) bool {
	return slices.ContainsFunc([]error{ErrTaken, ErrClosed, ErrGone, ErrDeskRefused, ErrDeskUnavailable},
		func(known error) bool { return errors.Is(err, known) })
}

// deskErr is what every failure of the desk becomes whose outcome does not
// matter, because the call may be repeated.
func deskErr(doing string, err error) error {
	if definite(err) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrDeskUnavailable, err)
}

// ration allows so many within each second, first come first served.
type ration struct {
	perSecond int

	mu    sync.Mutex
	began time.Time
	used  int
}

func (r *ration) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.began) >= time.Second {
		r.began, r.used = now, 0
	}
	if r.used >= r.perSecond {
		return false
	}
	r.used++
	return true
}
