package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"flexbridge/api"
	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
	"flexbridge/webhook"
)

func TestOperatorsAddress(t *testing.T) {
	r := newWorld(t, nil, flexsim.Config{}).start(nil, withOps)
	for path, want := range map[string]string{
		"/livez": "ok", "/readyz": "ok", metricsPath: "flexbridge_build_info{", "/debug/pprof/": "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile", "/debug/pprof/cmdline": "flexbridge", "/debug/pprof/symbol": "num_symbols",
	} {
		if status, body := r.operators(t, path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("GET %s = %d %.200s, want %q", path, status, body, want)
		}
	}
	for _, path := range []string{"/send/" + username("ann"), "/", "/mcp", webhook.Path} {
		if status, _ := r.operators(t, path); status != http.StatusNotFound {
			t.Errorf("GET %s of the operators' address = %d, want 404", path, status)
		}
	}
	for _, path := range []string{metricsPath, "/debug/pprof/", "/debug/pprof/heap"} {
		res, err := http.Get(r.url + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s of the callers' address = %d, want 404", path, res.StatusCode)
		}
	}
}

func TestOperatorsAddressOff(t *testing.T) {
	r := newWorld(t, nil, flexsim.Config{}).start(nil)
	if r.ops != nil || r.opsAddr != "" {
		t.Errorf("it listens at %q with an empty OPS_ADDR", r.opsAddr)
	}
}

// serve does not start, and names the variable, when a port is taken.
func TestOperatorsAddressTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, other := range map[string]string{"OPS_ADDR": "LISTEN_ADDR", "LISTEN_ADDR": "OPS_ADDR"} {
		c := testConfig("https://bridge.example.com")
		values := environ(c)
		values[name], values[other] = taken.Addr().String(), "127.0.0.1:0"
		setEnviron(t, values)
		if err := serve(t.Context()); err == nil || !strings.Contains(err.Error(), name+": listen") {
			t.Errorf("serve with %s at a port that is taken = %v, want an error that names it", name, err)
		}
	}
}

// The demo shows its metrics at its own address, so that several run side by side.
func TestDemoMetrics(t *testing.T) {
	d, _ := startDemo(t, true)
	res, err := http.Get(d.config.PublicURL + metricsPath)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("GET %s of the demo = %s", metricsPath, res.Status)
	}
	if s := d.current(); s.ops != nil {
		t.Error("the demo listens for operators")
	}
}

// TestLabelsAreOurs: whatever strangers, callers, agents and Twilio send, each value
// of a label is one that stands in the code.
func TestLabelsAreOurs(t *testing.T) {
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	w.tune = append(w.tune, quick)
	w.log = slog.New(slog.DiscardHandler)
	r := w.start(nil, withOps)
	asked := later(func() (answer, error) {
		return r.send(t.Context(), "ann", map[string]any{"msg": "hello", "key": "evil-key"})
	})
	conversation := w.asked("hello")
	w.reply(conversation, "evil reply")
	w.want(<-asked, "replied", "evil reply")
	for i, word := range []string{"evil", conversation, "IM" + strings.Repeat("0", 32), `evil"} 1`, "evil\n", username("evil"), "\xff\xfe", strings.Repeat("evil", 500)} {
		form := url.Values{
			"AccountSid": {flexsim.AccountSID}, "EventType": {"on" + word}, "Source": {word}, "ConversationSid": {conversation},
			"MessageSid": {fmt.Sprintf("IM%032x", i)}, "Index": {word}, "Author": {word}, "Body": {word},
		}
		signed, err := w.twilio.Request(t.Context(), flexsim.Webhook{URL: r.url + webhook.Path, Form: form})
		if err != nil {
			t.Fatal(err)
		}
		do(signed)
		form.Set("EventType", "onMessageAdded")
		if signed, err = w.twilio.Request(t.Context(), flexsim.Webhook{URL: r.url + webhook.Path, Form: form}); err != nil {
			t.Fatal(err)
		}
		do(signed)
		unsigned, err := http.NewRequest(http.MethodPost, r.url+webhook.Path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		do(unsigned)
		method := fmt.Sprintf("EVIL%d", i)
		for _, path := range []string{"/" + url.PathEscape(word), "/send/" + url.PathEscape(word), "/media/" + url.PathEscape(word), webhook.Path, "/mcp"} {
			for _, m := range []string{method, http.MethodPost, http.MethodGet} {
				req, err := http.NewRequest(m, r.url+path, strings.NewReader(`{"msg":"evil","after":"evil","key":"evil"}`))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("X-Request-Id", "evil-request")
				req.Header.Set("Authorization", "Bearer evil")
				do(req)
			}
		}
		w.twilio.Break(flexsim.CreateMessage, 1, flexsim.Fault{Status: 400 + i})
		_, _ = r.send(t.Context(), "ann", map[string]any{"msg": fmt.Sprint("evil ", i), "wait": 0})
	}
	ours := ownValues()
	families, err := r.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := 0
	for _, f := range families {
		for _, m := range f.Metric {
			series++
			for _, label := range m.Label {
				if !ours[label.GetName()+"="+label.GetValue()] && f.GetName() != "go_info" && f.GetName() != "flexbridge_build_info" && !quantile(label) {
					t.Errorf("%s has %s=%q", f.GetName(), label.GetName(), label.GetValue())
				}
			}
		}
	}
	if series > 300 {
		t.Errorf("%d series, want a few", series)
	}
	if _, body := r.operators(t, metricsPath); regexp.MustCompile(`(?i)evil|\b[A-Z]{2}[0-9a-f]{32}\b`).MatchString(body) {
		t.Error("a metric has what somebody sent")
	}
}

func quantile(l *dto.LabelPair) bool { return l.GetName() == "quantile" }

// ownValues are those that labels may have.
func ownValues() map[string]bool {
	own := make(map[string]bool)
	add := func(label string, values ...string) {
		for _, value := range values {
			own[label+"="+value] = true
		}
	}
	add("call", "send", "replies", "end")
	add("outcome", "replied", "pending", "closed", "unavailable", "left", "drained", "displaced", "failed", // of a wait
		"ok", "refused", "throttled", "unreachable") // of a call
	add("code", api.Codes()...)
	add("event", "other", "onMessageAdded", "onParticipantAdded", "onParticipantRemoved", "onConversationStateUpdated")
	for _, o := range webhook.Outcomes() {
		add("outcome", string(o))
	}
	add("operation", "say", "look", "state", "find", "open", "join", "hook", "route", "hooks", "close", "tasks", "shift", "file", "service")
	return own
}
