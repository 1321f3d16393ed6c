package main

import (
	"fmt"
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
