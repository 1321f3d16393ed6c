package main

import (
	"context"
	"errors"
	"net/http"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
)

// processes is a scene whose two replicas run in processes of their own, behind
// one front.
type processes struct {
	*scene
	front *front
	a, b  *process
}

func startProcesses(t *testing.T, change ...func(*Config)) *processes {
	t.Helper()
	t.Parallel()
	redis := startRedis(t)
	s := &processes{scene: &scene{world: newWorld(t, nil, flexsim.Config{}), redis: redis, wait: 15}, front: newFront(t)}
	s.redisURL = redis.URL
	s.a, s.b = s.startProcess(s.front, change...), s.startProcess(s.front, change...)
	s.scene.a, s.scene.b = s.a.replica, s.b.replica
	s.front.to(s.a.replica, s.b.replica)
	return s
}

// lead makes callers who turn to the first replica, and after a failure to the other.
func (s *processes) lead(names ...string) {
	for _, name := range names {
		c := s.caller(name, s.a.replica, s.b.replica)
		c.wait, s.callers = 10, append(s.callers, c)
		s.parked = append(s.parked, later(func() (answer, error) { return c.ask(s.t.Context(), 0) }))
		s.asked(c.question(0))
	}
}

// answered holds that each who was led has its reply in the end.
func (s *processes) answered() {
	s.t.Helper()
	for i, parked := range s.parked {
		if got := <-parked; got.err != nil || got.Status != "replied" {
			s.t.Errorf("%s got %v (%v)", s.callers[i].name, got.Status, got.err)
		}
	}
}

// TestReplicaKilled: with callers who wait, one whose question Twilio has got and
// nobody else knows, and one whose conversation is half open: the step that must
// not be done twice was done, and nobody was told.
func TestReplicaKilled(t *testing.T) { eachRoute(t, testReplicaKilled) }

func testReplicaKilled(t *testing.T, route string) {
	s := startProcesses(t, routes[route])
	s.lead("ann", "bob", "cleo")
	s.twilio.Break(flexsim.CreateMessage, 1, flexsim.Fault{Late: true, Hold: t.Context().Done()})
	s.lead("speaks")
	opens := s.caller("opens", s.a.replica, s.b.replica)
	s.callers = append(s.callers, opens)
	s.twilio.Reset()
	s.twilio.Break(routing[route], 1, flexsim.Fault{Late: true, Hold: t.Context().Done()})
	s.parked = append(s.parked, later(func() (answer, error) { return opens.ask(t.Context(), 0) }))
	s.until(func() bool { return s.twilio.Count(routing[route]) == 1 })

	s.answer(s.callers[0], 1) // on its way while the process ends
	s.a.kill()
	s.answer(s.callers[1], 2) // some of it is told to a dead replica
	s.front.to(s.b.replica)
	s.answer(s.callers[1], 1)
	s.answer(s.callers[2], 1)
	s.answer(s.callers[3], 1)
	s.asked(opens.question(0))
	s.answer(opens, 1)
	s.answered()
	s.goesOn(1)
}

// TestOpenerKilledAndStoreEmptied: only Twilio knows what was opened, and that the
// message is missing.
func TestOpenerKilledAndStoreEmptied(t *testing.T) { eachRoute(t, testOpenerKilledAndStoreEmptied) }

func testOpenerKilledAndStoreEmptied(t *testing.T, route string) {
	s := startProcesses(t, routes[route])
	c := s.caller("opens", s.a.replica, s.b.replica)
	s.callers = append(s.callers, c)
	s.twilio.Break(flexsim.CreateMessage, 1, flexsim.Fault{Hold: t.Context().Done()})
	s.parked = append(s.parked, later(func() (answer, error) { return c.ask(t.Context(), 0) }))
	s.until(func() bool { return s.twilio.Count(flexsim.CreateMessage) == 1 })
	s.redis.Do("FLUSHALL")
	s.a.kill()
	s.front.to(s.b.replica)
	s.asked(c.question(0))
	s.answer(c, 1)
	s.answered()
	s.goesOn(1)
}

