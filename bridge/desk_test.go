package bridge_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"flexbridge/bridge"
)

// desk is a desk without a network: the record of every conversation, with
// agents to play and faults to switch on.
type desk struct {
	mu            sync.Mutex
	conversations map[string]*conversation
	deleted       []*conversation
	calls         []string
	before, after func(op string) error // see faulty
	faults        map[string][]fault    // by operation, each for one call
	late          int                   // calls that are still to take effect
	report        func(bridge.Event)    // what a hook reports; may be nil
	made          int                   // conversations, ever
	onShift       func() bool           // nil: likewise
	abandoned     func(sid string) bool // nil: a desk that cannot know makes no call
}

// fault is what befalls one call. The zero value befalls none.
type fault struct {
	err  error         // the answer, and nothing is done
	late time.Duration // the connection is cut, and the call takes effect so much later
	slow time.Duration // how long it takes; at half of that it takes effect
}

type conversation struct {
	sid            string
	customer       bridge.Customer
	generation     int
	joined         bool
	hooked, routed int
	closed         bool
	messages       []bridge.Message
	next           int
	made           int // which of all conversations it is
	abandoned      bool
	// What it is about, as was said to create it and to route it.
	created, routedAs bridge.About
}

func newDesk() *desk { return &desk{conversations: map[string]*conversation{}} }

// call counts an operation and plays its faults around do.
func (d *desk) call(ctx context.Context, op string, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	before, after := d.before, d.after
	var f fault
	if queue := d.faults[op]; len(queue) > 0 {
		f, d.faults[op] = queue[0], queue[1:]
	}
	d.mu.Unlock()
	switch {
	case f.err != nil:
		return f.err
	case f.late > 0:
		d.doLater(op, f.late, do)
		return errCut
	case f.slow > 0:
		start := time.Now()
		if err := pause(ctx, f.slow/2); err != nil {
			d.doLater(op, f.slow/2-time.Since(start), do)
			return err
		}
		if err := d.locked(op, do); err != nil {
			return err
		}
		return pause(ctx, f.slow/2)
	}
	if before != nil {
		if err := before(op); err != nil {
			return err
		}
	}
	if err := d.locked(op, do); err != nil {
		return err
	}
	if after != nil {
		return after(op)
	}
	return nil
}

// changes are the operations that change something.
var changes = []string{"create", "join", "hook", "route", "say", "close"}

