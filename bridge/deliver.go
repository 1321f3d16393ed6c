package bridge

import (
	"context"
	"time"
)

// Deliver keeps what the desk reports and wakes who waits for it. It asks the
// desk nothing. [ErrMailbox]: it could not be kept within KeepLimit; Deliver goes
// on trying in the background, for the desk does not report twice.
func (b *Bridge) Deliver(ctx context.Context, e Event) error {
	u, any := e.update()
	if !any {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	err := b.keep(ctx, e.Conversation, u)
	if err == nil {
		return nil
	}
	if b.late.Add(1) > int64(b.config.KeepWaiting) {
		b.late.Add(-1)
		b.observer.Happened(DeliveryLost, 1)
		b.log.ErrorContext(ctx, "a report was given up: too many wait for the mailbox", "conversation", e.Conversation)
		return mailErr("delivering", err)
	}
	b.observer.Happened(DeliveryLate, 1)
	b.background(ctx, b.config.KeepRetry, func(ctx context.Context) {
		defer b.late.Add(-1)
		b.keepLater(ctx, e.Conversation, u)
	})
	return mailErr("delivering", err)
}

func (b *Bridge) keep(ctx context.Context, conversation string, u Update) error {
	ctx, cancel := context.WithTimeout(ctx, b.config.KeepLimit)
	defer cancel()
	kept, err := b.mail.Keep(ctx, conversation, u)
	b.answered(kept)
	if err == nil && kept.Late > 0 {
		// It will be read by nobody whose cursor is past it.
		b.log.ErrorContext(ctx, "a message came that was believed not to exist", "conversation", conversation, "mark", kept.Mark)
	}
	return err
}

func (b *Bridge) keepLater(ctx context.Context, conversation string, u Update) {
	for pause := 100 * time.Millisecond; sleep(ctx, pause); pause = min(2*pause, b.config.KeepLimit) {
		if b.keep(ctx, conversation, u) == nil {
			return
		}
	}
	b.observer.Happened(DeliveryLost, 1)
	b.log.ErrorContext(ctx, "a report could not be kept: the next look has to find it", "conversation", conversation)
}

// update is what an event makes known; false when that is nothing.
func (e Event) update() (Update, bool) {
	u := Update{OwnedOnly: !e.Ours}
	switch {
	case e.Message != nil:
		heard := *e.Message
		heard.HeardAt = time.Now().UTC()
		u.Messages = []Message{heard}
	case e.Joined != nil && e.Joined.agent():
		u.Joined = []string{e.Joined.SID}
	case e.Left != nil && e.Left.agent():
		u.Left = []string{e.Left.SID}
	case e.Closed:
		u.Closed = CloseHeard
	default:
		return Update{}, false
	}
	return u, true
}

// agent reports whether somebody is a person at the desk. Who has no chat
// identity is on SMS or the like.
func (p Participant) agent() bool {
	_, customer := CustomerOf(p.Identity)
	return p.Identity != "" && !customer
}

// sleep pauses, and reports false when the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
