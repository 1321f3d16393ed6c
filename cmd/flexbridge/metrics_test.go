package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

// TestMetrics plays a known run on two replicas, of which one parks all requests
// and the other gets all webhooks, and reads the exact figures.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	w.tune = append(w.tune, quick, func(t *timings) { t.desk.Timeout = 20 * time.Second }) // see hold
	s := &scene{world: w, wait: 15}
	s.a = w.start(nil, withOps)
	s.b = w.start(s.a, withOps)
	hooked, parking := s.a, s.b
	answered := func(name string, wait int, reply func(conversation string)) {
		t.Helper()
		c := s.caller(name, parking)
		c.wait = wait
		asked := c.first(0)
		reply(s.asked(c.question(0)))
		if got := <-asked; got.err != nil || got.Status != "replied" {
			t.Fatalf("%s got %d %v %s (%v)", name, got.HTTP, got.Status, got.Detail, got.err)
		}
	}
	lose := func() { s.twilio.BreakWebhooks(byAgent, 1, flexsim.WebhookFault{Lose: true}) }

	answered("ann", 15, func(sid string) { s.reply(sid, "to ann") })
	answered("bob", 4, func(sid string) { lose(); s.reply(sid, "found by a look before the deadline") })
	answered("cleo", 15, func(sid string) { lose(); s.reply(sid, "found by a look at the gap"); s.reply(sid, "shows the gap") })
	answered("dora", 15, func(sid string) { s.twilio.SkipIndex(sid, 1); s.reply(sid, "after a number that was skipped") })
	s.twilio.Break(flexsim.CreateMessage, 1, flexsim.Fault{Status: http.StatusTooManyRequests})
	answered("eve", 15, func(sid string) { s.reply(sid, "to eve, whose question was said twice") })

	ahead, err := parking.send(t.Context(), "ann", map[string]any{"msg": "next", "after": "7-0-0000"})
	if err != nil || ahead.Code != "cursor_ahead" {
		t.Errorf("a cursor ahead = %v %s (%v)", ahead.Status, ahead.Code, err)
	}
	if wrong, err := parking.send(t.Context(), "ann", map[string]any{"msg": ""}); err != nil || wrong.Code != "invalid" {
		t.Errorf("no text = %v %s (%v)", wrong.Status, wrong.Code, err)
	}
	if ended, err := parking.end(t.Context(), "eve", ""); err != nil || ended.Status != "closed" {
		t.Errorf("end = %v %s (%v)", ended.Status, ended.Code, err)
	}
	if got := (&process{replica: hooked}).forge(1); got != "403" {
		t.Errorf("a forged webhook was answered %s", got)
	}

	// One waits, and one is still being said while the process drains.
	fay := s.caller("fay", parking)
	fay.wait = 15
	waiting := fay.first(0)
	s.asked(fay.question(0))
	s.until(func() bool { return parking.bridge.Parked() == 1 })
	parking.scrape(t).want(t, sample{"parked_requests": 1, "parked_requests_limit": 20_000, "draining": 0, "drained_requests_total": 0})
	hold := make(chan struct{})
	s.twilio.Break(flexsim.CreateMessage, 1, flexsim.Fault{Hold: hold})
	gus := s.caller("gus", parking)
	saying := gus.first(0)
	s.until(func() bool { return s.twilio.Count(flexsim.CreateMessage) == 8 }) // of seven questions, one of them twice
	stopped := later(func() (answer, error) { return answer{}, parking.stop() })
	if got := <-waiting; got.Status != "pending" {
		t.Errorf("who waited got %v %s (%v) from the drain, want pending", got.Status, got.Detail, got.err)
	}
	s.until(func() bool { return parking.scrape(t)["drained_requests_total"] == 1 })
	parking.scrape(t).want(t, sample{"draining": 1, "parked_requests": 1})
	if status, body := parking.operators(t, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "draining") {
		t.Errorf("GET /readyz while draining = %d %s", status, body)
	}
	if status, _ := parking.operators(t, "/livez"); status != http.StatusOK {
		t.Errorf("GET /livez while draining = %d", status)
	}
	b := parking.scrape(t)
	close(hold)
	if got := <-saying; got.Status != "pending" {
		t.Errorf("who was being said got %v %s (%v), want pending", got.Status, got.Detail, got.err)
	}
	if got := <-stopped; got.err != nil {
		t.Errorf("stopping: %v", got.err)
	}
	if _, err := http.Get("http://" + parking.opsAddr + "/livez"); err == nil {
		t.Error("the operators' address answers after the end")
	}

	s.settleWebhooks()
	// A waiter may have its answer before the webhook that woke it has counted it.
	s.until(func() bool { return hooked.scrape(t).plus(b)["reply_seconds_count"] == 5 })
	a := hooked.scrape(t)
	b.want(t, sample{
		`wait_seconds_count{call="send",outcome="replied"}`: 5,
		`wait_seconds_count{call="send",outcome="drained"}`: 1,
		`wait_seconds_count{call="send",outcome="failed"}`:  1, // the cursor
		`wait_seconds_count{call="end",outcome="closed"}`:   1,
		"wake_seconds_count":                                                3, // not bob's and cleo's, which looks found
		"replies_found_total":                                               2,
		"gaps_repaired_total":                                               1,
		"gaps_skipped_total":                                                1,
		`looks_total{outcome="failed"}`:                                     0,
		`looks_total{outcome="refused"}`:                                    0,
		`problems_total{code="cursor_ahead"}`:                               1,
		`problems_total{code="invalid"}`:                                    1,
		`twilio_retries_total{operation="say"}`:                             1,
		`twilio_request_seconds_count{operation="say",outcome="ok"}`:        6,
		`twilio_request_seconds_count{operation="say",outcome="throttled"}`: 1,
		"deliveries_late_total":                                             0,
		"deliveries_lost_total":                                             0,
	})
	if n := b.total("problems_total"); n != 2 {
		t.Errorf("%v problems, want 2", n)
	}
	if n := b.total("twilio_retries_total"); n != 1 {
		t.Errorf("%v retries, want 1", n)
	}
	if got, want := b.total("twilio_request_seconds_count"), float64(s.twilio.Count()-1); got != want {
		t.Errorf("%v calls to Twilio are counted, and it got %v", got, want)
	}
	a.want(t, sample{
		`webhooks_total{event="other",outcome="forged"}`: 1,
		"wake_seconds_count":                             0,
	})
	s.sameWebhooks(a)
	for name, sum := range map[string]float64{"wake_seconds_sum": b["wake_seconds_sum"], "reply_seconds_sum": a.plus(b)["reply_seconds_sum"]} {
		if sum < 0 || sum > 30 {
			t.Errorf("%s = %v", name, sum)
		}
	}
}

