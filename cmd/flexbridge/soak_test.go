package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

var (
	soakFor  = flag.Duration("soak", 0, "how long TestSoak runs; 0 skips it")
	soakSeed = flag.Uint64("soak.seed", 0, "what TestSoak's chance begins with; 0 takes the time")
)

// soak is many careful callers and busy agents, three replicas, two of them in
// processes of their own, one Redis, and everything going wrong.
type soak struct {
	*world
	redis *storetest.Fleet
	front *front
	slots []*slot
	over  context.Context // no new question is asked then

	mu        sync.Mutex
	chance    *rand.Rand
	faults    map[string]int
	failures  map[string]int // calls that failed and were repeated
	exchanges int
	hungUp    int
	stuck     []error
	losses    []span               // when Redis lost what it knew
	begun     map[string]time.Time // when a question was first sent
}

type span struct{ from, to time.Time }

// slot is where one replica after the other runs.
type slot struct {
	name string
	*process
}

// TestSoak runs with, for example, -run Soak -soak 10m -timeout 15m.
func TestSoak(t *testing.T) {
	if *soakFor == 0 {
		t.Skip("it takes as long as -soak says, which is 0")
	}
	seed := *soakSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-soak.seed %d", seed)
	before := runtime.NumGoroutine()
	s := &soak{chance: rand.New(rand.NewPCG(seed, 0)), faults: map[string]int{}, failures: map[string]int{}, begun: map[string]time.Time{}}
	s.world, s.redis = newWorld(t, nil, flexsim.Config{OnMessage: s.agents}), startRedis(t)
	s.redisURL = s.redis.URL
	s.front = newFront(t)
	for _, name := range []string{"a", "b", "c"} {
		slot := &slot{name: name}
		s.slots = append(s.slots, slot)
		s.replace(slot)
	}
	var end context.CancelFunc
	s.over, end = context.WithTimeout(t.Context(), *soakFor)
	defer end()

	var work sync.WaitGroup
	var callers []*caller
	for i := range 30 {
		c := s.caller(fmt.Sprintf("customer%d", i))
		c.at, c.wait, c.failed = s.anyReplica, 3, s.failed
		callers = append(callers, c)
		work.Go(func() { s.customer(c) })
	}
	s.chaos()
	s.mend()
	work.Wait()
	s.judge(callers)
	for _, slot := range s.slots {
		if err := slot.stop(); err != nil {
			t.Errorf("replica %s ended with %v", slot.name, err)
		}
	}
	s.twilio.Close()
	s.front.Close()
	s.rest.Close()
	http.DefaultClient.CloseIdleConnections()
	t.Logf("goroutines of this process: %d before, %d after, of which Redis has some", before, runtime.NumGoroutine())
}

// replace starts a new replica in a slot.
func (s *soak) replace(at *slot) {
	p := s.startProcess(s.front, func(c *Config) { c.Wait, c.LooksPerSecond = 3*time.Second, 200 })
	s.mu.Lock()
	defer s.mu.Unlock()
	at.process = p
	var running []*replica
	for _, slot := range s.slots {
		if slot.process != nil {
			running = append(running, slot.replica)
		}
	}
	s.front.to(running...)
}

// anyReplica may be one that has just ended: nobody knows that at once.
func (s *soak) anyReplica() *replica {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots[s.chance.IntN(len(s.slots))].replica
}

func (s *soak) below(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chance.IntN(n)
}

func (s *soak) upTo(d time.Duration) time.Duration { return time.Duration(s.below(int(d))) }

func (s *soak) failed(a answer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failures["no answer"]++
	} else {
		s.failures[a.Code]++
	}
}

// rest pauses, and reports false when the context ended first.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// customer asks one question after the other.
func (s *soak) customer(c *caller) {
	for n := 0; s.over.Err() == nil; n++ {
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
		s.mu.Lock()
		s.begun[c.question(n)] = time.Now()
		s.mu.Unlock()
		if s.below(10) == 0 {
			s.hangUp(c, n)
		}
		_, err := c.ask(ctx, n)
		for err == nil && s.below(3) == 0 {
			_, err = c.read(ctx, s.below(2))
		}
		cancel()
		s.mu.Lock()
		if s.exchanges++; err != nil {
			s.stuck = append(s.stuck, fmt.Errorf("question %d: %w", n, err))
		}
		s.mu.Unlock()
		rest(s.over, s.upTo(300*time.Millisecond))
	}
}

// hangUp begins to ask, and leaves before or while the answer comes.
func (s *soak) hangUp(c *caller, n int) {
	ctx, cancel := context.WithTimeout(s.t.Context(), s.upTo(time.Second))
	defer cancel()
	if _, err := c.at().send(ctx, c.name, c.body(n)); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hungUp++
	}
}

// agents answer a customer's message, mostly once and soon.
func (s *soak) agents(ctx context.Context, m flexsim.Message) {
	if !strings.HasPrefix(m.Author, "flexbridge-") {
		return
	}
	thinks := 300 * time.Millisecond
	if s.below(10) == 0 {
		thinks = 6 * time.Second // two waits
	}
	if s.below(20) == 0 {
		s.twilio.SkipIndex(m.Conversation, 1+s.below(2))
	}
	for n := range []int{1, 1, 1, 1, 2, 3, 0}[s.below(7)] + 1 {
		if !rest(ctx, s.upTo(thinks)) {
			return
		}
		text := fmt.Sprintf("%s-%d.%d", m.Conversation[len(m.Conversation)-4:], m.Index, n)
		switch s.below(15) {
		case 0:
			_, _ = s.twilio.BotSay(m.Conversation, "bot", "bot "+text)
		case 1:
			_, _ = s.twilio.StudioSay(m.Conversation, "studio "+text)
		}
		_, _ = s.agent.Say(m.Conversation, text) // an error if it is closed
	}
	switch s.below(20) {
	case 0:
		_ = s.agent.Close(m.Conversation)
	case 1:
		_ = s.agent.Leave(m.Conversation)
	}
}
