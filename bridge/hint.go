package bridge

import (
	"context"
	"sync"
	"time"
)

// Hint makes the bridge look at a conversation in which something is said to have
// happened, by somebody who need not be believed. It returns at once and reports
// nothing; the mailbox is read in the background. A conversation that it does not
// know, or knows to be over, costs the desk nothing. In any other a look follows
// that began after Hint was called; hints that come before it begins share it.
//
// Such looks are HintEvery apart in a conversation, and rationed by LooksPerSecond
// apart from all others. A hint is given up when KeepRetry has passed, when it
// finds KeepWaiting others before it, and by Close.
func (b *Bridge) Hint(ctx context.Context, conversation string) {
	if !b.hints.add(conversation, b.config.KeepWaiting) {
		return
	}
	b.background(ctx, b.config.KeepRetry, func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(b.closing, cancel)()
		b.follow(ctx, conversation)
	})
}

// follow looks once, if there is anything to look for, and again if that failed.
func (b *Bridge) follow(ctx context.Context, conversation string) {
	for {
		p, from, due := b.turn(ctx, conversation)
		b.hints.remove(conversation) // before the look: what comes during it needs another
		if !due {
			return
		}
		_, err := b.look(ctx, p, from)
		if err == nil {
			return
		}
		b.log.WarnContext(ctx, "could not look at a conversation", "conversation", conversation, "error", err)
		if !b.hints.add(conversation, b.config.KeepWaiting) {
			return
		}
	}
}

// turn waits for the right to look, which is from an Index on. It reports false
// when there is nothing to look for or the hint is given up.
func (b *Bridge) turn(ctx context.Context, conversation string) (p place, from int, due bool) {
	p.conversation = conversation
	for pause := time.Duration(0); sleep(ctx, pause); {
		pause = b.config.HintEvery
		in, err := b.read(ctx, p, maxIndex)
		switch {
		case err != nil:
			continue
		case in.Owner == nil || in.Closed == CloseLooked:
			return p, 0, false
		case in.LookAge >= 0 && in.LookAge < b.config.HintEvery:
			pause -= in.LookAge
			continue
		case !b.hints.ration.take():
			continue
		}
		if mine, err := b.mail.Claim(ctx, conversation, b.config.HintEvery); err == nil && mine {
			p.customer, p.generation = in.Owner.Customer, in.Owner.Generation
			return p, in.Mark, true
		}
	}
	b.log.DebugContext(ctx, "a hint was given up", "conversation", conversation)
	return p, 0, false
}

// hints are the conversations with a hint for which no look has begun.
type hints struct {
	ration ration

	mu      sync.Mutex
	waiting map[string]bool
}

// add reports false when the hint is not to be followed: another waits for the
// same look, or too many for any.
func (h *hints) add(conversation string, most int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting[conversation] || len(h.waiting) >= most {
		return false
	}
	h.waiting[conversation] = true
	return true
}

func (h *hints) remove(conversation string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting, conversation)
}
