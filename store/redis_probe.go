package store

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxMisses is how many probes in a row may fail to come back.
const maxMisses = 2

// probe tries whether the subscription hears. A connection can be dead for a
// long time without an error: the other side is gone, or a middlebox has
// forgotten it, or it leads to a master that was put aside. So a message goes out
// through the command pool, never over the connection that is tried, and has to
// come back.
func (s *subscription) probe() {
	w, _ := s.join(s.probed)
	defer w.Close()
	tick := time.NewTicker(s.cfg.Probe)
	defer tick.Stop()
	misses := 0
	var unheard map[string]bool
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		missed := false
		unheard, missed = s.round(unheard)
		switch {
		case s.ctx.Err() != nil:
			return
		case missed:
			misses++
			s.misses.Add(1)
		case len(unheard) == 0:
			misses = 0
		}
		if misses == maxMisses {
			misses = 0
			signal(s.renew)
		}
	}
}

// round tries every source once. It returns which could not be heard, and whether
// one of these did publish: if not, it cannot be reached at all, and that proves
// nothing of the subscription.
//
// The nodes of a Cluster tell each other what was published, and tell it nobody
// while they have lost each other, as when one of them stood still: our connection
// lives on and never hears of it. So when a node is heard again, everybody reads.
func (s *subscription) round(before map[string]bool) (unheard map[string]bool, missed bool) {
	unheard = make(map[string]bool)
	for _, source := range s.sources() {
		address := source.Options().Addr
		sent, heard := s.tryOnce(source)
		switch {
		case !heard:
			unheard[address], missed = true, missed || sent
		case before[address]:
			s.wakeAll()
		}
	}
	return unheard, missed
}

// sources are the servers that publish: the one there is, or a Cluster's masters.
func (s *subscription) sources() (clients []*redis.Client) {
	switch client := s.client.(type) {
	case *redis.Client:
		clients = append(clients, client)
	case *redis.ClusterClient:
		ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Probe)
		defer cancel()
		var mu sync.Mutex
		// Its error is that nobody knows the masters: then there are none.
		_ = client.ForEachMaster(ctx, func(_ context.Context, master *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			clients = append(clients, master)
			return nil
		})
	}
	return clients
}

func (s *subscription) tryOnce(source *redis.Client) (sent, heard bool) {
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Probe)
	defer cancel()
	token := rand.Text()
	if err := source.Publish(ctx, s.probed, token).Err(); err != nil {
		return false, false
	}
	for {
		select {
		case echo := <-s.echoes:
			if echo == token { // not an earlier one's, that came late
				return true, true
			}
		case <-ctx.Done():
			return true, false
		}
	}
}

// echo hears a probe come back. When nobody has waited for so many, that says
// enough.
func (s *subscription) echo(token string) {
	select {
	case s.echoes <- token:
	default:
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
