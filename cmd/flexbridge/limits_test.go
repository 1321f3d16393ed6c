package main

import (
	"net/http"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

// Two replicas on one Redis give out one budget, however the requests come.
func TestRateLimitsHoldOverReplicas(t *testing.T) {
	const perCustomer, perCaller = 6, 9 // one in 10 s, one in 6.7 s
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	limits := func(c *Config) {
		c.QuestionsPerCustomer, c.QuestionsPerCaller, c.CustomerName = perCustomer, perCaller, "Assistant's customer"
	}
	a := w.start(nil, limits)
	b := w.start(a, limits)
	start := time.Now()
	ask := func(name string) (allowed int) {
		var all []<-chan result
		for i := range 3 * perCustomer {
			r := []*replica{a, b}[i%2]
			body := map[string]any{"msg": name + " asks", "wait": 0} // a repeat counts
			all = append(all, later(func() (answer, error) { return r.send(t.Context(), name, body) }))
			if i%3 > 0 { // some at the same time, some one after the other
				w.until(func() bool { return len(all[i]) == 1 })
			}
		}
		for _, c := range all {
			got := <-c
			switch {
			case got.err != nil:
				t.Fatal(got.err)
			case got.HTTP == http.StatusOK:
				allowed++
			case got.HTTP != http.StatusTooManyRequests || got.Code != "rate_limited" || got.RetryAfter == "" ||
				got.Header.Get("RateLimit-Policy") != `"customer";q=6;w=60, "caller";q=9;w=60` || got.Header.Get("RateLimit") == "":
				t.Errorf("over the limit: %d %s, %v, want 429 and the limits", got.HTTP, got.Code, got.Header)
			}
		}
		return allowed
	}
	first := ask("ann")
	other := ask("bob")                                      // has a budget of his own, and what ann left of everybody's
	refilled := int(time.Since(start).Minutes() * perCaller) // 0 unless this machine is very slow
	if all := first + other; first < perCustomer || all < perCaller || all > perCaller+refilled || refilled == 0 && first != perCustomer {
		t.Errorf("%d and %d questions were let in, want %d and %d", first, other, perCustomer, perCaller-perCustomer)
	}
	// Reading is free, ending is not.
	if got, err := b.replies(t.Context(), "ann", "", 0); err != nil || got.HTTP != http.StatusOK {
		t.Errorf("replies = %d, %v, want 200", got.HTTP, err)
	}
	if got, err := b.end(t.Context(), "ann", ""); err != nil || got.HTTP != http.StatusTooManyRequests {
		t.Errorf("end = %d, %v, want 429", got.HTTP, err)
	}
	for _, c := range w.twilio.Conversations() {
		if c.FriendlyName != "Assistant's customer" || c.State == flexsim.Closed || len(c.Messages) != 1 {
			t.Errorf("%s is %q, %s, with %d messages, want the customers' name and one question", c.SID, c.FriendlyName, c.State, len(c.Messages))
		}
	}
}

// While Redis is away nothing is counted, so nothing is asked.
func TestQuestionsAreRefusedWithoutRedis(t *testing.T) {
	redis := storetest.StartRedis(t)
	w := newWorld(t, redis, flexsim.Config{})
	r := w.start(nil, func(c *Config) { c.QuestionsPerCaller = 10 })
	redis.Kill()
	got, err := r.send(t.Context(), "ann", map[string]any{"msg": "hi", "wait": 0})
	if err != nil || got.HTTP != http.StatusServiceUnavailable || got.Code != "mailbox_unavailable" || w.twilio.Count() != 0 {
		t.Errorf("send = %d %s, %v, and %d calls, want 503 mailbox_unavailable and none", got.HTTP, got.Code, err, w.twilio.Count())
	}
	redis.Restart(false)
}
