package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
)

// TestTwilioFails has each call that opens a conversation and says a question
// fail in each way, once and then twice.
func TestTwilioFails(t *testing.T) { eachRoute(t, testTwilioFails) }

func testTwilioFails(t *testing.T, route string) {
	const tooSlow = time.Second // twice the desk's limit
	for name, fault := range map[string]flexsim.Fault{
		"429":                         {Status: http.StatusTooManyRequests},
		"429 with Retry-After":        {Status: http.StatusTooManyRequests, RetryAfter: 1},
		"500":                         {Status: http.StatusInternalServerError},
		"500 after it was done":       {Status: http.StatusInternalServerError, Late: true},
		"a page of some proxy":        {Status: http.StatusBadGateway, HTML: true},
		"an unreadable success":       {Status: http.StatusOK, HTML: true, Late: true},
		"slow":                        {Delay: 100 * time.Millisecond},
		"too slow":                    {Delay: tooSlow},
		"too slow after it was done":  {Delay: tooSlow, Late: true},
		"connection cut before":       {Cut: true},
		"connection cut after it was": {Cut: true, Late: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, flexsim.Config{}, routes[route])
			ops := []flexsim.Op{routing[route]}
			if route == *routeFlag { // the others do not depend on it
				ops = append(ops, flexsim.ListParticipantConversations, flexsim.CreateConversation,
					flexsim.CreateParticipant, flexsim.CreateMessage)
			}
			for _, op := range ops {
				s.failing(op, 1, fault)
				if fault.RetryAfter == 0 { // in whole seconds
					s.failing(op, 2, fault)
				}
			}
			s.settled(1, s.callers...)
		})
	}
}

// failing has a new caller ask while n calls of the operation fail.
func (s *scene) failing(op flexsim.Op, n int, fault flexsim.Fault) {
	s.t.Helper()
	c := s.caller(fmt.Sprintf("%s%d", strings.ToLower(string(op)), n), s.a, s.b)
	s.callers = append(s.callers, c)
	s.twilio.Break(op, n, fault)
	if op == flexsim.CreateInteraction { // and so does finding what became of it
		s.twilio.Break(flexsim.ListTasks, n, fault)
	}
	asked := later(func() (answer, error) { return c.ask(s.t.Context(), 0) })
	s.asked(c.question(0))
	s.answer(c, 1)
	if got := <-asked; got.err != nil || got.Status != "replied" {
		s.t.Errorf("%s got %v (%v)", c.name, got.Status, got.err)
	}
	s.twilio.Mend() // webhooks were none of those
}

// TestLooksFail: what no webhook brings is found although looking fails, too.
func TestLooksFail(t *testing.T) {
	s := newScene(t, flexsim.Config{})
	s.park()
	s.twilio.BreakWebhooks(byAgent, len(s.callers), flexsim.WebhookFault{Lose: true})
	s.twilio.Break(flexsim.FetchConversation, 2, flexsim.Fault{Status: http.StatusServiceUnavailable})
	s.twilio.Break(flexsim.ListMessages, 2, flexsim.Fault{Cut: true})
	for range 2 {
		for _, c := range s.callers {
			s.answer(c, 1)
		}
	}
	s.survived()
	s.goesOn(1)
}

// TestQuestionOnItsWay: the conversation ends before the question arrives.
func TestQuestionOnItsWay(t *testing.T) { eachRoute(t, testQuestionOnItsWay) }

func testQuestionOnItsWay(t *testing.T, route string) {
	for name, row := range map[string]struct {
		end           func(*scene, string) error
		conversations int // that Twilio still knows
		lastWords     int
	}{
		"closed":  {func(s *scene, sid string) error { return s.agent.Close(sid) }, 2, 1},
		"deleted": {(*scene).remove, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, flexsim.Config{}, routes[route])
			c := s.caller("ann", s.a, s.b)
			s.callers = append(s.callers, c)
			asked := later(func() (answer, error) { return c.ask(t.Context(), 0) })
			first := s.asked(c.question(0))
			s.answer(c, 1)
			if got := <-asked; got.err != nil || got.Status != "replied" {
				t.Fatalf("ann got %v (%v)", got.Status, got.err)
			}
			if row.conversations == 1 {
				c.got = nil // Twilio forgets it, too
			}
			hold := make(chan struct{})
			s.twilio.Reset()
			s.twilio.Break(flexsim.CreateMessage, 1, flexsim.Fault{Hold: hold})
			asked = later(func() (answer, error) { return c.ask(t.Context(), 1) })
			s.until(func() bool { return s.twilio.Count(flexsim.CreateMessage) == 1 })
			s.answer(c, row.lastWords)
			if err := row.end(s, first); err != nil {
				t.Fatal(err)
			}
			close(hold)
			if second := s.asked(c.question(1)); second == first {
				t.Fatal("the question was said in what had ended")
			}
			s.answer(c, 1)
			if got := <-asked; got.err != nil || got.Status != "replied" {
				t.Errorf("ann got %v (%v)", got.Status, got.err)
			}
			s.settled(row.conversations, c)
		})
	}
}

// remove deletes a conversation, as an operator's script does.
func (s *scene) remove(sid string) error {
	r, err := http.NewRequest(http.MethodDelete, s.rest.URL+"/v1/Conversations/"+sid, nil)
	if err != nil {
		return err
	}
	r.SetBasicAuth(flexsim.AccountSID, flexsim.AuthToken)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	if _ = res.Body.Close(); res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("deleting: HTTP %d", res.StatusCode)
	}
	return nil
}

// TestConversationDeletedWhileWaiting: nothing tells of it, so the last look does.
func TestConversationDeletedWhileWaiting(t *testing.T) {
	s := newScene(t, flexsim.Config{}, func(c *Config) { c.Wait = time.Second })
	s.wait = 1
	c := s.caller("ann", s.a, s.b)
	c.wait, s.callers = 1, append(s.callers, c)
	asked := later(func() (answer, error) { return c.ask(t.Context(), 0) })
	if err := s.remove(s.asked(c.question(0))); err != nil {
		t.Fatal(err)
	}
	if got := <-asked; got.err != nil || got.Status != "closed" || got.took > 4*time.Second {
		t.Errorf("ann got %v (%v) after %v, want closed", got.Status, got.err, got.took)
	}
	s.goesOn(1)
}
