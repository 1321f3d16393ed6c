package store

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"flexbridge/bridge"
)

var _ bridge.Mailbox = (*Memory)(nil)

// Memory is the Mailbox of a single process. What is in it dies with the
// process, or earlier by the same rules as in [Redis]: it then costs calls to
// the desk, and no reply. It starts no goroutine and no timer. It is safe for
// concurrent use; its only errors are those of contexts and of messages that
// cannot be stored.
type Memory struct {
	cfg Config

	mu          sync.Mutex
	boxes       shelf[*box]
	directories shelf[*directory]
	openings    shelf[*opening]
	sayings     shelf[*saying]
	budgets     shelf[*rate.Limiter]
	adopted     shelf[string]
	watched     map[string]watchers // by channel
}

// NewMemory returns an empty Memory.
func NewMemory(cfg Config) *Memory {
	return &Memory{cfg: cfg.withDefaults(), watched: make(map[string]watchers)}
}

// Lose forgets everything, as a Redis that was emptied would, and wakes every
// watcher, as after the loss of a connection.
func (m *Memory) Lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boxes, m.directories = shelf[*box]{}, shelf[*directory]{}
	m.openings, m.sayings = shelf[*opening]{}, shelf[*saying]{}
	m.budgets = shelf[*rate.Limiter]{}
	m.adopted = shelf[string]{}
	for _, ws := range m.watched {
		ws.wake(nil)
	}
}

// Watch tells of the conversation's changes from now on.
func (m *Memory) Watch(ctx context.Context, conversation string) (bridge.Watch, error) {
	return m.watch(ctx, wakeChannel(conversation))
}

// WatchCustomer tells of the customer's changes from now on.
func (m *Memory) WatchCustomer(ctx context.Context, c bridge.Customer) (bridge.Watch, error) {
	return m.watch(ctx, wakeChannel(string(c)))
}

func (m *Memory) watch(ctx context.Context, channel string) (bridge.Watch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := newWatch(&m.mu, func(w *watch) { m.leave(channel, w) })
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watched[channel] == nil {
		m.watched[channel] = make(watchers)
	}
	m.watched[channel][w] = struct{}{}
	return w, nil
}

func (m *Memory) leave(channel string, w *watch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.watched[channel], w)
	if len(m.watched[channel]) == 0 {
		delete(m.watched, channel)
	}
}

// wake wakes who watches a conversation or a customer; m.mu is held.
func (m *Memory) wake(of string) { m.watched[wakeChannel(of)].wake(nil) }

// Ping fails only with its context.
func (m *Memory) Ping(ctx context.Context) error { return ctx.Err() }

// enter begins a method: unless ctx has ended it locks and tells the time.
func (m *Memory) enter(ctx context.Context) (now time.Time, err error) {
	if err := ctx.Err(); err != nil {
		return now, err
	}
	m.mu.Lock()
	return time.Now(), nil
}
