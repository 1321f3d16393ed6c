package bridge_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"flexbridge/bridge"
)

// gate stands before and behind every operation of a mailbox and of a desk.
type gate struct {
	mu     sync.Mutex
	ops    []string
	before func(n int, op string) error // n counts operations from 1
	after  func(n int, op string) error
}

func (g *gate) pass(op string, do func() error) error {
	g.mu.Lock()
	g.ops = append(g.ops, op)
	n := len(g.ops)
	g.mu.Unlock()
	if g.before != nil {
		if err := g.before(n, op); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if g.after != nil {
		return g.after(n, op)
	}
	return nil
}

// passed is how many operations have passed.
func (g *gate) passed() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.ops)
}

var errDead = errors.New("dead")

// dies is the gate of a process that dies in its nth operation, before or after
// that takes effect: nothing that it would tidy up afterwards is done.
func dies(n int, after bool) *gate {
	g := &gate{}
	g.before = func(i int, _ string) error {
		if i > n || i == n && !after {
			return errDead
		}
		return nil
	}
	g.after = func(i int, _ string) error {
		if i == n {
			return errDead
		}
		return nil
	}
	return g
}

// fails is the gate behind which only the nth operation fails.
func fails(n int, after bool, err error) *gate {
	g := &gate{}
	only := func(i int, _ string) error {
		if i == n {
			return err
		}
		return nil
	}
	if after {
		g.after = only
	} else {
		g.before = only
	}
	return g
}

type gatedMailbox struct {
	bridge.Mailbox
	*gate
}

func (g gatedMailbox) Directory(ctx context.Context, c bridge.Customer) (d bridge.Directory, err error) {
	err = g.pass("Directory", func() error { d, err = g.Mailbox.Directory(ctx, c); return err })
	return d, err
}

func (g gatedMailbox) Enter(ctx context.Context, c bridge.Customer, conversations map[int]string) error {
	return g.pass("Enter", func() error { return g.Mailbox.Enter(ctx, c, conversations) })
}

func (g gatedMailbox) Tell(ctx context.Context, c bridge.Customer, told bridge.Cursor) error {
	return g.pass("Tell", func() error { return g.Mailbox.Tell(ctx, c, told) })
}

func (g gatedMailbox) Lease(ctx context.Context, c bridge.Customer, token string, d time.Duration) (o bridge.Opening, held bool, err error) {
	err = g.pass("Lease", func() error { o, held, err = g.Mailbox.Lease(ctx, c, token, d); return err })
	return o, held, err
}

func (g gatedMailbox) Record(ctx context.Context, c bridge.Customer, token string, o bridge.Opening, d time.Duration) (held bool, err error) {
	err = g.pass("Record", func() error { held, err = g.Mailbox.Record(ctx, c, token, o, d); return err })
	return held, err
}

func (g gatedMailbox) Release(ctx context.Context, c bridge.Customer, token string) error {
	return g.pass("Release", func() error { return g.Mailbox.Release(ctx, c, token) })
}

func (g gatedMailbox) Keep(ctx context.Context, conversation string, u bridge.Update) (kept bridge.Kept, err error) {
	err = g.pass("Keep", func() error { kept, err = g.Mailbox.Keep(ctx, conversation, u); return err })
	return kept, err
}

func (g gatedMailbox) Read(ctx context.Context, conversation string, after int) (in bridge.Inbox, err error) {
	err = g.pass("Read", func() error { in, err = g.Mailbox.Read(ctx, conversation, after); return err })
	return in, err
}

func (g gatedMailbox) Find(ctx context.Context, conversation, nonce string) (index int, found bool, err error) {
	err = g.pass("Find", func() error { index, found, err = g.Mailbox.Find(ctx, conversation, nonce); return err })
	return index, found, err
}

func (g gatedMailbox) Claim(ctx context.Context, conversation string, d time.Duration) (mine bool, err error) {
	err = g.pass("Claim", func() error { mine, err = g.Mailbox.Claim(ctx, conversation, d); return err })
	return mine, err
}

