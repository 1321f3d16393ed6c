package main

import (
	"fmt"
	"net/http"
	"testing"

	"flexbridge/bridge/flex/flexsim"
)

// TestFirstMessagesAtOnce: on two replicas they open one conversation.
func TestFirstMessagesAtOnce(t *testing.T) { eachRoute(t, testFirstMessagesAtOnce) }

func testFirstMessagesAtOnce(t *testing.T, route string) {
	s := newScene(t, flexsim.Config{}, routes[route])
	for i := range 5 {
		hold := make(chan struct{})
		s.twilio.Break(flexsim.CreateConversation, 1, flexsim.Fault{Hold: hold})
		c := s.caller(fmt.Sprintf("customer%d", i), s.a, s.b)
		s.callers = append(s.callers, c)
		one, other := c.first(0), c.first(1)
		s.until(func() bool { return s.a.bridge.Parked() == 1 && s.b.bridge.Parked() == 1 })
		close(hold)
		s.asked(c.question(0))
		s.asked(c.question(1))
		s.answer(c, 1)
		c.take(s.want(<-one, "replied", "to "+c.name+" 0"))
		s.want(<-other, "replied", "to "+c.name+" 0")
	}
	s.settled(1, s.callers...)
	if n := s.twilio.Count(flexsim.CreateInteraction); route == "interactions" && n != 5 {
		t.Errorf("%d interactions were made of 5 conversations", n)
	}
}

// TestFifthCallEndsTheOldest: of one customer, on one replica.
func TestFifthCallEndsTheOldest(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	c := s.caller("ann", s.a)
	for n := range 4 {
		s.parked = append(s.parked, c.first(n))
		s.asked(c.question(n))
	}
	s.until(func() bool { return s.a.bridge.Parked() == 4 })
	s.parked = append(s.parked, c.first(4))
	got := s.want(<-s.parked[0], "pending", "")
	if got.Cursor == "" {
		t.Error("pending without a cursor")
	}
	s.asked(c.question(4))
	s.answer(c, 1)
	for _, parked := range s.parked[1:] {
		got = s.want(<-parked, "replied", "to ann 0")
	}
	c.take(got)
	s.settled(1, c)
}

func TestTooManyParked(t *testing.T) {
	s := newScene(t, flexsim.Config{}, func(c *Config) { c.MaxParked = 2 })
	for _, name := range []string{"ann", "bob"} {
		c := s.caller(name, s.a)
		s.callers = append(s.callers, c)
		s.parked = append(s.parked, c.first(0))
		s.asked(c.question(0))
	}
	late := s.caller("cleo", s.a)
	for range 3 {
		a, err := s.a.send(t.Context(), late.name, late.body(0))
		if err != nil || a.HTTP != http.StatusServiceUnavailable || a.Code != "busy" || a.RetryAfter == "" {
			t.Fatalf("one too many got %d %s, Retry-After %q (%v), want 503 busy", a.HTTP, a.Code, a.RetryAfter, err)
		}
	}
	// The other replica has room.
	s.callers = append(s.callers, late)
	late.at = func() *replica { return s.b }
	s.parked = append(s.parked, late.first(0))
	s.asked(late.question(0))
	for _, c := range s.callers {
		s.answer(c, 1)
	}
	s.survived()
	// And the first, once somebody has left.
	a, err := s.a.replies(t.Context(), late.name, late.cursor, 0)
	s.want(now(a, err), "pending", "")
	s.goesOn(1)
}
