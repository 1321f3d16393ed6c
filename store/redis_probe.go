package store

import (
	"context"
	"crypto/rand"
	"maps"
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
	misses := make(map[string]int) // of sources that were not heard when last tried
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		sources := s.sources()
		for _, source := range sources {
			s.try(source, misses)
		}
		s.forget(sources, misses)
	}
}

// forget gives up those that were not heard and are no sources any more: another node
// took the place of each, and what it was about to tell is lost.
func (s *subscription) forget(sources []*redis.Client, misses map[string]int) {
	if len(sources) == 0 { // nobody could tell
		return
	}
	gone := maps.Clone(misses)
	for _, source := range sources {
		delete(gone, source.Options().Addr)
	}
	for address := range gone {
		delete(misses, address)
	}
	if len(gone) > 0 {
		s.wakeAll()
	}
}

// try has a source tell us something.
//
// The nodes of a Cluster tell each other what was published, and tell it nobody
// while they have lost each other, as when one of them stood still: our connection
// lives on and never hears of it. So when a source is heard again, everybody reads.
func (s *subscription) try(source *redis.Client, misses map[string]int) {
	address := source.Options().Addr
	sent, heard := s.tryOnce(source)
	if s.ctx.Err() != nil {
		return
	}
	before, unheard := misses[address]
	switch {
	case heard && unheard:
		delete(misses, address)
		s.wakeAll()
	case heard:
	case !sent: // it cannot be reached at all, which proves nothing of the subscription
		if _, cluster := s.client.(*redis.ClusterClient); cluster {
			misses[address] = before
		}
	default:
		s.misses.Add(1)
		misses[address] = (before + 1) % maxMisses
		if misses[address] == 0 {
			signal(s.renew)
		}
	}
}

// sources are the servers that publish: the one there is, or a Cluster's masters.
func (s *subscription) sources() (clients []*redis.Client) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return append(clients, s.client.(*redis.Client))
	}
	ctx, cancel := s.sending()
	defer cancel()
	var mu sync.Mutex
	// Its error is that nobody has ever told the masters: then there are none.
	_ = cluster.ForEachMaster(ctx, func(_ context.Context, master *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		clients = append(clients, master)
		return nil
	})
	return clients
}

// sending bounds what is asked of a source. A node that stands still for longer than
// nodes forgive each other, half of cluster-node-timeout or 7.5 s, is noticed: its next
// probe is Config.Probe away at most, and finding out the masters and sending take a
// quarter of that each.
func (s *subscription) sending() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, s.cfg.Probe/4)
}

func (s *subscription) tryOnce(source *redis.Client) (sent, heard bool) {
	ctx, cancel := s.sending()
	defer cancel()
	token := rand.Text()
	if err := source.Publish(ctx, s.probed, token).Err(); err != nil {
		return false, false
	}
	late := time.NewTimer(s.cfg.Probe)
	defer late.Stop()
	for {
		select {
		case echo := <-s.echoes:
			if echo == token { // not an earlier one's, that came late
				return true, true
			}
		case <-late.C:
			return true, false
		case <-s.ctx.Done():
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
