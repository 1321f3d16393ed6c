package store

import (
	"context"
	"crypto/rand"
	"time"
)

// maxMisses is how many probes in a row may fail to come back.
const maxMisses = 2

// probe tries whether the subscription hears. A connection can be dead for a
// long time without an error: the other side is gone, or a middlebox has
// forgotten it. So a message goes out through the command pool, never over the
// connection that is tried, and has to come back.
func (s *subscription) probe() {
	name := wakeChannel("probe-" + rand.Text())
	w, _ := s.join(name)
	defer w.Close()
	tick := time.NewTicker(s.cfg.Probe)
	defer tick.Stop()
	misses := 0
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		sent, heard := s.tryOnce(name, w)
		switch {
		case s.ctx.Err() != nil:
			return
		case heard:
			misses = 0
		case sent: // if not, Redis cannot be reached at all, and that proves nothing
			misses++
			s.misses.Add(1)
		}
		if misses == maxMisses {
			misses = 0
			signal(s.renew)
		}
	}
}

func (s *subscription) tryOnce(name string, w *watch) (sent, heard bool) {
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Probe)
	defer cancel()
	drain(w.c)
	if err := s.client.Publish(ctx, name, "probe").Err(); err != nil {
		return false, false
	}
	select {
	case <-w.c:
		return true, true
	case <-ctx.Done():
		return true, false
	}
}

// Stats tells how the subscription is doing.
type Stats struct {
	Channels   int    // subscribed now, lingering ones and the probe's included
	Reconnects uint64 // attempts to connect after the first, since the start
	Misses     uint64 // probes that did not come back, since the start
}

// Stats may be called at any time.
func (r *Redis) Stats() Stats {
	r.sub.mu.Lock()
	defer r.sub.mu.Unlock()
	return Stats{
		Channels:   len(r.sub.channels),
		Reconnects: r.sub.reconnects.Load(),
		Misses:     r.sub.misses.Load(),
	}
}
