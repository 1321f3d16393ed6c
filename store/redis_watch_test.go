package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flexbridge/bridge"
	"flexbridge/store"
	"flexbridge/store/storetest"
)

// message is an update with one agent's message.
func message(index int) bridge.Update {
	return bridge.Update{Messages: []bridge.Message{{Index: index, Kind: bridge.FromAgent}}}
}

func watch(t testing.TB, r *store.Redis, conversation string) bridge.Watch {
	t.Helper()
	w, err := r.Watch(t.Context(), conversation)
	check(t, err)
	t.Cleanup(w.Close)
	return w
}

// wakes keeps a message and waits for the wake.
func wakes(t testing.TB, r *store.Redis, w bridge.Watch, conversation string, index int) {
	t.Helper()
	_, err := r.Keep(t.Context(), conversation, message(index))
	check(t, err)
	awaitWake(t, w)
}

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("never: %s", what)
		}
	}
}

func TestRedisRestarted(t *testing.T) {
	for _, keepData := range []bool{true, false} {
		t.Run(fmt.Sprintf("keepData=%v", keepData), func(t *testing.T) {
			s := storetest.StartRedis(t)
			r := open(t, s.URL, store.Config{})
			w := watch(t, r, "CH1")
			wakes(t, r, w, "CH1", 0)
			s.Restart(keepData)
			awaitWake(t, w) // read again: what was sent meanwhile is gone
			in, err := r.Read(t.Context(), "CH1", -1)
			if err != nil || (in.Mark == 0) != keepData {
				t.Errorf("Read = %+v, %v", in, err)
			}
			wakes(t, r, w, "CH1", 1)
			wakes(t, r, watch(t, r, "CH2"), "CH2", 0)
		})
	}
}

func TestRedisWatchWhileDown(t *testing.T) {
	s := storetest.StartRedis(t)
	r := open(t, s.URL, store.Config{Linger: time.Millisecond})
	s.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Watch(ctx, "CH1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Watch = %v while Redis is down, want the context's end", err)
	}
	eventually(t, "who gave up leaves nothing behind", func() bool { return r.Stats().Channels == 1 })

	var wg sync.WaitGroup
	wg.Go(func() { wakes(t, r, watch(t, r, "CH1"), "CH1", 0) }) // waits until it is back
	s.Restart(true)
	wg.Wait()
	if r.Stats().Reconnects == 0 {
		t.Error("no reconnect was counted")
	}
}

func TestRedisSubscriptionKilled(t *testing.T) {
	s := storetest.StartRedis(t)
	r := open(t, s.URL, store.Config{})
	w, other := watch(t, r, "CH1"), watch(t, r, "CH2")
	for i := range 5 {
		s.Do("CLIENT", "KILL", "TYPE", "pubsub")
		awaitWake(t, w)
		awaitWake(t, other)
		wakes(t, r, w, "CH1", i)
	}
}

// A connection that is dead without an error is found by the probe.
func TestRedisDeafSubscription(t *testing.T) {
	s := storetest.StartRedis(t)
	p := storetest.StartWire(t, s.Addr)
	r := open(t, "redis://"+p.Addr(), store.Config{Probe: 50 * time.Millisecond})
	w := watch(t, r, "CH1")
	wakes(t, r, w, "CH1", 0)
	if n := p.Deafen(); n != 1 {
		t.Fatalf("%d subscriptions pass the proxy, want 1", n)
	}
	_, err := r.Keep(t.Context(), "CH1", message(1))
	check(t, err)
	awaitWake(t, w)
	if in, err := r.Read(t.Context(), "CH1", 0); err != nil || len(in.Messages) != 1 {
		t.Errorf("Read = %+v, %v, want what was kept while deaf", in, err)
	}
	wakes(t, r, w, "CH1", 2)
	if got := r.Stats(); got.Misses < 2 || got.Reconnects != 1 {
		t.Errorf("Stats = %+v, want two misses and one reconnect", got)
	}
}

