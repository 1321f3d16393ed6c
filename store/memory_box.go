package store

import (
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
		if l.whose != customers {
			kept.Replies++
		}
		if l.index <= b.mark {
			kept.Late++
			if l.whose == customers {
				b.own = max(b.own, l.index)
			}
		}
	}
	return kept
}

// advance moves the mark over the run now known, and past the holes below believe,
// and returns how many those are.
func (b *box) advance(believe int) (skipped int) {
	first, _ := slices.BinarySearch(b.indices, b.mark+1)
	for _, i := range b.indices[first:] {
		if i != b.mark+1 {
			if i > believe {
				return skipped
			}
			skipped++
		}
		b.mark = i
		if b.letters[i].whose == customers {
			b.own = i
		}
	}
	return skipped
}

// gaps are those above the mark, each with its first and last index.
func (b *box) gaps() (gaps [][2]int) {
	below := b.mark
	first, _ := slices.BinarySearch(b.indices, b.mark+1)
	for _, i := range b.indices[first:] {
		if i > below+1 {
			gaps = append(gaps, [2]int{below + 1, i - 1})
		}
		below = i
	}
	return gaps
}

// filled counts the gaps of which every message is known by now.
func (b *box) filled(gaps [][2]int) (n int) {
	for _, gap := range gaps {
		from, _ := slices.BinarySearch(b.indices, gap[0])
		to, _ := slices.BinarySearch(b.indices, gap[1]+1)
		if to-from == gap[1]-gap[0]+1 {
			n++
		}
	}
	return n
}

// spoke is the index of the last agent's message up to the mark; -1 for none.
func (b *box) spoke() int {
	for _, i := range slices.Backward(b.indices) {
		if i <= b.mark && b.letters[i].whose == agents {
			return i
		}
	}
	return -1
}

// answered is how long the questions after an index waited that have a reply now.
func (b *box) answered(after int) (waited []time.Duration, err error) {
	var questions []string
	first, _ := slices.BinarySearch(b.indices, after+1)
	for _, i := range b.indices[first:] {
		switch l := b.letters[i]; {
		case i > b.mark:
			return waited, nil
		case l.whose == customers:
			questions = append(questions, l.text)
		case l.whose == agents:
			for _, question := range questions {
				d, err := between(question, l.text)
				if err != nil {
					return nil, err
				}
				waited = append(waited, d)
			}
			questions = nil
		}
	}
	return waited, nil
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

// news is the message that was kept, if it is the only one and moved the mark by one,
// and the box has not risen; but an agent's only while agents are in.
func (b *box) news(kept bridge.Kept, before int) *bridge.Message {
	if kept.New != 1 || kept.Late != 0 || b.mark != before+1 {
		return nil
	}
	l := b.letters[b.mark]
	if l.whose == agents && b.in() == 0 {
		return nil
	}
	message, err := unseal(l.text)
	if err != nil {
		return nil // whoever reads will say so
	}
	return &message
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

func (b *box) in() (n int) {
	for _, in := range b.participants {
		if in {
			n++
		}
	}
	return n
}

// unanswered is when the customer's first message was said that no agent's
// follows, up to the mark; zero for none.
func (b *box) unanswered() (time.Time, error) {
	first := ""
	for _, i := range slices.Backward(b.indices) {
		l := b.letters[i]
		if i <= b.mark && l.whose == agents {
			break
		}
		if i <= b.mark && l.whose == customers {
			first = l.text
		}
	}
	if first == "" {
		return time.Time{}, nil
	}
	m, err := unseal(first)
	return m.SentAt, err
}
