package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"flexbridge/bridge"
	"flexbridge/bridge/flex"
	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
	"flexbridge/webhook"
)

// everyFamily is all metrics that a service with Redis has, each with a value.
func everyFamily(t *testing.T) []*dto.MetricFamily {
	t.Helper()
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	r := w.start(nil)
	r.metrics.Waited(bridge.CallSend, bridge.Ending(bridge.Replied), time.Second)
	r.metrics.tried(t.Context(), flex.Try{Operation: "say", Outcome: flex.OK, Number: 1})
	r.metrics.commanded(time.Second, true)
	families, err := r.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// signature is a metric's name, type and labels.
func signature(f *dto.MetricFamily) string {
	parts := []string{f.GetName(), strings.ToLower(f.GetType().String())}
	for _, label := range f.Metric[0].Label {
		parts = append(parts, label.GetName())
	}
	return strings.Join(parts, " ")
}

func ours(name string) bool { return strings.HasPrefix(name, namespace+"_") }

// testdata/metrics.txt is what dashboards and alerts may ask for.
func TestMetricsList(t *testing.T) {
	var list []string
	for _, f := range everyFamily(t) {
		list = append(list, signature(f))
	}
	path := filepath.Join("testdata", "metrics.txt")
	got := strings.Join(list, "\n") + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	if runtime.GOOS != "linux" { // what is known of a process differs
		got, want = onlyOurs(got), onlyOurs(want)
	}
	if got != want {
		t.Errorf("the metrics are\n%s\nwant\n%s", got, want)
	}
}

func onlyOurs(list string) string {
	lines := strings.Split(list, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return !ours(line) }), "\n")
}

func TestMetricsLint(t *testing.T) {
	families := slices.DeleteFunc(everyFamily(t), func(f *dto.MetricFamily) bool { return !ours(f.GetName()) })
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestREADMEMetrics(t *testing.T) {
	var want strings.Builder
	want.WriteString("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n")
	for _, f := range everyFamily(t) {
		if !ours(f.GetName()) {
			continue
		}
		parts := strings.Fields(signature(f))
		labels := strings.Join(parts[2:], "`, `")
		if labels != "" {
			labels = "`" + labels + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", strings.TrimPrefix(parts[0], namespace+"_"), parts[1], labels, f.GetHelp())
	}
	if !strings.Contains(readFile(t, "README.md"), "\n"+want.String()+"\n") {
		t.Errorf("README's table of metrics is not the service's, which is\n%s", &want)
	}
}

// Each way in which a wait can end is there before the first does, and no other.
func TestWaitsBeginAtNothing(t *testing.T) {
	families, err := newMetrics().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, f := range families {
		if f.GetName() != namespace+"_wait_seconds" {
			continue
		}
		for _, m := range f.Metric {
			if n := m.Histogram.GetSampleCount(); n != 0 {
				t.Errorf("%v counts %d, want 0", m.Label, n)
			}
			got[m.Label[0].GetValue()]++
		}
	}
	if want := map[string]int{"send": 8, "replies": 8, "end": 6}; !maps.Equal(got, want) {
		t.Errorf("series = %v, want %v", got, want)
	}
}

// What is counted for each webhook and each wait costs no memory.
func TestCountingAllocatesNothing(t *testing.T) {
	m := newMetrics()
	for name, count := range map[string]func(){
		"wait":    func() { m.Waited(bridge.CallSend, bridge.Drained, time.Second) },
		"reply":   func() { m.Answered(time.Second) },
		"wake":    func() { m.Woke(time.Second) },
		"look":    func() { m.Happened(bridge.LookDone, 1) },
		"webhook": func() { m.count(webhook.Receipt{Outcome: webhook.MessageAdded, Type: "onMessageAdded"}) },
		"try":     func() { m.tried(context.Background(), flex.Try{Operation: "say", Outcome: flex.OK, Number: 2}) },
		"command": func() { m.commanded(time.Second, true) },
		"problem": func() { m.problem("invalid") },
	} {
		if n := testing.AllocsPerRun(100, count); n > 0 {
			t.Errorf("a %s: %v allocations, want none", name, n)
		}
	}
}

// BenchmarkWebhook is one webhook of a message, known already, from a connection and back
// to it, with everything that is counted and logged of it.
func BenchmarkWebhook(b *testing.B) {
	for _, mailbox := range []string{"memory", "redis"} {
		b.Run(mailbox, func(b *testing.B) {
			config := testConfig(loadPublicURL)
			if mailbox == "redis" {
				config.RedisURL = Secret(storetest.StartRedis(b).URL)
			}
			s, err := newService(b.Context(), config, slog.New(labelled{slog.NewJSONHandler(io.Discard, nil)}))
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.close() }()
			keys, err := bridge.NewKeyring([]byte(config.IdentitySecret))
			if err != nil {
				b.Fatal(err)
			}
			server := httptest.NewServer(s.echo)
			defer server.Close()
			twilio, err := dialLine(server.Listener.Addr().String(), 0)
			if err != nil {
				b.Fatal(err)
			}
			defer twilio.Close()
			reply := newLoadCustomer(keys, 0, "").reply()[0]
			b.ReportAllocs()
			for b.Loop() {
				if _, err := twilio.Write(reply); err != nil {
					b.Fatal(err)
				}
				if _, err := twilio.answer(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