// settleWebhooks waits until each that was sent has been answered.
func (s *scene) settleWebhooks() {
	s.t.Helper()
	if err := s.twilio.Wait(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// sameWebhooks holds that a replica counted what Twilio sent, by type.
func (s *scene) sameWebhooks(counted sample) {
	s.t.Helper()
	outcomes := map[string]string{
		"onMessageAdded": "message_added", "onParticipantAdded": "participant_added",
		"onParticipantRemoved": "participant_removed", "onConversationStateUpdated": "conversation_closed",
	}
	want := sample{}
	for _, d := range s.twilio.Webhooks() {
		if d.Lost {
			continue
		}
		outcome := outcomes[d.Event()]
		if d.Event() == "onConversationStateUpdated" && d.Form.Get("StateTo") != "closed" {
			outcome = "other_event"
		}
		want[fmt.Sprintf("webhooks_total{event=%q,outcome=%q}", d.Event(), outcome)]++
	}
	counted.want(s.t, want)
	if got, want := counted.total("webhooks_total"), want.total("webhooks_total")+1; got != want {
		s.t.Errorf("%v webhooks are counted, and %v came", got, want)
	}
}

// TestMetricsOfADeadRedis: webhooks that cannot be kept are late, and given up in
// the end.
func TestMetricsOfADeadRedis(t *testing.T) {
	s := newScene(t, flexsim.Config{}, withOps)
	s.park()
	s.redis.Kill()
	s.answer(s.callers[0], 1)
	refused := `webhooks_total{event="onMessageAdded",outcome="not_kept"}`
	s.until(func() bool { return s.a.scrape(t)[refused] == 1 })
	s.settleWebhooks()
	got := s.a.scrape(t)
	got.want(t, sample{"deliveries_late_total": 2, "deliveries_lost_total": 0}) // the agent's joining is one
	if got[`redis_command_seconds_count{outcome="failed"}`] == 0 {
		t.Error("no command has failed")
	}
	if got[`problems_total{code="unavailable"}`] != 0 {
		t.Error("an answer to Twilio is counted as one to a caller")
	}
	s.redis.Restart(true)
	s.until(func() bool { return s.a.scrape(t)["subscription_rebuilds_total"] >= 1 })
	for _, c := range s.callers[1:] {
		s.answer(c, 1)
	}
	s.survived()
}
