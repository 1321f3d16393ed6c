package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
)

var rollingRate = flag.Int("rolling", 40, "how many exchanges a second TestRollingRestart tries")

// TestRollingRestart: each of three replicas is ended and started again, one after
// the other, behind a balancer that asks who is ready and repeats nothing. Callers
// do what the answers tell them, and nobody notices anything.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	s := newRolling(t)
	ctx, over := context.WithCancel(t.Context())
	defer over()
	var work sync.WaitGroup
	for i, c := range s.callers {
		work.Go(func() { s.asks(ctx, c, i) })
	}
	s.until(func() bool { return s.done() >= len(s.callers) })
	start, before := time.Now(), s.done()
	for i := range s.slots {
		s.slots[i].signal(syscall.SIGTERM)
		fresh := s.startProcess(s.front, s.tuned)
		<-s.slots[i].stopped
		if err := s.slots[i].err; err != nil {
			t.Errorf("a replica ended with %v, want exit code 0", err)
		}
		s.replace(i, fresh)
	}
	took := time.Since(start)
	rate := float64(s.done()-before) / took.Seconds()
	over()
	work.Wait()
	for _, c := range s.callers { // one by one, as many take longer than settled has
		s.settled(1, c)
	}
	s.judge()
	t.Logf("%d replicas anew in %v, at %.0f exchanges a second, %d in all; %d answers were pending; the slowest reply was with its caller %v after it was sent, half within %v",
		len(s.slots), took.Round(time.Millisecond), rate, len(s.times), s.pending, s.times[len(s.times)-1], s.times[len(s.times)/2])
}

// rolling is three replicas in processes of their own, and callers at a pace.
type rolling struct {
	*scene
	front *front
	slots []*process

	mu       sync.Mutex
	times    []time.Duration // from each reply to its caller's having it
	said     map[string]time.Time
	pending  int
	failures map[string]int // calls that failed, by what they got
}

// A caller asks every pace, and an agent takes as long as thinks at most.
const pace, thinks = 4 * time.Second, 3 * time.Second

func newRolling(t *testing.T) *rolling {
	s := &rolling{front: newFront(t), said: map[string]time.Time{}, failures: map[string]int{}}
	redis := startRedis(t)
	agents := func(ctx context.Context, m flexsim.Message) {
		if strings.HasPrefix(m.Author, "flexbridge-") && rest(ctx, rand.N(thinks)) {
			s.mu.Lock()
			s.said["to "+m.Text] = time.Now()
			s.mu.Unlock()
			_, _ = s.agent.Say(m.Conversation, "to "+m.Text)
		}
	}
	s.scene = &scene{world: newWorld(t, nil, flexsim.Config{OnMessage: agents}), redis: redis}
	s.redisURL = redis.URL
	for range 3 {
		s.slots = append(s.slots, s.startProcess(s.front, s.tuned))
	}
	s.front.follow(t, s.balanced)
	for i := range *rollingRate * int(pace/time.Second) {
		c := s.caller(fmt.Sprint("caller", i), &replica{url: s.front.URL})
		c.failed = func(a answer, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.failures[fmt.Sprintf("%d %s %v", a.HTTP, a.Code, err)]++
		}
		s.callers = append(s.callers, c)
	}
	return s
}

func (s *rolling) tuned(c *Config) { c.DrainDelay = 1500 * time.Millisecond }

func (s *rolling) balanced() (replicas []*replica) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.slots {
		replicas = append(replicas, p.replica)
	}
	return replicas
}

func (s *rolling) replace(i int, fresh *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots[i] = fresh
}

func (s *rolling) done() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

// asks has a caller ask at its pace.
func (s *rolling) asks(ctx context.Context, c *caller, i int) {
	rest(ctx, 2*time.Duration(i)*pace/time.Duration(len(s.callers))) // a first question costs five calls
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		first, err := c.insist(s.t.Context(), func(r *replica) (answer, error) { return r.send(s.t.Context(), c.name, c.body(n)) })
		a := first
		for err == nil && a.Status == "pending" {
			a, err = c.read(s.t.Context(), c.wait)
		}
		if err != nil {
			s.t.Error(err)
			return
		}
		s.mu.Lock()
		s.times = append(s.times, time.Since(s.said["to "+c.question(n)]))
		if first.Status == "pending" {
			s.pending++
		}
		s.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// judge holds that no call and no webhook failed, and that no reply waited for a look.
func (s *rolling) judge() {
	s.t.Helper()
	slices.Sort(s.times)
	if len(s.failures) > 0 {
		s.t.Errorf("calls failed: %v", s.failures)
	}
	for _, d := range s.twilio.Webhooks() {
		if d.Status != http.StatusNoContent {
			s.t.Errorf("a webhook was answered %d, %v", d.Status, d.Err)
		}
	}
	if s.pending == 0 {
		s.t.Error("nobody was parked at a replica that ended")
	}
	if slowest := s.times[len(s.times)-1]; slowest > soon {
		s.t.Errorf("the slowest reply took %v", slowest)
	}
}
