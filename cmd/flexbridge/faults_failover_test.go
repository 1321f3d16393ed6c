package main

import (
	"fmt"
	"strings"
	"testing"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store"
	"flexbridge/store/storetest"
)

// TestRedisElsewhere: of what happens to one server, what differs most on many.
func TestRedisElsewhere(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"cluster", "sentinel"} {
		for name, fault := range map[string]struct {
			begin func(*storetest.Fleet)
			end   func(*storetest.Fleet)
		}{
			"killed":       {(*storetest.Fleet).Kill, func(f *storetest.Fleet) { f.Restart(true) }},
			"killed empty": {(*storetest.Fleet).Kill, func(f *storetest.Fleet) { f.Restart(false) }},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				s := newSceneOn(t, storetest.Fleets[kind](t), flexsim.Config{})
				s.through(func() { fault.begin(s.redis) }, func() { fault.end(s.redis) })
			})
		}
	}
}

// TestSentinelFailsOver: the master is gone for good, and its replica promoted.
func TestSentinelFailsOver(t *testing.T) {
	t.Parallel()
	redis := storetest.StartSentinel(t)
	s := newSceneOn(t, redis.Fleet, flexsim.Config{})
	s.park()
	redis.Master.Do("WAIT", 1, 1000)
	redis.Servers = []*storetest.Server{redis.Replica}
	s.failsOver(redis.Master.Kill, redis.Replica)
}

// failsOver has a master go while callers are parked, and a replica take its place.
func (s *scene) failsOver(goes func(), replica *storetest.Server) {
	s.t.Helper()
	goes()
	s.answer(s.callers[0], 1)
	s.answer(s.callers[1], 1)
	s.until(replica.IsMaster)
	s.answer(s.callers[1], 1)
	s.answer(s.callers[2], 2)
	s.survived()
	s.goesOn(1)
}

// TestClusterFailsOver: the master that has a parked caller's conversation, and
// perhaps the subscription, is gone for good.
func TestClusterFailsOver(t *testing.T) {
	t.Parallel()
	redis := storetest.StartCluster(t, 1)
	s := newSceneOn(t, redis.Fleet, flexsim.Config{})
	s.park()
	master, _ := redis.Of(conversationKey(s.callers[1]))
	replica := redis.ReplicaOf(master)
	master.Do("WAIT", 1, 1000)
	s.failsOver(master.Kill, replica)
}

// conversationKey is where the store keeps a caller's conversation.
func conversationKey(c *caller) string { return "flexbridge:{" + c.truth().conversations[0].SID + "}" }

// TestClusterMovesSlots: of parked callers, with replies that come before, while
// and after the keys move.
func TestClusterMovesSlots(t *testing.T) {
	t.Parallel()
	redis := storetest.StartCluster(t, 0)
	s := newSceneOn(t, redis.Fleet, flexsim.Config{})
	s.park()
	s.twilio.Reset()
	var moves []*storetest.Move
	for _, c := range s.callers {
		moves = append(moves, redis.Move(conversationKey(c)))
	}
	s.answer(s.callers[0], 2)
	moves[1].Keys()
	moves[2].Keys()
	s.answer(s.callers[1], 1)
	moves[1].End()
	moves[2].End()
	s.answer(s.callers[1], 1)
	s.answer(s.callers[2], 2)
	s.survived()
	if n := s.looks(); n > 0 {
		t.Errorf("%d calls to look, want none", n)
	}
	moves[0].Keys()
	moves[0].End()
	s.goesOn(1)
}

// TestSentinelFailsOverWithoutTheLatest: what the replica was not told any more is
// nowhere but at Twilio.
func TestSentinelFailsOverWithoutTheLatest(t *testing.T) {
	t.Parallel()
	redis := storetest.StartSentinel(t)
	newSceneOn(t, redis.Fleet, flexsim.Config{}).losesTheLatest(redis.Master, redis.Replica)
}

func TestClusterFailsOverWithoutTheLatest(t *testing.T) {
	t.Parallel()
	redis := storetest.StartCluster(t, 1)
	s := newSceneOn(t, redis.Fleet, flexsim.Config{})
	s.park()
	master, _ := redis.Of(conversationKey(s.callers[0]))
	s.losesTheLatest(master, redis.ReplicaOf(master))
}

// losesTheLatest has a master go whose replica does not know of the latest writes:
// of replies that parked callers have got, and of some that were kept when nobody
// waited.
func (s *scene) losesTheLatest(master, replica *storetest.Server) {
	s.t.Helper()
	if s.parked == nil {
		s.park()
	}
	master.Isolate()
	for _, c := range s.callers {
		s.answer(c, 1)
	}
	s.survived()
	for _, c := range s.callers {
		s.answer(c, 1) // nobody waits
	}
	s.until(func() bool { return s.twilio.Coming() == 0 })
	master.Kill()
	s.until(replica.IsMaster)
	ann := s.callers[0]
	if known := replica.Do("HEXISTS", conversationKey(ann), "m:2"); known != int64(0) {
		s.t.Errorf("the new master's HEXISTS = %v, want what was lost not to be there", known)
	}
	s.goesOn(1)
}

// TestSentinelPutsTheMasterAside: it was cut off from its sentinel and its replica,
// and still answers the service, whose subscription hears nothing there any more.
func TestSentinelPutsTheMasterAside(t *testing.T) {
	t.Parallel()
	redis := storetest.StartSentinel(t)
	s := newSceneOn(t, redis.Fleet, flexsim.Config{})
	s.park()
	redis.Master.Do("WAIT", 1, 1000)
	s.twilio.Reset()
	redis.Master.Isolate()
	s.until(func() bool { // and commands go there
		return redis.Replica.IsMaster() && strings.Contains(fmt.Sprint(redis.Replica.Do("CLIENT", "LIST")), "user=service")
	})
	for i, c := range s.callers {
		s.answer(c, 1+i)
	}
	s.survived()
	if !redis.Master.IsMaster() {
		t.Error("the old master knows that it is none any more")
	}
	for _, r := range []*replica{s.a, s.b} {
		if stats := r.mail.(*store.Redis).Stats(); stats.Misses < 2 || stats.Reconnects == 0 {
			t.Errorf("stats = %+v, want misses and a reconnection", stats)
		}
	}
	s.goesOn(1)
}
