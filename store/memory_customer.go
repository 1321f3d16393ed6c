package store

import (
	"context"
	"maps"
	"time"

	"flexbridge/bridge"
)

type directory struct {
	conversations map[int]string
	told          bridge.Cursor
	nothing       time.Time // until when it is known that the desk knows of nothing
}

type opening struct {
	steps bridge.Opening
	token string
	until time.Time
}

func (o *opening) heldBy(token string, now time.Time) bool {
	return o.token == token && now.Before(o.until)
}

// Directory returns what is known of the customer; see bridge.Mailbox.
func (m *Memory) Directory(ctx context.Context, c bridge.Customer) (bridge.Directory, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return bridge.Directory{}, err
	}
	defer m.mu.Unlock()
	e := m.directories.at(string(c), now)
	if e == nil {
		return bridge.Directory{}, nil
	}
	return bridge.Directory{
		Known:         len(e.v.conversations) > 0 || now.Before(e.v.nothing),
		Conversations: maps.Clone(e.v.conversations),
		Told:          e.v.told,
	}, nil
}

// directory returns the customer's, which lives for life at least; m.mu is held.
func (m *Memory) directory(c bridge.Customer, now time.Time, life time.Duration) *directory {
	e := m.directories.at(string(c), now)
	if e == nil {
		m.directories.put(string(c), &directory{}, now.Add(life))
		e = m.directories.at(string(c), now)
	}
	e.extend(now.Add(life))
	return e.v
}

// Enter adds to the directory; see bridge.Mailbox.
func (m *Memory) Enter(ctx context.Context, c bridge.Customer, conversations map[int]string) error {
	now, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
	if len(conversations) == 0 {
		m.directory(c, now, nothingKnown).nothing = now.Add(nothingKnown)
		return nil
	}
	d := m.directory(c, now, m.cfg.Retention)
	if d.conversations == nil {
		d.conversations = make(map[int]string)
	}
	maps.Copy(d.conversations, conversations)
	return nil
}

// Tell raises the directory's cursor; see bridge.Mailbox.
func (m *Memory) Tell(ctx context.Context, c bridge.Customer, told bridge.Cursor) error {
	now, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
	var known bridge.Cursor
	if e := m.directories.at(string(c), now); e != nil {
		known = e.v.told
	}
	if told.Compare(known) > 0 {
		m.directory(c, now, m.cfg.Retention).told = told
	}
	return nil
}

// Lease asks to be the customer's only opener; see bridge.Mailbox.
func (m *Memory) Lease(ctx context.Context, c bridge.Customer, token string, d time.Duration) (bridge.Opening, bool, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return bridge.Opening{}, false, err
	}
	defer m.mu.Unlock()
	o := &opening{}
	if e := m.openings.at(string(c), now); e != nil {
		o = e.v
	}
	steps := o.steps
	if o.token != token && now.Before(o.until) {
		steps.Taken = o.until.Sub(now)
		return steps, false, nil
	}
	if d == 0 {
		return steps, true, nil
	}
	o.token, o.until = token, now.Add(d)
	m.openings.put(string(c), o, now.Add(max(openingLife, d)))
	return steps, true, nil
}

// Record writes the steps of the opening; see bridge.Mailbox.
func (m *Memory) Record(ctx context.Context, c bridge.Customer, token string, steps bridge.Opening, d time.Duration) (bool, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return false, err
	}
	defer m.mu.Unlock()
	e := m.openings.at(string(c), now)
	if e == nil || !e.v.heldBy(token, now) {
		return false, nil
	}
	steps.Taken = 0
	e.v.steps, e.v.until = steps, now.Add(d)
	e.extend(now.Add(max(openingLife, d)))
	m.wake(string(c))
	return true, nil
}

// Release ends the lease; see bridge.Mailbox.
func (m *Memory) Release(ctx context.Context, c bridge.Customer, token string) error {
	now, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
	if e := m.openings.at(string(c), now); e != nil && e.v.heldBy(token, now) {
		m.openings.drop(string(c))
		m.wake(string(c))
	}
	return nil
}
