package check

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	job       = "flexbridge" // of the replicas, in each Prometheus
	rulesFile = "deploy/observe/alerts.yaml"
	boardFile = "deploy/observe/grafana/dashboards/flexbridge.json"
	runbook   = "deploy/RUNBOOK.md"
)

type alert struct {
	Alert               string
	Expr                string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	for _, group := range decodeYAML[struct{ Groups []struct{ Rules []alert } }](t, rulesFile).Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no rules", rulesFile)
	}
	return all
}

// promtool runs Prometheus' own tool. Without it the test is skipped, or fails if
// FLEXBRIDGE_REQUIRE_PROMETHEUS=1.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("FLEXBRIDGE_REQUIRE_PROMETHEUS") == "1" {
			t.Fatalf("FLEXBRIDGE_REQUIRE_PROMETHEUS=1, but: %v", err)
		}
		t.Skipf("needs Prometheus: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = filepath.Join(root, "deploy", "observe")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

// Each alert fires when it should, and is quiet when others do.
func TestAlertsFire(t *testing.T) {
	promtool(t, "check", "config", "--lint-fatal", "prometheus.yml")
	promtool(t, "test", "rules", "alerts_test.yaml")
	tests := readFile(t, "deploy/observe/alerts_test.yaml")
	for _, a := range alerts(t) {
		if !strings.Contains(tests, `'{alertname="`+a.Alert+`",severity="`+a.Labels["severity"]+`"}', value: 1}`) {
			t.Errorf("no case of alerts_test.yaml sees %s fire as a %s", a.Alert, a.Labels["severity"])
		}
	}
}

// Who is paged is told what happens, and where to read on.
func TestAlertsAreExplained(t *testing.T) {
	sections := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatch(readFile(t, runbook), -1) {
		sections["deploy/RUNBOOK.md#"+strings.ToLower(m[1])] = false
	}
	for _, a := range alerts(t) {
		if s := a.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s has severity %q, want page or ticket", a.Alert, s)
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s says %v, want a summary and a description", a.Alert, a.Annotations)
		}
		section := a.Annotations["runbook"]
		if _, there := sections[section]; !there {
			t.Errorf("%s is explained at %q, which is not there", a.Alert, section)
		}
		sections[section] = true
	}
	for section, used := range sections {
		if !used {
			t.Errorf("no alert leads to %s", section)
		}
	}
}

// What the runbook looks for in the log is what the service writes there.
func TestRunbookQuotesTheLog(t *testing.T) {
	quoted := regexp.MustCompile(`\.msg(?:==| \| startswith\()("[^"]+)("\)?)`).FindAllStringSubmatch(readFile(t, runbook), -1)
	if len(quoted) == 0 {
		t.Fatal("the runbook quotes no line of the log")
	}
	code := source(t)
	for _, line := range quoted {
		literal := strings.ReplaceAll(line[1], `\u0027`, "'") // within the shell's quotes
		if line[2] == `"` {
			literal += `"`
		}
		if !strings.Contains(code, literal) {
			t.Errorf("the service never logs %s", literal)
		}
	}
}

// source is what the service is made of, without its tests.
func source(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, folder := range []string{"api", "bridge", "cmd", "store", "webhook"} {
		err := fs.WalkDir(os.DirFS(root), folder, func(name string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
				all.WriteString(readFile(t, name))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// README's command makes of the same rules what the Prometheus Operator takes.
func TestPrometheusRule(t *testing.T) {
	command := regexp.MustCompile(`(?m)^(.*kind: PrometheusRule.*) \| kubectl apply -f -$`).FindStringSubmatch(readFile(t, "README.md"))
	if command == nil {
		t.Fatal("README has no command that makes a PrometheusRule")
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", command[1])
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var rule struct {
		APIVersion, Kind string
		Metadata         struct{ Name, Namespace string }
		Spec             struct{ Groups []struct{ Rules []alert } }
	}
	if err := yaml.Unmarshal(out, &rule); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	n := 0
	for _, group := range rule.Spec.Groups {
		n += len(group.Rules)
	}
	if rule.APIVersion != "monitoring.coreos.com/v1" || rule.Kind != "PrometheusRule" || rule.Metadata.Namespace != "flexbridge" || n != len(alerts(t)) {
		t.Errorf("the command makes %s %s in %q with %d rules, want all %d", rule.APIVersion, rule.Kind, rule.Metadata.Namespace, n, len(alerts(t)))
	}
}

// panel is what the tests look at in a panel of the dashboard.
type panel struct {
	Title, Type, Description string
	Targets                  []struct{ Expr, LegendFormat string }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	GridPos                  struct{ X, Y, W, H int }
}

type board struct {
	UID           string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct{ List []struct{ Name, Expr string } }
}

func dashboard(t *testing.T) (b board) {
	t.Helper()
	if err := json.Unmarshal([]byte(readFile(t, boardFile)), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// Each panel has a name of its own, says what it shows, in which unit, and lies on
// no other.
func TestDashboardIsReadable(t *testing.T) {
	b := dashboard(t)
	if b.UID != "flexbridge" || b.SchemaVersion < 36 {
		t.Errorf("the dashboard is %q of schema %d", b.UID, b.SchemaVersion)
	}
	titles, taken := make(map[string]bool), make(map[[2]int]string)
	for _, p := range b.Panels {
		if titles[p.Title] || p.Title == "" {
			t.Errorf("the title %q is not one panel's own", p.Title)
		}
		titles[p.Title] = true
		if p.Type != "row" && (p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0) {
			t.Errorf("%s has no description, unit or query: %+v", p.Title, p)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies on %q, or beyond the right edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
