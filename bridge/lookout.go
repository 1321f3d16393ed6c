package bridge

import (
	"context"
	"log/slog"
	"time"
)

// lookout decides when one waiter looks at its conversation. Whatever the
// reason, the look is claimed, so that one waiter does it for all; the others
// are woken by what it keeps.
type lookout struct {
	b        *Bridge
	place    place
	deadline time.Time
	last     time.Time // when to look before the deadline; zero once done
	agent    AgentState

	doubtful time.Time     // since when the mailbox is known to be behind, or zero
	again    time.Time     // when to look for that reason
	pause    time.Duration // before the next try, grows
}

func (b *Bridge) lookout(p place, deadline time.Time) *lookout {
	wait := max(time.Until(deadline), 0)
	return &lookout{b: b, place: p, deadline: deadline, last: deadline.Add(-min(b.config.LastLook, wait/4))}
}

// due starts the looks that are due by what the mailbox said, in the background,
// and returns when to come back, at the latest the deadline.
func (l *lookout) due(ctx context.Context, in Inbox, behind bool) time.Time {
	now := time.Now()
	l.agent = in.Agent
	from := in.unsure()
	next := l.deadline
	for _, t := range []time.Time{
		l.forDoubt(ctx, now, from, behind || in.Closed == CloseHeard),
		l.forGap(ctx, now, in),
		l.forDeadline(ctx, now, from),
	} {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return next
}

// unsure is the Index up to which a look need not list.
func (in Inbox) unsure() int {
	if in.Owner == nil {
		return -1
	}
	return in.Mark
}

// forDoubt looks at once when the mailbox cannot be right, and again, ever more
// rarely, while that lasts: the one who claimed the look may have died.
func (l *lookout) forDoubt(ctx context.Context, now time.Time, from int, doubt bool) time.Time {
	if !doubt {
		l.doubtful, l.again, l.pause = time.Time{}, time.Time{}, 0
		return time.Time{}
	}
	if l.doubtful.IsZero() {
		l.doubtful, l.again, l.pause = now, now, l.b.config.LookLimit
	}
	if now.Before(l.again) {
		return l.again
	}
	l.start(ctx, from, now.Sub(l.again)+claimSlack)
	l.again, l.pause = now.Add(l.pause), 2*l.pause
	return l.again
}

// claimSlack is within which two waiters who find the same reason count as one.
const claimSlack = 100 * time.Millisecond

// forGap gives a late webhook its time, looks, and once more when the desk's own
// clock can prove that the missing message never existed.
func (l *lookout) forGap(ctx context.Context, now time.Time, in Inbox) time.Time {
	if in.Top <= in.Mark || in.Owner == nil {
		return time.Time{}
	}
	looked := in.LookAge
	if looked < 0 {
		looked = time.Duration(1<<63 - 1)
	}
	// The desk tells whole seconds of both times, so that a second more is needed.
	for _, after := range []time.Duration{l.b.config.GapWait, l.b.config.GapBelief + time.Second} {
		since := in.GapAge - after
		if since < 0 {
			return now.Add(-since)
		}
		if looked > since { // no look was begun since it was due
			l.start(ctx, in.Mark, max(since, time.Millisecond))
			return now.Add(claimSlack)
		}
	}
	return time.Time{}
}

// forDeadline looks once, near the end: webhooks may have been lost without a trace.
func (l *lookout) forDeadline(ctx context.Context, now time.Time, from int) time.Time {
	if l.last.IsZero() || now.Before(l.last) {
		return l.last
	}
	l.last = time.Time{}
	if l.agent != AgentJoined {
		l.b.askShift(ctx)
	}
	if !l.b.mayLook() {
		l.b.log.WarnContext(ctx, "a look before a deadline was refused: too many in this second")
		return time.Time{}
	}
	l.start(ctx, from, min(l.b.config.LookEvery, l.b.config.Wait))
	return time.Time{}
}

// start looks in the background unless somebody has during the last d.
func (l *lookout) start(ctx context.Context, from int, d time.Duration) {
	b, p, alone := l.b, l.place, l.agent == AgentWaiting
	b.background(ctx, b.config.LookLimit, func(ctx context.Context) {
		mine, err := b.mail.Claim(ctx, p.conversation, d)
		if err == nil && mine {
			err = b.lookOut(ctx, p, from, alone)
		}
		if err != nil {
			b.log.LogAttrs(ctx, slog.LevelWarn, "could not look at a conversation",
				slog.String("conversation", p.conversation), slog.Any("error", err))
		}
	})
}

// lookOut looks, and then notices if nobody is going to come to a customer who is
// alone.
func (b *Bridge) lookOut(ctx context.Context, p place, from int, alone bool) error {
	closed, err := b.look(ctx, p, from)
	if err != nil || closed || !alone {
		return err
	}
	abandoned, err := b.desk.Abandoned(ctx, p.conversation)
	if err != nil {
		return deskErr("asking for the agent of "+p.conversation, err)
	}
	if !abandoned {
		return nil
	}
	b.log.WarnContext(ctx, "no agent is coming: the hand-over came to nothing, and the conversation is open",
		"conversation", p.conversation)
	if _, err := b.mail.Keep(ctx, p.conversation, Update{Abandoned: true, OwnedOnly: true}); err != nil {
		return mailErr("keeping that no agent comes to "+p.conversation, err)
	}
	return nil
}
