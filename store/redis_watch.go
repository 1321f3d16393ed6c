package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"flexbridge/bridge"
)

var errClosed = errors.New("the mailbox is closed")

// subscription is the one pub/sub connection of a process, shared by everybody
// who watches. What is wanted stands in channels; the owner goroutine
// (redis_owner.go) alone writes to Redis, in order, and everybody else only
// kicks it. So mu is never held over the network.
type subscription struct {
	client redis.UniversalClient
	cfg    Config

	stop  context.CancelFunc
	ctx   context.Context // ends when the subscription is closed
	work  sync.WaitGroup  // the owner and the probe
	kick  chan struct{}   // wanted has changed
	renew chan struct{}   // the probe wants another connection

	probed string      // the probe's own channel
	echoes chan string // what came over it

	reconnects, misses atomic.Uint64

	mu       sync.Mutex
	channels map[string]*channel // all that are subscribed, or are to be
	added    []string            // of those, which the owner has not written yet
	idle     []departure         // in the order of time
	batches  []batch             // written, not confirmed, in order
	written  int                 // the number of the last batch
}

// channel is what is wanted of one name, and how far it has come.
type channel struct {
	watchers watchers
	live     chan struct{} // closed once Redis has confirmed; another after a loss
	left     time.Time     // when its last watcher did
	missed   bool          // it was live on an earlier connection
}

func (c *channel) isLive() bool {
	select {
	case <-c.live:
		return true
	default:
		return false
	}
}

// departure notes that a channel lost its last watcher.
type departure struct {
	name string
	at   time.Time
}

// batch is what one Pong confirms.
type batch struct {
	number   int
	channels []*channel
}

func subscribe(client redis.UniversalClient, cfg Config) *subscription {
	s := &subscription{
		client: client, cfg: cfg,
		kick: make(chan struct{}, 1), renew: make(chan struct{}, 1),
		probed: wakeChannel("probe-" + rand.Text()), echoes: make(chan string, 16),
		channels: make(map[string]*channel),
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.work.Go(s.own)
	s.work.Go(s.probe)
	return s
}

// close ends the goroutines and waits for them. It reports false if it was
// closed already.
func (s *subscription) close() bool {
	first := s.ctx.Err() == nil
	s.stop()
	s.work.Wait()
	return first
}

// watch joins a channel and waits until it is live.
func (s *subscription) watch(ctx context.Context, name string) (bridge.Watch, error) {
	if s.ctx.Err() != nil {
		return nil, fmt.Errorf("subscribing to %s: %w", name, errClosed)
	}
	if ctx.Err() != nil { // of two cases that are ready, select takes any
		return nil, fmt.Errorf("subscribing to %s: %w", name, context.Cause(ctx))
	}
	w, live := s.join(name)
	select {
	case <-live:
		return w, nil
	case <-ctx.Done():
		w.Close()
		return nil, fmt.Errorf("subscribing to %s: %w", name, context.Cause(ctx))
	case <-s.ctx.Done():
		w.Close()
		return nil, fmt.Errorf("subscribing to %s: %w", name, errClosed)
	}
}

// join puts a watcher in the channel's line; live is closed once Redis has
// confirmed the channel.
func (s *subscription) join(name string) (w *watch, live <-chan struct{}) {
	w = newWatch(&s.mu, func(w *watch) { s.leave(name, w) })
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[name]
	if c == nil {
		c = &channel{watchers: make(watchers), live: make(chan struct{})}
		s.channels[name] = c
		s.added = append(s.added, name)
		signal(s.kick)
	}
	c.watchers[w] = struct{}{}
	return w, c.live
}

// leave takes a watcher out. The channel lingers, for one who comes right back.
func (s *subscription) leave(name string, w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[name]
	delete(c.watchers, w)
	if len(c.watchers) == 0 {
		c.left = time.Now()
		s.idle = append(s.idle, departure{name, c.left})
		if len(s.idle) == 1 {
			signal(s.kick) // the owner has no timer for it yet
		}
	}
}

// wake wakes the channel's watchers. What was sent is a message in its stored form,
// or anything else to have them read.
func (s *subscription) wake(name, sent string) {
	var news *bridge.Message
	if message, err := unseal(sent); err == nil {
		news = &message
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.channels[name]; c != nil {
		c.watchers.wake(news)
	}
}

// wakeAll wakes everybody.
func (s *subscription) wakeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.channels {
		c.watchers.wake(nil)
	}
}

// subscribed hears that Redis subscribed a channel. For one that is live it tells
// of a connection that was replaced unseen: what was sent in between is lost.
func (s *subscription) subscribed(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.channels[name]; c != nil && c.isLive() {
		c.watchers.wake(nil)
	}
}

// confirm hears that Redis has done everything up to a batch. Whoever waits for
// its channel may go on; whoever had been watching has to read again.
func (s *subscription) confirm(token string) {
	number, err := strconv.Atoi(token)
	if err != nil {
		return // not a token of ours
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.batches) > 0 && s.batches[0].number <= number {
		for _, c := range s.batches[0].channels {
			close(c.live)
			if c.missed {
				c.watchers.wake(nil)
			}
			c.missed = false
		}
		s.batches = s.batches[1:]
	}
}