// doLater takes effect after the connection was cut.
func (d *desk) doLater(op string, late time.Duration, do func() error) {
	if !slices.Contains(changes, op) {
		return
	}
	d.mu.Lock()
	d.late++
	d.mu.Unlock()
	time.AfterFunc(late, func() {
		_ = d.locked(op, do)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.late--
	})
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// faulty sets faults that fail or delay each call before, or after, it takes effect.
func (d *desk) faulty(before, after func(op string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before, d.after = before, after
}

func (d *desk) locked(op string, do func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, op)
	return do()
}

func (d *desk) at(sid string) (*conversation, error) {
	if c := d.conversations[sid]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("%s: %w", sid, bridge.ErrGone)
}

func (d *desk) Find(ctx context.Context, customer bridge.Customer) (found []bridge.Found, err error) {
	return found, d.call(ctx, "find", func() error {
		for _, c := range d.conversations {
			if c.customer == customer && c.joined {
				found = append(found, bridge.Found{Conversation: c.sid, Generation: c.generation, Closed: c.closed})
			}
		}
		return nil
	})
}

func sidOf(customer bridge.Customer, generation int) string {
	return fmt.Sprintf("CH%s%02d", customer[:30], generation)
}

// of returns the customer's conversation of a generation; d.mu is held.
func (d *desk) of(customer bridge.Customer, generation int) *conversation {
	for _, c := range d.conversations {
		if c.customer == customer && c.generation == generation {
			return c
		}
	}
	return nil
}

func (d *desk) Create(ctx context.Context, customer bridge.Customer, generation int, about bridge.About) (string, error) {
	var made string
	err := d.call(ctx, "create", func() error {
		if d.of(customer, generation) != nil {
			return bridge.ErrTaken
		}
		d.made++
		sid := sidOf(customer, generation)
		if slices.ContainsFunc(d.deleted, func(c *conversation) bool { return c.sid == sid }) {
			sid += fmt.Sprintf("again%d", d.made)
		}
		d.conversations[sid] = &conversation{sid: sid, customer: customer, generation: generation, made: d.made, created: about}
		made = sid
		return nil
	})
	if err != nil {
		return "", err
	}
	return made, nil
}

func (d *desk) Fetch(ctx context.Context, customer bridge.Customer, generation int) (bridge.Found, error) {
	var found bridge.Found
	err := d.call(ctx, "fetch", func() error {
		c := d.of(customer, generation)
		if c == nil {
			return bridge.ErrGone
		}
		found = bridge.Found{Conversation: c.sid, Generation: generation, Closed: c.closed}
		return nil
	})
	return found, err
}

// change plays one operation on a conversation that must be open.
func (d *desk) change(ctx context.Context, op, sid string, do func(*conversation)) error {
	return d.call(ctx, op, func() error {
		c, err := d.at(sid)
		if err == nil && c.closed {
			err = bridge.ErrClosed
		}
		if err == nil {
			do(c)
		}
		return err
	})
}

func (d *desk) Join(ctx context.Context, sid string, _ bridge.Customer) error {
	return d.change(ctx, "join", sid, func(c *conversation) { c.joined = true })
}

func (d *desk) Hook(ctx context.Context, sid string) error {
	return d.change(ctx, "hook", sid, func(c *conversation) { c.hooked++ })
}

func (d *desk) Route(ctx context.Context, sid string, about bridge.About) error {
	return d.change(ctx, "route", sid, func(c *conversation) { c.routed, c.routedAs = c.routed+1, about })
}

func (d *desk) Hooks(ctx context.Context, sid string) (hooked, routed bool, err error) {
	return hooked, routed, d.call(ctx, "hooks", func() error {
		c, err := d.at(sid)
		if err == nil {
			hooked, routed = c.hooked > 0, c.routed > 0
		}
		return err
	})
}

func (d *desk) Say(ctx context.Context, sid string, u bridge.Utterance) (bridge.Message, error) {
	var said bridge.Message
	err := d.change(ctx, "say", sid, func(c *conversation) {
		said = c.add(bridge.Message{Kind: bridge.FromCustomer, Text: u.Text, Nonce: u.Nonce})
		echo := said
		echo.Nonce = ""
		d.reports(c, bridge.Event{Message: &echo})
	})
	if err != nil {
		return bridge.Message{}, err
	}
	return said, nil
}

// reports reports what happened, if there is a hook; d.mu is held.
func (d *desk) reports(c *conversation, e bridge.Event) {
	if d.report != nil && c.hooked > 0 {
		e.Conversation, e.Ours = c.sid, true
		d.report(e)
	}
}

func (d *desk) State(ctx context.Context, sid string) (closed bool, err error) {
	return closed, d.call(ctx, "state", func() error {
		c, err := d.at(sid)
		if err == nil {
			closed = c.closed
		}
		return err
	})
}

func (d *desk) Abandoned(ctx context.Context, sid string) (abandoned bool, err error) {
	d.mu.Lock()
	known := d.abandoned
	d.mu.Unlock()
	if known == nil {
		return false, nil
	}
	return abandoned, d.call(ctx, "abandoned", func() error {
		abandoned = known(sid)
		return nil
	})
}

func (d *desk) OnShift(ctx context.Context) (on bool, err error) {
	d.mu.Lock()
	tell := d.onShift
	d.mu.Unlock()
	if tell == nil {
		return true, nil
	}
	return on, d.call(ctx, "shift", func() error {
		on = tell()
		return nil
	})
}

// shifts makes the desk tell whether anybody is on shift.
func (d *desk) shifts(on func() bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onShift = on
}

// knows makes the desk tell which conversations are abandoned.
func (d *desk) knows(abandoned func(sid string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.abandoned = abandoned
}

func (d *desk) Since(ctx context.Context, sid string, after int) (list bridge.Listing, err error) {
	return list, d.call(ctx, "since", func() error {
		c, err := d.at(sid)
		if err != nil {
			return err
		}
		list.At = time.Now().Truncate(time.Second)
		for _, m := range c.messages {
			if m.Index > after {
				list.Messages = append(list.Messages, m)
			}
		}
		return nil
	})
}

func (d *desk) Close(ctx context.Context, sid string) error {
	return d.call(ctx, "close", func() error {
		if c := d.conversations[sid]; c != nil && !c.closed {
			c.closed = true
			d.reports(c, bridge.Event{Closed: true})
		}
		return nil
	})
}

func (c *conversation) add(m bridge.Message) bridge.Message {
	m.Index, m.SID, m.SentAt = c.next, fmt.Sprintf("IM%s%d", c.sid, c.next), time.Now()
	c.next++
	c.messages = append(c.messages, m)
	return m
}

// agentSays adds an agent's message to the record, and reports nothing.
func (d *desk) agentSays(sid, text string) bridge.Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, err := d.at(sid)
	if err != nil {
		panic(err)
	}
	return c.add(bridge.Message{Kind: bridge.FromAgent, Author: "Ann Veal", Participant: "MB1", Text: text})
}

// greets adds an automatic message.
func (d *desk) greets(sid, text string) bridge.Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, _ := d.at(sid)
	return c.add(bridge.Message{Kind: bridge.Automatic, Author: "Bot", Text: text})
}

// skip leaves an Index out.
func (d *desk) skip(sid string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conversations[sid].next++
}

// abandons has no agent come to a conversation any more, unless one has spoken.
func (d *desk) abandons(sid string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.conversations[sid]
	c.abandoned = c.abandoned || !slices.ContainsFunc(c.messages, func(m bridge.Message) bool { return m.Kind == bridge.FromAgent })
}

// closes ends a conversation, and reports nothing.
func (d *desk) closes(sid string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conversations[sid].closed = true
}

// drop deletes a conversation.
func (d *desk) drop(sid string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deleted = append(d.deleted, d.conversations[sid])
	delete(d.conversations, sid)
}

// opened returns what has been opened, as it is now.
func (d *desk) opened() (all []conversation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conversations {
		all = append(all, *c)
	}
	return all
}

// taken returns the operations called since the last time.
func (d *desk) taken() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := d.calls
	d.calls = nil
	return calls
}

// questions returns what agents saw of the customer.
func (d *desk) questions(sid string) (texts []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.conversations[sid]; c != nil {
		for _, m := range c.messages {
			if m.Kind == bridge.FromCustomer {
				texts = append(texts, m.Text)
			}
		}
	}
	return texts
}
