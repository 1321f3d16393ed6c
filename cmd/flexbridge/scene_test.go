package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

// quick makes every wait short that is not the test's own, but long enough for
// a busy machine.
func quick(t *timings) {
	t.bridge.SayLimit, t.bridge.Lease = 5*time.Second, 2*time.Second
	t.bridge.Doubt = [2]time.Duration{50 * time.Millisecond, 100 * time.Millisecond}
	t.bridge.GapWait, t.bridge.GapBelief = 100*time.Millisecond, time.Second
	t.bridge.LookLimit, t.bridge.LastLook = time.Second, time.Second
	t.bridge.KeepLimit, t.bridge.KeepRetry = 500*time.Millisecond, 20*time.Second
	t.store.Probe = 200 * time.Millisecond
	t.desk.Timeout = 500 * time.Millisecond
}

// quickRedis are the client's parameters for the same.
const quickRedis = "?dial_timeout=500ms&read_timeout=500ms&write_timeout=500ms"

// scene is a world on a real Redis, with two replicas and short timings. Webhooks
// reach only the first replica.
type scene struct {
	*world
	redis   *storetest.Fleet
	a, b    *replica
	wait    int // seconds, of the callers to be parked
	callers []*caller
	parked  []<-chan result
}

func newScene(t *testing.T, account flexsim.Config, change ...func(*Config)) *scene {
	t.Helper()
	t.Parallel()
	return newSceneOn(t, startRedis(t), account, change...)
}

func newSceneOn(t *testing.T, redis *storetest.Fleet, account flexsim.Config, change ...func(*Config)) *scene {
	t.Helper()
	s := &scene{world: newWorld(t, nil, account), redis: redis, wait: 15}
	address, options, _ := strings.Cut(redis.URL, "?")
	s.redisURL, s.tune = address+quickRedis+"&"+options, append(s.tune, quick)
	s.a = s.start(nil, change...)
	s.b = s.start(s.a, change...)
	return s
}

// park has three callers wait for the reply to their first question, on both replicas.
func (s *scene) park() {
	s.t.Helper()
	for i, name := range []string{"ann", "bob", "cleo"} {
		c := s.caller(name, s.b, s.a)
		if i%2 == 1 {
			c = s.caller(name, s.a, s.b)
		}
		c.wait = s.wait
		s.callers = append(s.callers, c)
		s.parked = append(s.parked, c.first(0))
		s.asked(c.question(0))
	}
	// The question has been seen before its caller has begun to wait.
	s.until(func() bool {
		said := int64(0)
		for _, n := range s.redis.Do("EVAL", `local n = 0
			for _, key in ipairs(redis.call('KEYS', '*:said:*')) do n = n + redis.call('HEXISTS', key, 'index') end
			return n`, 0) {
			said += n.(int64)
		}
		return said == int64(len(s.callers))
	})
}

// answer says so many numbered replies to a caller.
func (s *scene) answer(c *caller, n int) {
	s.t.Helper()
	t := c.truth()
	sid := t.conversations[len(t.conversations)-1].SID
	for i := range n {
		s.reply(sid, fmt.Sprintf("to %s %d", c.name, len(t.replies)+i))
	}
}

// soon is when a parked request must have its reply without having looked by itself.
const soon = 10 * time.Second

// survived holds that no parked request failed, and that each got its reply long
// before its deadline.
func (s *scene) survived() {
	s.t.Helper()
	for i, parked := range s.parked {
		got := <-parked
		if got.err != nil || got.Status != "replied" || got.took > soon {
			s.t.Errorf("%s, who was parked, got %d %v %q %s (%v) after %v", s.callers[i].name,
				got.HTTP, got.Status, got.texts(), got.Detail, got.err, got.took)
		}
		s.callers[i].take(got.answer)
	}
}

// goesOn has every caller ask once more, and holds the full set.
func (s *scene) goesOn(conversations int) {
	s.t.Helper()
	s.askAgain()
	s.settled(conversations, s.callers...)
}

func (s *scene) askAgain() {
	s.t.Helper()
	var asked []<-chan result
	for _, c := range s.callers {
		asked = append(asked, later(func() (answer, error) { return c.ask(s.t.Context(), 1) }))
	}
	for i, c := range s.callers {
		s.asked(c.question(1))
		s.answer(c, 2)
		if got := <-asked[i]; got.err != nil || got.Status != "replied" {
			s.t.Errorf("%s asked again and got %v (%v)", c.name, got.Status, got.err)
		}
	}
}
