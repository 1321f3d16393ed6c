package bridge_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"flexbridge/bridge"
)

// spoken is a message of a customer's, where it stands at the desk.
type spoken struct {
	bridge.Message
	conversation
	deleted bool
}

// truth is everything that the desk ever held of a customer, in order.
func (d *desk) truth(who bridge.Customer) (all []spoken, conversations []spoken) {
	d.mu.Lock()
	defer d.mu.Unlock()
	add := func(c *conversation, deleted bool) {
		if c.customer == who {
			conversations = append(conversations, spoken{conversation: *c, deleted: deleted})
		}
	}
	for _, c := range d.conversations {
		add(c, false)
	}
	for _, c := range d.deleted {
		add(c, true)
	}
	slices.SortFunc(conversations, func(a, b spoken) int {
		return cmp.Or(a.generation-b.generation, a.made-b.made)
	})
	for i := range conversations {
		conversations[i].made = i // from now on
	}
	for _, c := range conversations {
		for _, m := range c.messages {
			all = append(all, spoken{Message: m, conversation: c.conversation, deleted: c.deleted})
		}
	}
	return all, conversations
}

// find returns which of the conversations a cursor stands in, -1 if in none.
func find(conversations []spoken, c bridge.Cursor) int {
	return slices.IndexFunc(conversations, func(s spoken) bool {
		return c.Generation == s.generation && c == bridge.At(s.generation, s.sid, c.Index)
	})
}

// contiguous fails unless an answer holds exactly the replies between the
// caller's cursor and its own; those of deleted conversations may be missing.
// Without a cursor it may begin anywhere.
func (d *desk) contiguous(who bridge.Customer, after bridge.Cursor, a bridge.Answer) error {
	all, conversations := d.truth(who)
	begin, end := find(conversations, after), find(conversations, a.Cursor)
	if end < 0 {
		if a.Cursor.IsZero() && len(a.Messages) == 0 && after.IsZero() || a.Cursor == after && len(a.Messages) == 0 {
			return nil
		}
		return fmt.Errorf("the cursor %v stands in no conversation", a.Cursor)
	}
	upTo := func(s spoken) bool {
		return s.made < conversations[end].made || s.made == conversations[end].made && s.Index <= a.Cursor.Index
	}
	since := func(s spoken) bool {
		if begin < 0 {
			return true
		}
		return s.made > conversations[begin].made || s.made == conversations[begin].made && s.Index > after.Index
	}
	var replies []spoken
	for _, s := range all {
		if s.Kind != bridge.FromCustomer && upTo(s) && since(s) {
			replies = append(replies, s)
		}
	}
	// Backwards, so that without a cursor only the end has to fit.
	left := slices.Clone(a.Messages)
	for i := len(replies) - 1; i >= 0 && (begin >= 0 || len(left) > 0); i-- {
		switch want := replies[i]; {
		case len(left) > 0 && left[len(left)-1].SID == want.SID && left[len(left)-1].Kind == want.Kind && left[len(left)-1].Text == want.Text:
			left = left[:len(left)-1]
		case !want.deleted:
			return fmt.Errorf("after %v up to %v: %q is not in its place in %s", after, a.Cursor, want.Text, texts(a.Messages))
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("after %v up to %v: %s has %s too many", after, a.Cursor, texts(a.Messages), texts(left))
	}
	return nil
}

func texts(messages []bridge.Message) string {
	var all []string
	for _, m := range messages {
		all = append(all, fmt.Sprintf("%s@%d", m.Text, m.Index))
	}
	return "[" + strings.Join(all, " ") + "]"
}

// closedFor fails unless Closed was the right answer.
func (d *desk) closedFor(who bridge.Customer, a bridge.Answer) error {
	all, conversations := d.truth(who)
	i := find(conversations, a.Cursor)
	if i < 0 {
		return nil
	}
	// One that came to nothing before anything was said cannot be found after a loss.
	if c := conversations[i]; !c.closed && !c.deleted && len(c.messages) > 0 {
		return fmt.Errorf("closed, but %s is open", c.sid)
	}
	for _, s := range all {
		if s.sid == conversations[i].sid && s.Kind != bridge.FromCustomer && s.Index > a.Cursor.Index && !s.deleted && !a.More {
			return fmt.Errorf("closed at %v, but %q is unread", a.Cursor, s.Text)
		}
	}
	return nil
}

// unavailableFor fails unless Unavailable was the right answer: the desk gave the
// conversation up, and the caller has heard of no agent in it.
func (d *desk) unavailableFor(who bridge.Customer, a bridge.Answer) (sid string, err error) {
	_, conversations := d.truth(who)
	i := find(conversations, a.Cursor)
	if i < 0 || a.More {
		return "", fmt.Errorf("unavailable at %v, which stands in no conversation, or with more to read", a.Cursor)
	}
	c := conversations[i]
	if !c.abandoned {
		return c.sid, fmt.Errorf("unavailable, but an agent may come to %s", c.sid)
	}
	for _, m := range c.messages {
		if m.Kind == bridge.FromAgent && m.Index <= a.Cursor.Index {
			return c.sid, fmt.Errorf("unavailable at %v, but an agent said %q", a.Cursor, m.Text)
		}
	}
	return c.sid, nil
}

// waitingFor fails if WaitingSince is not when the first question was said that no
// agent's message follows, among the messages that the caller has heard of.
func (d *desk) waitingFor(who bridge.Customer, a bridge.Answer) error {
	if a.WaitingSince.IsZero() {
		return nil
	}
	_, conversations := d.truth(who)
	i := find(conversations, a.Cursor)
	if i < 0 || a.Status == bridge.Closed || a.Status == bridge.Unavailable || a.Agent == bridge.AgentJoined {
		return fmt.Errorf("%s, agents %s, but waiting since %v", a.Status, a.Agent, a.WaitingSince)
	}
	var first time.Time
	for _, m := range conversations[i].messages {
		switch {
		case m.Index > a.Cursor.Index && !a.More:
		case m.Kind == bridge.FromAgent:
			first = time.Time{}
		case m.Kind == bridge.FromCustomer && first.IsZero():
			first = m.SentAt
		}
	}
	if !first.Equal(a.WaitingSince) {
		return fmt.Errorf("waiting since %v at %v, want %v", a.WaitingSince, a.Cursor, first)
	}
	return nil
}

// saidInVain tells whether a question stands where no agent ever spoke.
func (d *desk) saidInVain(sid, text string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.conversations[sid]
	return c != nil && !slices.ContainsFunc(c.messages, func(m bridge.Message) bool { return m.Kind == bridge.FromAgent }) &&
		slices.ContainsFunc(c.messages, func(m bridge.Message) bool { return m.Kind == bridge.FromCustomer && m.Text == text })
}

// answers fails unless Replied was the right answer to a question.
func (d *desk) answers(who bridge.Customer, text string, a bridge.Answer) error {
	all, _ := d.truth(who)
	for _, q := range all {
		if q.Kind != bridge.FromCustomer || q.Text != text {
			continue
		}
		for _, s := range all {
			if s.sid == q.sid && s.Index > q.Index && slices.ContainsFunc(a.Messages, func(m bridge.Message) bool {
				return m.SID == s.SID && m.Kind == bridge.FromAgent
			}) {
				return nil
			}
		}
	}
	return fmt.Errorf("%q was answered with %s, which is no reply to it", text, texts(a.Messages))
}

// counted returns how many of these operations were called.
func (d *desk) counted(ops ...string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, op := range d.calls {
		if slices.Contains(ops, op) {
			n++
		}
	}
	return n
}
