package bridge_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"flexbridge/bridge"
)

// desk is a desk without a network: the record of every conversation, with
// agents to play and faults to switch on.
type desk struct {
	mu            sync.Mutex
	conversations map[string]*conversation
	calls         []string
	before, after func(op string) error // see faulty
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
}

func newDesk() *desk { return &desk{conversations: map[string]*conversation{}} }

// call counts an operation and plays its faults around do.
func (d *desk) call(ctx context.Context, op string, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	before, after := d.before, d.after
	d.mu.Unlock()
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

func (d *desk) Create(ctx context.Context, customer bridge.Customer, generation int) (sid string, err error) {
	sid = sidOf(customer, generation)
	return sid, d.call(ctx, "create", func() error {
		if d.conversations[sid] != nil {
			return bridge.ErrTaken
		}
		d.conversations[sid] = &conversation{sid: sid, customer: customer, generation: generation}
		return nil
	})
}

func (d *desk) Fetch(ctx context.Context, customer bridge.Customer, generation int) (found bridge.Found, err error) {
	return found, d.call(ctx, "fetch", func() error {
		c, err := d.at(sidOf(customer, generation))
		if err == nil {
			found = bridge.Found{Conversation: c.sid, Generation: generation, Closed: c.closed}
		}
		return err
	})
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

func (d *desk) Route(ctx context.Context, sid string) error {
	return d.change(ctx, "route", sid, func(c *conversation) { c.routed++ })
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

func (d *desk) Say(ctx context.Context, sid string, u bridge.Utterance) (m bridge.Message, err error) {
	return m, d.change(ctx, "say", sid, func(c *conversation) {
		m = c.add(bridge.Message{Kind: bridge.FromCustomer, Text: u.Text, Nonce: u.Nonce})
	})
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
		if c := d.conversations[sid]; c != nil {
			c.closed = true
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
