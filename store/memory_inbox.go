package store

import (
	"context"
	"slices"
	"time"

	"flexbridge/bridge"
)

// box returns the conversation's, a new one if there is none; m.mu is held.
func (m *Memory) box(conversation string, now time.Time) *box {
	if e := m.boxes.at(conversation, now); e != nil {
		return e.v
	}
	return newBox()
}

// Keep keeps what has become known; see bridge.Mailbox.
func (m *Memory) Keep(ctx context.Context, conversation string, u bridge.Update) (bridge.Kept, error) {
	letters, err := seal(u.Messages)
	if err != nil {
		return bridge.Kept{}, err
	}
	now, err := m.enter(ctx)
	if err != nil {
		return bridge.Kept{}, err
	}
	defer m.mu.Unlock()
	b := m.box(conversation, now)
	if u.OwnedOnly && b.owner == nil {
		return bridge.Kept{Mark: b.mark}, nil
	}
	before := b.mark
	if before < u.From-1 { // what the desk was not asked for and is not known here was lost
		u.Believe, u.Closed = 0, min(u.Closed, bridge.CloseHeard)
	}
	known, gaps, spoke := b.owner != nil, b.gaps(), b.spoke()
	kept := b.put(letters)
	kept.Skipped = b.advance(u.Believe)
	kept.Repaired = b.filled(gaps)
	if !known {
		kept.Replies, kept.Repaired, kept.Skipped = 0, 0, 0
	}
	b.noteGap(before, now)
	kept.Mark = b.mark
	moved := b.come(joined(u))
	moved = b.leave(u.Left) || moved
	risen := b.rise(u)
	turned := b.turn(hopeOf(u))
	if kept.New > 0 || b.mark != before || moved || risen || turned {
		m.boxes.put(conversation, b, now.Add(m.cfg.Retention))
		var news *bridge.Message
		if !risen {
			news = b.news(kept, before)
		}
		m.watched[wakeChannel(conversation)].wake(news)
	}
	if known {
		kept.Answered, err = b.answered(spoke)
	}
	return kept, err
}

// Read returns what is known; see bridge.Mailbox.
func (m *Memory) Read(ctx context.Context, conversation string, after int) (bridge.Inbox, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return bridge.Inbox{}, err
	}
	defer m.mu.Unlock()
	b := m.box(conversation, now)
	in := bridge.Inbox{
		Mark: b.mark, Top: b.top, Own: b.own,
		LookAge: never,
		Closed:  b.closed,
		Agent:   agentState(len(b.participants) > 0, b.in()),

		Abandoned: b.hope == none,
	}
	if b.owner != nil {
		owner := *b.owner
		in.Owner = &owner
	}
	if !b.gapAt.IsZero() {
		in.GapAge = now.Sub(b.gapAt)
	}
	if !b.looked.IsZero() {
		in.LookAge = now.Sub(b.looked)
	}
	if in.Unanswered, err = b.unanswered(); err != nil {
		return bridge.Inbox{}, err
	}
	first, _ := slices.BinarySearch(b.indices, after+1)
	for _, i := range b.indices[first:] {
		if i > b.mark {
			break
		}
		message, err := unseal(b.letters[i].text)
		if err != nil {
			return bridge.Inbox{}, err
		}
		in.Messages = append(in.Messages, message)
	}
	return in, nil
}

// never is the age of a look that was never claimed.
const never = time.Duration(-1)

// Find finds the customer's message by its nonce; see bridge.Mailbox.
func (m *Memory) Find(ctx context.Context, conversation, nonce string) (int, bool, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return 0, false, err
	}
	defer m.mu.Unlock()
	index, found := m.box(conversation, now).nonces[nonce]
	return index, found, nil
}

// Claim claims a look; see bridge.Mailbox.
func (m *Memory) Claim(ctx context.Context, conversation string, d time.Duration) (bool, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return false, err
	}
	defer m.mu.Unlock()
	b := m.box(conversation, now)
	if !b.looked.IsZero() && now.Sub(b.looked) < d {
		return false, nil
	}
	b.looked = now
	m.boxes.put(conversation, b, now.Add(m.cfg.Retention))
	return true, nil
}
