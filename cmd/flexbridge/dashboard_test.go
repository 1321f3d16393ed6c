package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
	"flexbridge/webhook"
)

// between is what a value may be.
type between struct{ low, high float64 }

func exactly(v float64) between { return between{v, v} }

// about is n in the last ten minutes, by the unit: Prometheus makes a little more of
// a counter that it has not watched for so long.
func about(n, unit float64) between { return between{0.9 * n * unit, 1.6 * n * unit} }

const (
	perMinute = 0.1
	perHour   = 6
)

// TestDashboardOverARealRun plays what an operator should see, and looks at it through
// a real Prometheus with the dashboard's own queries.
func TestDashboardOverARealRun(t *testing.T) {
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	opened := func(c *Config) { c.OpsAddr = "127.0.0.1:0" }
	a := w.start(nil, opened)
	b := w.start(a, opened) // webhooks come to a
	p := startPrometheus(w, a, b)

	// A series with labels begins with its first event, which no rate can see.
	w.exchange(a, "first", 40)
	w.want(now(a.send(t.Context(), "silent", map[string]any{"msg": "is it?", "wait": 0})), "pending", "")
	w.until(func() bool {
		return p.query(`sum(flexbridge_wait_seconds_count)`, "")[""] == 2 && p.query(`sum(up)`, "")[""] == 2
	})

	for i := range 4 {
		w.exchange(a, fmt.Sprint("ann", i), 40)
	}
	w.want(now(a.send(t.Context(), "quiet", map[string]any{"msg": "is it?", "wait": 0})), "pending", "")
	w.twilio.BreakWebhooks(byAgent, 1, flexsim.WebhookFault{Lose: true})
	w.exchange(a, "unlucky", 2)
	strangers(t, a)
	for range 3 {
		if got, err := a.send(t.Context(), "wrong", map[string]any{"msg": ""}); err != nil || got.Code != "invalid" {
			t.Fatalf("an empty question = %+v, %v", got, err)
		}
	}
	var parked []<-chan result
	for i, r := range []*replica{a, a, a, b} {
		parked = append(parked, w.asking(r, fmt.Sprint("waits", i), fmt.Sprint("may I? ", i)))
	}
	w.until(func() bool { return a.bridge.Parked() == 3 && b.bridge.Parked() == 1 })
	shown := map[string]map[string]between{
		"Replicas":                 {"": exactly(2)},
		"Parked now":               {"": exactly(4)},
		"Fullest replica":          {"": exactly(3.0 / 20_000)},
		"Answered within the wait": {"": {0.6, 0.95}}, // 5 of 6
		"Errors to callers":        {"": exactly(0)},
		"Found only by asking":     {"": {0.9, 1.6}},

		"Parked requests and their limit":        {a.opsAddr: exactly(3), b.opsAddr: exactly(1), "MAX_PARKED": exactly(20_000)},
		"Ends of waits per minute":               {"replied": about(5, perMinute), "pending": about(1, perMinute)},
		"How long callers wait for a reply":      {"half": {0.001, 2}, "99 of 100": {0.5, 5}},
		"How soon agents answer":                 {"half": {0, 5}},
		"Problems per minute by code":            {"invalid": about(3, perMinute), "busy": exactly(0)},
		"Drains":                                 {"replicas draining": exactly(0), "waits drained per minute": exactly(0)},
		"Webhooks per minute by outcome":         {"forged": about(5, perMinute), "unsigned": about(2, perMinute), "message_added": about(14, perMinute)},
		"Lost and found":                         {"replies found only by asking": about(1, perHour), "deliveries lost": exactly(0)},
		"Calls per minute by operation":          {"say": about(10, perMinute)},
		"Calls that did not succeed, per minute": {},
		"Latency of Twilio":                      {"say": {0.0001, 5}},
		"Repeats and looks per minute":           {"look: ok": {0.09, 2}, "again: say": exactly(0)},
		"Latency of Redis":                       {a.opsAddr + ", half": {0.00001, 1}, b.opsAddr + ", 99 of 100": {0.00001, 2}},
		"Commands per second":                    {"ok": {0.01, 1000}},
		"Subscription":                           {a.opsAddr + ", channels": {3, 20}, "rebuilds per hour": exactly(0)},
		"Memory":                                 {a.opsAddr + ", resident": {1e6, 4e9}, b.opsAddr + ", heap": {1e6, 4e9}},
		"Goroutines":                             {a.opsAddr: {10, 10_000}},
		"Processor":                              {b.opsAddr: {0, 16}},
		"Versions":                               {version(): exactly(2)},
	}
	p.shows(w, shown)

	for i := range parked {
		w.reply(w.asked(fmt.Sprint("may I? ", i)), "you may")
		w.want(<-parked[i], "replied", "you may")
	}
	woken := map[string]map[string]between{
		"Wake latency": {"half": {0.0001, 1}, "99 of 100": {0.0001, 2}},
		"Parked now":   {"": exactly(0)},
	}
	p.shows(w, woken)
	for title, series := range p.panels() {
		if len(series) > 0 && shown[title] == nil && woken[title] == nil {
			t.Errorf("nobody has looked at the panel %q", title)
		}
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	w.until(func() bool {
		return p.query(`ALERTS{alertname="FlexbridgeReplicaDown",alertstate="pending"}`, "{{instance}}")[b.opsAddr] == 1
	})
	if got := p.query(`ALERTS{alertstate="firing"}`, "{{alertname}}"); len(got) > 0 {
		t.Errorf("alerts = %v, want none", got)
	}
	p.evaluates()
}

// exchange asks, and has an agent reply.
func (w *world) exchange(r *replica, name string, wait int) {
	w.t.Helper()
	text := "may I, says " + name
	asked := later(func() (answer, error) {
		return r.send(w.t.Context(), name, map[string]any{"msg": text, "wait": wait})
	})
	w.reply(w.asked(text), "you may")
	w.want(<-asked, "replied", "you may")
}

// strangers send five webhooks with a wrong signature, and two with none.
func strangers(t *testing.T, r *replica) {
	t.Helper()
	for i := range 7 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+webhook.Path, strings.NewReader("EventType=onMessageAdded"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if i < 5 {
			req.Header.Set("X-Twilio-Signature", "bm90IFR3aWxpbydzIHNpZ25hdHVyZQ==")
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.Body.Close() != nil || res.StatusCode != http.StatusForbidden {
			t.Fatalf("a stranger's webhook = %+v, %v, want 403", res, err)
		}
	}
}

// shows waits until these panels have these series with such values.
func (p *scraper) shows(w *world, want map[string]map[string]between) {
	p.t.Helper()
	var problems []string
	defer func() {
		for _, problem := range problems {
			p.t.Error(problem)
		}
	}()
	w.until(func() bool {
		problems = nil
		got := p.panels()
		for title, series := range want {
			for name, w := range series {
				v, there := got[title][name]
				if !there || !(v >= w.low && v <= w.high) {
					problems = append(problems, fmt.Sprintf("%s: %q = %v (%v), want %v", title, name, v, got[title], w))
				}
			}
		}
		return len(problems) == 0
	})
}

// panels asks all that the dashboard asks, for all replicas and the last ten minutes.
func (p *scraper) panels() map[string]map[string]float64 {
	p.t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal([]byte(readFile(p.t, "deploy/observe/grafana/dashboards/flexbridge.json")), &board); err != nil {
		p.t.Fatal(err)
	}
	all := make(map[string]map[string]float64)
	variables := strings.NewReplacer("$__rate_interval", "10m", "$instance", ".*")
	for _, panel := range board.Panels {
		all[panel.Title] = make(map[string]float64)
		for _, target := range panel.Targets {
			for name, value := range p.query(variables.Replace(target.Expr), target.LegendFormat) {
				all[panel.Title][name] = value
			}
		}
	}
	return all
}
