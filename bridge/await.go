package bridge

import (
	"context"
	"fmt"
	"time"
)

// Await waits for any reply after the cursor, until the deadline, and changes
// nothing. Without a cursor it begins where an [Bridge.Ask] without one would.
// The answer is Replied with at least one reply, Pending, Unavailable, or Closed,
// when the conversation has ended, or nothing was ever asked: then the cursor is
// zero. While the customer's next conversation is being opened it waits for that
// one. ctx and the errors are as with Ask, without ErrKeyReused and ErrUnsure.
func (b *Bridge) Await(ctx context.Context, c Customer, after Cursor, deadline time.Time) (Answer, error) {
	return returned(func(over then) { b.AwaitThen(ctx, c, after, deadline, over) })
}

// AwaitThen is to [Bridge.Await] what [Bridge.AskThen] is to Ask.
func (b *Bridge) AwaitThen(ctx context.Context, c Customer, after Cursor, deadline time.Time, over func(Answer, error)) {
	b.seated(ctx, CallReplies, c, deadline, over, func(seat *seat, over then) error {
		return b.awaitNewest(ctx, seat, after, over)
	})
}

// awaitNewest waits in the customer's newest conversation, and in later ones if that
// ends without a reply. An error means that over is not called.
func (b *Bridge) awaitNewest(ctx context.Context, seat *seat, after Cursor, over then) error {
	newest, w, err := b.found(ctx, seat, after)
	if err != nil {
		return err
	}
	later := func(a Answer) error {
		begun, ended, err := b.next(ctx, seat, newest)
		if begun {
			return b.awaitNewest(ctx, seat, after, over)
		}
		if ended {
			a.Status = Pending
		}
		over(a, err)
		return nil
	}
	if w == nil {
		return later(Answer{Status: Closed, Agent: AgentWaiting})
	}
	w.begin(ctx, func(a Answer, err error) {
		if err != nil || a.Status != Closed && a.Status != Unavailable || len(a.Messages) > 0 {
			over(a, err)
		} else if err := shielded(func() error { return later(a) }); err != nil {
			over(Answer{}, err)
		}
	})
	return nil
}

// found finds the customer's newest conversation, and prepares the wait in it; nil if
// there is none.
func (b *Bridge) found(ctx context.Context, seat *seat, after Cursor) (newest place, w *wait, err error) {
	finding, cancel := within(ctx, seat.deadline, b.config.LookLimit)
	defer cancel()
	given := !after.IsZero()
	dir, after, err := b.from(finding, seat.customer, after)
	if err != nil {
		return newest, nil, err
	}
	newest, any := dir.newest()
	if !any {
		return newest, nil, nil
	}
	watch, err := b.mail.Watch(finding, newest.conversation)
	if err != nil {
		return newest, nil, mailErr("watching "+newest.conversation, err)
	}
	r, err := b.reading(ctx, seat.customer, after, newest)
	if err == nil && given {
		err = r.begin(finding, newest)
	}
	if err != nil {
		watch.Close()
		return newest, nil, err
	}
	return newest, &wait{reading: r, watch: watch, seat: seat, enough: func(place, Message) bool { return true }}, nil
}

// next waits while somebody opens a conversation later than the newest one. It
// reports whether there is one, or else whether the wait has ended first.
func (b *Bridge) next(ctx context.Context, seat *seat, newest place) (begun, ended bool, err error) {
	asking, cancel := within(ctx, seat.deadline, b.config.KeepLimit)
	defer cancel()
	var w Watch
	for {
		o, free, err := b.mail.Lease(asking, seat.customer, "", 0)
		if err != nil {
			return false, false, mailErr("asking for an opener", err)
		}
		dir, err := b.mail.Directory(asking, seat.customer)
		if err != nil {
			return false, false, mailErr("reading the directory", err)
		}
		if p, _ := (directory{Directory: dir}).newest(); p.generation > newest.generation || free {
			return p.generation > newest.generation, false, nil
		}
		if w == nil {
			if w, err = b.mail.WatchCustomer(asking, seat.customer); err != nil {
				return false, false, mailErr("watching for the opening", err)
			}
			defer w.Close()
			continue // it may have changed before we watched
		}
		if ended, err := seat.pause(ctx, w.C(), time.Now().Add(o.Taken)); ended || err != nil {
			return false, ended, err
		}
	}
}

// from returns the customer's conversations and where a caller reads from that
// gave this cursor. Whether anything stands there is still to be checked, see check.
func (b *Bridge) from(ctx context.Context, c Customer, after Cursor) (directory, Cursor, error) {
	dir, err := b.directory(ctx, c, toRead)
	if err != nil {
		return dir, after, err
	}
	if !after.IsZero() {
		return b.locate(ctx, dir, after)
	}
	p, any := dir.newest()
	if !dir.Told.IsZero() || !any {
		return dir, dir.genuine(dir.Told), nil
	}
	in, err := b.state(ctx, p, maxIndex)
	return dir, p.at(in.Own), err
}

// locate refuses a cursor of a conversation that never was. It returns the cursor as
// it is to be read.
func (b *Bridge) locate(ctx context.Context, dir directory, after Cursor) (directory, Cursor, error) {
	p, _ := dir.newest()
	if after.Generation > p.generation {
		var err error
		if dir, err = b.find(ctx, dir.customer, toRead); err != nil {
			return dir, after, err
		}
		var any bool
		p, any = dir.newest()
		if after.Generation == p.generation+1 && after.Index < 0 && (!any || dir.closed[p.generation]) {
			// It stands before the first message of a conversation that was being
			// opened: that came to nothing, or cannot be found yet.
			return dir, after, nil
		}
		if after.Generation > p.generation {
			return dir, after, fmt.Errorf("%w: give back the `cursor` of an earlier answer", ErrCursorAhead)
		}
	}
	return dir, dir.genuine(after), nil
}

// check refuses a cursor beyond everything that was ever said, after one look, which
// it reports. It has been located, and in is what was just read of its conversation.
func (b *Bridge) check(ctx context.Context, p place, after Cursor, in Inbox) (looked bool, err error) {
	if after.Generation != p.generation || after.Index <= in.Top {
		return false, nil
	}
	if in.Closed != CloseLooked {
		if !b.mayLook() {
			return false, fmt.Errorf("%w: too many cursors ahead of their conversations in this second", ErrBusy)
		}
		if _, err := b.look(ctx, p, in.unsure()); err != nil {
			return false, err
		}
		if in, err = b.state(ctx, p, maxIndex); err != nil || after.Index <= in.Top {
			return true, err
		}
	}
	return false, fmt.Errorf("%w: nothing was said there yet; give back the `cursor` of an earlier answer", ErrCursorAhead)
}