// What a node of a Cluster had to tell while it and the others had lost each other is
// lost, over a subscription that lives on: once it is heard again everybody reads.
func TestRedisClusterNodeStoodStill(t *testing.T) {
	c := storetest.StartCluster(t, 0)
	r := open(t, c.URL, store.Config{Probe: 700 * time.Millisecond}) // nodes find each other sooner
	w := watch(t, r, "CH1")
	wakes(t, r, w, "CH1", 0)
	node, _ := c.Of("flexbridge:{CH2}")
	node.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 1600*time.Millisecond) // two probes
	defer cancel()
	if _, err := r.Keep(ctx, "CH2", message(0)); err == nil {
		t.Error("Keep at a node that stands still: no error")
	}
	select {
	case <-w.C():
		t.Error("woken while nobody knows more")
	default:
	}
	node.Thaw()
	awaitWake(t, w)
	if got := r.Stats(); got.Reconnects != 0 {
		t.Errorf("Stats = %+v, want the subscription not to have been replaced", got)
	}
}

// What a node of a Cluster was about to tell when it died is lost, too: once another
// has its place everybody reads.
func TestRedisClusterNodeReplaced(t *testing.T) {
	c := storetest.StartCluster(t, 1)
	r := open(t, c.URL, store.Config{Probe: 200 * time.Millisecond})
	w := watch(t, r, "CH1")
	wakes(t, r, w, "CH1", 0)
	node, other := c.Of("flexbridge:{CH2}")
	if len(node.Do("PUBSUB", "CHANNELS").([]any)) > 0 {
		node = other
	}
	node.Kill()
	awaitWake(t, w)
	if got := r.Stats(); got.Reconnects != 0 {
		t.Errorf("Stats = %+v, want the subscription not to have been replaced", got)
	}
}

// The node with the subscription is put out of the Cluster, as one is that a broken
// network cut off, and goes on answering. The probe finds that the others are not
// heard there.
func TestRedisClusterNodeCutOff(t *testing.T) {
	c := storetest.StartCluster(t, 0)
	r := open(t, c.URL, store.Config{Probe: 50 * time.Millisecond})
	w := watch(t, r, "CH1")
	wakes(t, r, w, "CH1", 0)
	node := c.Servers[slices.IndexFunc(c.Servers, func(s *storetest.Server) bool {
		return len(s.Do("PUBSUB", "CHANNELS").([]any)) > 0
	})]
	c.CutOff(node)
	eventually(t, "it is subscribed at another", func() bool {
		return slices.ContainsFunc(c.Servers, func(s *storetest.Server) bool {
			return s != node && len(s.Do("PUBSUB", "CHANNELS").([]any)) > 0
		})
	})
	if node.Do("PING") != "PONG" {
		t.Error("the old node does not answer")
	}
	awaitWake(t, w)
	if got := r.Stats(); got.Misses < 2 || got.Reconnects == 0 {
		t.Errorf("Stats = %+v, want misses and a reconnection", got)
	}
}

// Two wakes came before anybody looked, and Redis was emptied between them: the second
// is of a message that its reader may have read, and says nothing of the first.
func TestRedisEmptiedBetweenWakes(t *testing.T) {
	s := storetest.StartRedis(t)
	r := open(t, s.URL, store.Config{})
	w, fenced := watch(t, r, "CH1"), watch(t, r, "CH2")
	question := bridge.Update{Messages: []bridge.Message{{Index: 0, Kind: bridge.FromCustomer}}}
	_, err := r.Keep(t.Context(), "CH1", question)
	check(t, err)
	awaitWake(t, w)
	_, err = r.Keep(t.Context(), "CH1", bridge.Update{Messages: []bridge.Message{{Index: 1, Kind: bridge.FromAgent, Participant: "MB1"}}})
	check(t, err)
	s.Do("FLUSHALL")
	_, err = r.Keep(t.Context(), "CH1", question)
	check(t, err)
	wakes(t, r, fenced, "CH2", 0)
	if news := <-w.C(); news != nil {
		t.Errorf("the wake brings %+v, want nothing, so that everybody reads", news)
	}
}

