package store

import (
	"context"
	"time"

	"flexbridge/bridge"
)

type saying struct {
	bridge.Saying
	said bool
	hold time.Time // until when nobody else may say it
}

// Begin records that a question is about to be said; see bridge.Mailbox.
func (m *Memory) Begin(ctx context.Context, c bridge.Customer, id string, s bridge.Saying) (bridge.Saying, bridge.Progress, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return bridge.Saying{}, 0, err
	}
	defer m.mu.Unlock()
	key := sayingKey(c, id)
	e := m.sayings.at(key, now)
	if e == nil {
		s.Index = 0
		m.sayings.put(key, &saying{Saying: s, hold: now.Add(s.Hold)}, now.Add(s.Life))
		return s, bridge.Started, nil
	}
	e.extend(now.Add(s.Life))
	progress := bridge.Busy
	switch {
	case e.v.said:
		progress = bridge.Done
	case !now.Before(e.v.hold):
		progress, e.v.hold = bridge.TakenOver, now.Add(s.Hold)
	}
	there := e.v.Saying
	there.Hold, there.Life = max(0, e.v.hold.Sub(now)), e.end.Sub(now)
	return there, progress, nil
}

// rewrite puts s in the place of the record with its nonce, unless that one is
// said already, and wakes.
func (m *Memory) rewrite(ctx context.Context, c bridge.Customer, id string, s bridge.Saying, done bool) error {
	now, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
	e := m.sayings.at(sayingKey(c, id), now)
	if e == nil || e.v.Nonce != s.Nonce || e.v.said {
		return nil
	}
	e.extend(now.Add(s.Life))
	if done {
		s.Hold = 0
	} else {
		s.Index = 0
	}
	e.v.Saying, e.v.said, e.v.hold = s, done, now.Add(s.Hold)
	m.wake(string(c))
	return nil
}

// Move rewrites the record; see bridge.Mailbox.
func (m *Memory) Move(ctx context.Context, c bridge.Customer, id string, s bridge.Saying) error {
	return m.rewrite(ctx, c, id, s, false)
}

// Said records that the question was said; see bridge.Mailbox.
func (m *Memory) Said(ctx context.Context, c bridge.Customer, id string, s bridge.Saying) error {
	return m.rewrite(ctx, c, id, s, true)
}

// Forget removes the record; see bridge.Mailbox.
func (m *Memory) Forget(ctx context.Context, c bridge.Customer, id string, s bridge.Saying) error {
	now, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
	key := sayingKey(c, id)
	if e := m.sayings.at(key, now); e != nil && e.v.Nonce == s.Nonce {
		m.sayings.drop(key)
		m.wake(string(c))
	}
	return nil
}
