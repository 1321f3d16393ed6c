package store

import (
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Between two attempts to connect.
const minPause, maxPause = 20 * time.Millisecond, time.Second

// own runs one connection after the other.
func (s *subscription) own() {
	pause := minPause
	for {
		s.lose()
		pause = min(2*pause, maxPause)
		if s.serve() {
			pause = minPause
		}
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(pause):
			s.reconnects.Add(1)
		}
	}
}

// lose notes that nothing is subscribed any more and everything wanted is to be.
func (s *subscription) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.depart()
	s.batches, s.added = nil, nil
	for name, c := range s.channels {
		if c.isLive() {
			c.live, c.missed = make(chan struct{}), true
		}
		s.added = append(s.added, name)
	}
}

// serve runs one connection to its first error, and reports whether it ever
// worked.
//
// A PubSub of go-redis connects again by itself, inside of the call that failed.
// To know which connection an answer comes from, the first error ends our PubSub.
func (s *subscription) serve() (worked bool) {
	sub := s.client.Subscribe(s.ctx)
	drain(s.renew)
	if err := s.write(sub); err != nil {
		_ = sub.Close()
		return false
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		worked = s.read(sub)
	}()
	defer func() {
		_ = sub.Close() // ends the reader
		<-ended
	}()
	linger := time.NewTimer(s.nextDeparture())
	defer linger.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ended:
			return
		case <-s.renew:
			return
		case <-s.kick:
		case <-linger.C:
		}
		if err := s.write(sub); err != nil {
			return
		}
		linger.Reset(s.nextDeparture())
	}
}

// write brings the connection from what is subscribed to what is wanted, and
// asks for a Pong that will confirm it.
func (s *subscription) write(sub *redis.PubSub) error {
	b, added, departed := s.batch()
	if len(added) > 0 {
		if err := sub.Subscribe(s.ctx, added...); err != nil {
			return err
		}
	}
	if len(departed) > 0 {
		if err := sub.Unsubscribe(s.ctx, departed...); err != nil {
			return err
		}
	}
	if len(added) == 0 {
		return nil // nobody waits for it
	}
	return sub.Ping(s.ctx, strconv.Itoa(b))
}

// batch takes what is to be written next.
func (s *subscription) batch() (number int, added, departed []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	departed = s.depart()
	b := batch{number: s.written + 1}
	for _, name := range s.added {
		if c := s.channels[name]; c != nil {
			added = append(added, name)
			b.channels = append(b.channels, c)
		}
	}
	s.added = nil
	if len(added) > 0 {
		s.written = b.number
		s.batches = append(s.batches, b)
	}
	return b.number, added, departed
}

// depart takes out the channels that nobody has watched for the time they
// linger; s.mu is held.
func (s *subscription) depart() (names []string) {
	for now := time.Now(); len(s.idle) > 0 && now.Sub(s.idle[0].at) >= s.cfg.Linger; s.idle = s.idle[1:] {
		d := s.idle[0]
		// Since then it may have been watched, and left once more.
		if c := s.channels[d.name]; c != nil && len(c.watchers) == 0 && c.left.Equal(d.at) {
			delete(s.channels, d.name)
			names = append(names, d.name)
		}
	}
	return names
}

// nextDeparture is how long to leave depart alone: a little longer than there is nothing
// for it to do, so that many leave at once.
func (s *subscription) nextDeparture() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == 0 {
		return time.Hour // the next to leave kicks the owner
	}
	return time.Until(s.idle[0].at.Add(s.cfg.Linger + s.cfg.Linger/8))
}

// read hears the connection until it ends, and reports whether it said anything.
func (s *subscription) read(sub *redis.PubSub) (worked bool) {
	for {
		received, err := sub.Receive(s.ctx)
		if err != nil {
			return worked
		}
		worked = true
		switch m := received.(type) {
		case *redis.Message:
			if m.Channel == s.probed {
				s.echo(m.Payload)
				continue
			}
			s.wake(m.Channel, m.Payload)
		case *redis.Subscription:
			if m.Kind == "subscribe" {
				s.subscribed(m.Channel)
			}
		case *redis.Pong:
			s.confirm(m.Payload)
		}
	}
}
