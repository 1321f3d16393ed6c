package store

import (
	"context"
	"slices"
	"time"

	"flexbridge/bridge"
)

// box is a conversation.
type box struct {
	owner          *bridge.Owner
	mark, top, own int
	gapAt, looked  time.Time
	closed         bridge.Closing
	participants   map[string]bool // whether it is in; false once it left
	hope           hope
	letters        map[int]letter
	indices        []int          // of letters, ascending
	nonces         map[string]int // indices of the customer's messages
}

func newBox() *box {
	return &box{
		mark: -1, top: -1, own: -1,
		participants: make(map[string]bool),
		letters:      make(map[int]letter),
		nonces:       make(map[string]int),
	}
}

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
	kept := b.put(letters)
	b.advance(u.Believe)
	b.noteGap(before, now)
	kept.Mark = b.mark
	moved := b.come(joined(u))
	moved = b.leave(u.Left) || moved
	risen := b.rise(u)
	turned := b.turn(hopeOf(u))
	if kept.New > 0 || b.mark != before || moved || risen || turned {
		m.boxes.put(conversation, b, now.Add(m.cfg.Retention))
		m.wake(conversation)
	}
	return kept, nil
}

// put keeps the letters that are not there yet. One at or below the mark is late.
func (b *box) put(letters []letter) (kept bridge.Kept) {
	for _, l := range letters {
		if l.nonce != "" {
			b.nonces[l.nonce] = l.index
		}
		if _, there := b.letters[l.index]; there {
			continue
		}
		b.letters[l.index] = l
		at, _ := slices.BinarySearch(b.indices, l.index)
		b.indices = slices.Insert(b.indices, at, l.index)
		b.top = max(b.top, l.index)
		kept.New++
		if l.index <= b.mark {
			kept.Late++
			if l.own {
				b.own = max(b.own, l.index)
			}
		}
	}
	return kept
}

// advance moves the mark over the run now known, and past the holes below believe.
func (b *box) advance(believe int) {
	first, _ := slices.BinarySearch(b.indices, b.mark+1)
	for _, i := range b.indices[first:] {
		if i != b.mark+1 && i > believe {
			return
		}
		b.mark = i
		if b.letters[i].own {
			b.own = i
		}
	}
}

// noteGap notes since when the message beyond the present gap has been there.
func (b *box) noteGap(before int, now time.Time) {
	switch {
	case b.top == b.mark:
		b.gapAt = time.Time{}
	case b.mark != before || b.gapAt.IsZero():
		b.gapAt = now
	}
}

func (b *box) come(sids []string) (changed bool) {
	for _, sid := range sids {
		if _, known := b.participants[sid]; !known {
			b.participants[sid], changed = true, true
		}
	}
	return changed
}

func (b *box) leave(sids []string) (changed bool) {
	for _, sid := range sids {
		if in, known := b.participants[sid]; sid != "" && (in || !known) {
			b.participants[sid], changed = false, true
		}
	}
	return changed
}

// rise sets what is set once, and what only rises.
func (b *box) rise(u bridge.Update) (changed bool) {
	if u.Owner != nil && b.owner == nil {
		owner := *u.Owner
		b.owner, changed = &owner, true
	}
	closed := u.Closed
	if b.top > b.mark {
		closed = min(closed, bridge.CloseHeard)
	}
	if closed > b.closed {
		b.closed, changed = closed, true
	}
	return changed
}

// turn notes that an agent has come, or, before that, that none will.
func (b *box) turn(h hope) (changed bool) {
	if h <= b.hope {
		return false
	}
	b.hope = h
	return true
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

func (b *box) in() (n int) {
	for _, in := range b.participants {
		if in {
			n++
		}
	}
	return n
}

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