func TestRedisManyWatchers(t *testing.T) {
	s := storetest.StartRedis(t)
	r := open(t, s.URL, store.Config{})
	const n = 1_000
	ws := make([]bridge.Watch, n)
	var wg sync.WaitGroup
	for i := range ws {
		wg.Go(func() { ws[i] = watch(t, r, fmt.Sprint("CH", i)) })
	}
	wg.Wait()
	for i := range ws {
		wg.Go(func() { wakes(t, r, ws[i], fmt.Sprint("CH", i), 0) })
	}
	wg.Wait()
	if got := s.Clients(); got > 17 {
		t.Errorf("%d connections with %d watchers, want at most 17", got, n)
	}
	s.Do("CLIENT", "KILL", "TYPE", "pubsub")
	for _, w := range ws {
		awaitWake(t, w)
	}
}

// A channel stays subscribed for a while, and then no longer.
func TestRedisLinger(t *testing.T) {
	s := storetest.StartRedis(t)
	subscribed := func(of string) bool {
		list, _ := s.Do("PUBSUB", "CHANNELS", "flexbridge:{"+of+"}:wake").([]any)
		return len(list) > 0
	}
	t.Run("long", func(t *testing.T) {
		r := open(t, s.URL, store.Config{Linger: time.Hour})
		watch(t, r, "CH1").Close()
		watch(t, r, "CH2") // later, so what Close had to write is written
		if !subscribed("CH1") {
			t.Error("unsubscribed at once")
		}
		wakes(t, r, watch(t, r, "CH1"), "CH1", 0)
	})
	t.Run("short", func(t *testing.T) {
		r := open(t, s.URL, store.Config{Linger: 20 * time.Millisecond})
		w := watch(t, r, "CH3")
		watch(t, r, "CH4").Close()
		eventually(t, "it is unsubscribed", func() bool { return !subscribed("CH4") })
		wakes(t, r, watch(t, r, "CH4"), "CH4", 0)
		wakes(t, r, w, "CH3", 0)
	})
	t.Run("right back", func(t *testing.T) {
		r := open(t, s.URL, store.Config{Linger: 50 * time.Millisecond})
		watch(t, r, "CH6").Close()
		back := watch(t, r, "CH6")
		watch(t, r, "CH7").Close()
		eventually(t, "who left later is unsubscribed", func() bool { return !subscribed("CH7") })
		wakes(t, r, back, "CH6", 0)
	})
	t.Run("many at once", func(t *testing.T) {
		r := open(t, s.URL, store.Config{Linger: 2 * time.Second})
		s.Do("CONFIG", "RESETSTAT")
		for i := range 200 {
			watch(t, r, fmt.Sprint("CH8-", i)).Close()
		}
		eventually(t, "all are unsubscribed", func() bool { return r.Stats().Channels == 1 })
		stats, _ := s.Do("INFO", "commandstats").(string)
		_, calls, _ := strings.Cut(stats, "cmdstat_unsubscribe:calls=")
		calls, _, _ = strings.Cut(calls, ",")
		if n, err := strconv.Atoi(calls); err != nil || n > 20 {
			t.Errorf("200 channels left in %q commands, want few", calls)
		}
	})
	t.Run("coming and going", func(t *testing.T) {
		r := open(t, s.URL, store.Config{Linger: time.Nanosecond})
		var index atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 100 {
					w, err := r.Watch(t.Context(), "CH5")
					if err != nil {
						t.Errorf("Watch = %v", err)
						return
					}
					wakes(t, r, w, "CH5", int(index.Add(1)))
					w.Close()
				}
			})
		}
		wg.Wait()
		eventually(t, "all are unsubscribed", func() bool { return r.Stats().Channels == 1 })
		if subscribed("CH5") {
			t.Error("still subscribed when nobody watches")
		}
	})
}

func TestRedisCloseWithWatchers(t *testing.T) {
	s := storetest.StartRedis(t)
	r, err := store.OpenRedis(s.URL, store.Config{})
	check(t, err)
	w := watch(t, r, "CH1")
	s.Freeze()
	failed := make(chan error, 1)
	go func() {
		_, err := r.Watch(context.Background(), "CH2") // never confirmed
		failed <- err
	}()
	eventually(t, "it is waiting", func() bool { return r.Stats().Channels == 3 })
	check(t, r.Close())
	if err := <-failed; err == nil {
		t.Error("Watch of a closed mailbox: no error")
	}
	s.Thaw()
	w.Close()
}