func TestReplicaDrained(t *testing.T) {
	s := startProcesses(t)
	s.park()
	s.front.to(s.b.replica)
	start := time.Now()
	ended := later(func() (answer, error) { return answer{}, s.a.stop() })
	for i, c := range s.callers {
		if i%2 == 0 {
			continue // parked on the other
		}
		got := s.want(<-s.parked[i], "pending", "")
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s was let go after %v, want a second at most", c.name, took)
		}
		c.take(got)
		s.parked[i] = later(func() (answer, error) { return s.b.replies(t.Context(), c.name, got.Cursor, 10) })
	}
	if end := <-ended; end.err != nil {
		t.Errorf("the process ended with %v, want exit code 0", end.err)
	}
	for i, c := range s.callers {
		s.answer(c, i+1)
		c.at = func() *replica { return s.b.replica }
	}
	s.survived()
	s.goesOn(1)
}

// TestDrainDelay: who asks hears that the end is near, and everybody else notices
// nothing until it has come.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	s := &scene{world: newWorld(t, nil, flexsim.Config{})}
	r := s.start(nil, func(c *Config) { c.DrainDelay = 3 * time.Second })
	ann, bob := s.asking(r, "ann", "may I?"), s.asking(r, "bob", "and I?")
	for _, text := range []string{"may I?", "and I?"} {
		s.asked(text)
	}
	ended := later(func() (answer, error) { return answer{}, r.stop() })
	s.until(func() bool { return status(t, r.url+"/readyz") == http.StatusServiceUnavailable })
	s.reply(s.asked("may I?"), "you may")
	s.want(<-ann, "replied", "you may")
	a, err := r.send(t.Context(), "cleo", map[string]any{"msg": "hello?", "wait": 0})
	s.want(now(a, err), "pending", "")
	s.want(<-bob, "pending", "")
	if end := <-ended; end.err != nil || end.took < 3*time.Second {
		t.Errorf("the end = %v after %v, want none before 3s", end.err, end.took)
	}
}

// TestSecondSignalEndsAtOnce: the first drains, which waits for what is being said.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	s := startProcesses(t)
	s.twilio.Break(flexsim.CreateMessage, 1, flexsim.Fault{Hold: t.Context().Done()})
	_ = s.caller("ann", s.a.replica).first(0)
	s.until(func() bool { return s.twilio.Count(flexsim.CreateMessage) == 1 })
	s.a.signal(syscall.SIGTERM)
	s.a.says(t, "draining")
	start := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		s.a.signal(syscall.SIGTERM)
		select {
		case <-s.a.stopped:
			running = false
		case <-tick.C:
		}
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("the process ended %v after the second signal", took)
	}
	if exit := new(exec.ExitError); !errors.As(s.a.err, &exit) || exit.Success() {
		t.Errorf("the process ended with %v, want by the signal", s.a.err)
	}
}

func TestCallerGoneAndBackOnAnotherReplica(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	ctx, hangUp := context.WithCancel(t.Context())
	var gone []<-chan result
	for _, name := range []string{"ann", "bob"} {
		c := s.caller(name, s.b)
		s.callers = append(s.callers, c)
		gone = append(gone, later(func() (answer, error) { return s.a.send(ctx, name, c.body(0)) }))
		s.asked(c.question(0))
	}
	s.answer(s.callers[0], 1) // may reach the caller who leaves
	hangUp()
	for _, g := range gone {
		<-g
	}
	s.until(func() bool { return s.a.bridge.Parked() == 0 })
	for _, c := range s.callers {
		s.parked = append(s.parked, c.first(0))
	}
	s.until(func() bool { return s.b.bridge.Parked() > 0 })
	s.answer(s.callers[1], 2)
	s.survived()
	s.goesOn(1)
}
