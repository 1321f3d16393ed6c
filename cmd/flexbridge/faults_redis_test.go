package main

import (
	"context"
	"net/http"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store"
	"flexbridge/store/storetest"
)

// through has a fault begin while callers are parked, and end. One is answered
// before it ends, one after, and one both times.
func (s *scene) through(begin, end func()) {
	s.t.Helper()
	s.park()
	begin()
	s.answer(s.callers[0], 1)
	s.answer(s.callers[1], 1)
	end()
	s.answer(s.callers[1], 1)
	s.answer(s.callers[2], 2)
	s.survived()
	s.goesOn(1)
}

func nothing() {}

func TestRedisKilledAndRestartedWithItsData(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.through(s.redis.Kill, func() { s.redis.Restart(true) })
}

func TestRedisKilledAndRestartedEmpty(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.through(s.redis.Kill, func() { s.redis.Restart(false) })
}

func TestRedisEmptiedUnderway(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.through(func() { s.redis.Do("FLUSHALL") }, nothing)
}

func TestRedisFrozenLongerThanItsClientsWait(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.through(s.redis.Freeze, func() {
		time.Sleep(1500 * time.Millisecond) // the fault itself: three read timeouts
		s.redis.Thaw()
	})
}

func TestRedisScriptsFlushed(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.through(func() { s.redis.Do("SCRIPT", "FLUSH") }, nothing)
}

func TestRedisSubscriptionKilled(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.through(func() { s.redis.Do("CLIENT", "KILL", "TYPE", "pubsub") }, nothing)
}

func TestRedisConnectionsKilled(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.through(func() {
		s.redis.Do("CLIENT", "KILL", "TYPE", "normal")
		s.redis.Do("CLIENT", "KILL", "TYPE", "pubsub")
	}, nothing)
}

// TestRedisSubscriptionDeaf: the connection lives, and nothing comes over it.
func TestRedisSubscriptionDeaf(t *testing.T) {
	t.Parallel()
	redis := storetest.StartRedis(t)
	wire := storetest.StartWire(t, redis.Addr)
	s := newSceneOn(t, &storetest.Fleet{URL: "redis://" + wire.Addr(), Servers: []*storetest.Server{redis}}, flexsim.Config{})
	s.through(func() {
		if n := wire.Deafen(); n != 2 {
			t.Fatalf("%d subscriptions were made deaf, want 2", n)
		}
	}, nothing)
	for _, r := range []*replica{s.a, s.b} {
		if stats := r.mail.(*store.Redis).Stats(); stats.Misses < 2 || stats.Reconnects == 0 {
			t.Errorf("stats = %+v, want misses and a reconnection", stats)
		}
	}
}

func TestReadinessFollowsRedis(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	ready := func(want int) {
		t.Helper()
		for _, r := range []*replica{s.a, s.b} {
			s.until(func() bool { return status(t, r.url+"/readyz") == want })
			if got := status(t, r.url+"/livez"); got != http.StatusOK {
				t.Errorf("/livez = %d while /readyz = %d", got, want)
			}
		}
	}
	ready(http.StatusOK)
	s.redis.Kill()
	ready(http.StatusServiceUnavailable)
	s.redis.Restart(true)
	ready(http.StatusOK)
	s.redis.Freeze()
	ready(http.StatusServiceUnavailable)
	s.redis.Thaw()
	ready(http.StatusOK)
}

// status is what a GET is answered with.
func status(t *testing.T, address string) int {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// TestRedisEmptiedBetweenQuestions: the open conversation is found through Twilio.
func TestRedisEmptiedBetweenQuestions(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.park()
	for _, c := range s.callers {
		s.answer(c, 1)
	}
	s.survived()
	s.redis.Restart(false)
	s.twilio.Reset()
	s.askAgain()
	if n := s.twilio.Count(flexsim.CreateConversation, flexsim.CreateWebhook, flexsim.CreateInteraction, flexsim.CreateParticipant); n != 0 {
		t.Errorf("%d calls opened what was open", n)
	}
	// The customer, its conversation's state and messages, and the question.
	if n := s.twilio.Count(); n != 4*len(s.callers) {
		t.Errorf("%d calls, want 4 of each caller", n)
	}
	s.settled(1, s.callers...)
}

// TestRedisEmptiedWhileTheAnswerIsLost: a question under a key is found again by
// its nonce, though the store has forgotten the key.
func TestRedisEmptiedWhileTheAnswerIsLost(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.park()
	for _, c := range s.callers {
		s.answer(c, 1)
	}
	for _, parked := range s.parked {
		<-parked // and none of the callers got to see it
	}
	s.redis.Restart(false)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for _, c := range s.callers {
		if a, err := c.ask(ctx, 0); err != nil || a.Status != "replied" {
			t.Errorf("%s repeated its call and got %v, %v", c.name, a.Status, err)
		}
	}
	s.settled(1, s.callers...)
}