func (g gatedMailbox) Begin(ctx context.Context, c bridge.Customer, id string, s bridge.Saying) (there bridge.Saying, p bridge.Progress, err error) {
	err = g.pass("Begin", func() error { there, p, err = g.Mailbox.Begin(ctx, c, id, s); return err })
	return there, p, err
}

func (g gatedMailbox) Move(ctx context.Context, c bridge.Customer, id string, s bridge.Saying) error {
	return g.pass("Move", func() error { return g.Mailbox.Move(ctx, c, id, s) })
}

func (g gatedMailbox) Said(ctx context.Context, c bridge.Customer, id string, s bridge.Saying) error {
	return g.pass("Said", func() error { return g.Mailbox.Said(ctx, c, id, s) })
}

func (g gatedMailbox) Forget(ctx context.Context, c bridge.Customer, id string, s bridge.Saying) error {
	return g.pass("Forget", func() error { return g.Mailbox.Forget(ctx, c, id, s) })
}

func (g gatedMailbox) Watch(ctx context.Context, conversation string) (w bridge.Watch, err error) {
	err = g.pass("Watch", func() error { w, err = g.Mailbox.Watch(ctx, conversation); return err })
	return w, err
}

func (g gatedMailbox) WatchCustomer(ctx context.Context, c bridge.Customer) (w bridge.Watch, err error) {
	err = g.pass("WatchCustomer", func() error { w, err = g.Mailbox.WatchCustomer(ctx, c); return err })
	return w, err
}

// gatedDesk passes the operations that the desk would play.
type gatedDesk struct {
	bridge.Desk
	*gate
}

func (g gatedDesk) Find(ctx context.Context, c bridge.Customer) (found []bridge.Found, err error) {
	err = g.pass("desk.Find", func() error { found, err = g.Desk.Find(ctx, c); return err })
	return found, err
}

func (g gatedDesk) Create(ctx context.Context, c bridge.Customer, generation int, about bridge.About) (sid string, err error) {
	err = g.pass("desk.Create", func() error { sid, err = g.Desk.Create(ctx, c, generation, about); return err })
	return sid, err
}

func (g gatedDesk) Fetch(ctx context.Context, c bridge.Customer, generation int) (found bridge.Found, err error) {
	err = g.pass("desk.Fetch", func() error { found, err = g.Desk.Fetch(ctx, c, generation); return err })
	return found, err
}

func (g gatedDesk) Join(ctx context.Context, sid string, c bridge.Customer) error {
	return g.pass("desk.Join", func() error { return g.Desk.Join(ctx, sid, c) })
}

func (g gatedDesk) Hook(ctx context.Context, sid string) error {
	return g.pass("desk.Hook", func() error { return g.Desk.Hook(ctx, sid) })
}

func (g gatedDesk) Route(ctx context.Context, sid string, about bridge.About) error {
	return g.pass("desk.Route", func() error { return g.Desk.Route(ctx, sid, about) })
}

func (g gatedDesk) Hooks(ctx context.Context, sid string) (hooked, routed bool, err error) {
	err = g.pass("desk.Hooks", func() error { hooked, routed, err = g.Desk.Hooks(ctx, sid); return err })
	return hooked, routed, err
}

func (g gatedDesk) Say(ctx context.Context, sid string, u bridge.Utterance) (m bridge.Message, err error) {
	err = g.pass("desk.Say", func() error { m, err = g.Desk.Say(ctx, sid, u); return err })
	return m, err
}

func (g gatedDesk) State(ctx context.Context, sid string) (closed bool, err error) {
	err = g.pass("desk.State", func() error { closed, err = g.Desk.State(ctx, sid); return err })
	return closed, err
}

func (g gatedDesk) Since(ctx context.Context, sid string, after int) (list bridge.Listing, err error) {
	err = g.pass("desk.Since", func() error { list, err = g.Desk.Since(ctx, sid, after); return err })
	return list, err
}

func (g gatedDesk) Close(ctx context.Context, sid string) error {
	return g.pass("desk.Close", func() error { return g.Desk.Close(ctx, sid) })
}
