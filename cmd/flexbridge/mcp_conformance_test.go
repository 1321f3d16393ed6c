package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/oasdiff/yaml"
)

// TestConformance holds the service to the conformance suite, but for what
// testdata/conformance.yaml excepts.
func TestConformance(t *testing.T) {
	nodeModules(t)
	reports := conformance(t, startDemoProcess(t), "testdata/conformance.yaml")
	for _, passed := range []string{
		"2025-11-25 server-initialize: 2", "2025-11-25 tools-list: 3", "2025-11-25 dns-rebinding-protection: 2",
		"2026-07-28 tools-list: 4", "2026-07-28 dns-rebinding-protection: 2", "2026-07-28 http-header-validation: 14", "2026-07-28 caching: 7",
	} {
		revision, scenario, _ := strings.Cut(passed, " ")
		if !strings.Contains(reports[revision], "✓ "+scenario+" passed, 0 failed\n") {
			t.Errorf("%s: the report is without %q", revision, scenario)
		}
	}
}

// TestConformanceOfTheDoor holds all that stands before the tools (package api's
// handlers, checks and stream) to it, with the tools that it asks for.
func TestConformanceOfTheDoor(t *testing.T) {
	nodeModules(t)
	conformance(t, startProgram(t, exec.Command(buildEverything(t))), "testdata/conformance_door.yaml")
}

// conformance runs all scenarios that the suite has for two revisions. What fails
// must be excepted in the baseline, and what is excepted there must fail.
func conformance(t *testing.T, url, baseline string) (reports map[string]string) {
	t.Helper()
	var excepted struct{ Server []string }
	text, err := os.ReadFile(baseline)
	if err == nil {
		_, err = yaml.Unmarshal(text, &excepted, yaml.DecodeOpts{})
	}
	if err != nil {
		t.Fatal(err)
	}
	reports = make(map[string]string)
	for _, revision := range []string{"2025-11-25", "2026-07-28"} {
		report, log, status := runTool(t, "@modelcontextprotocol/conformance/dist/index.js",
			"server", "--url", url, "--suite", "all", "--spec-version", revision, "--expected-failures", absolute(t, baseline))
		if status != 0 {
			_, summary, _ := strings.Cut(report, "=== SUMMARY ===")
			t.Errorf("%s: the suite ends with %d: %s%s", revision, status, summary, log)
		}
		reports[revision] = report
	}
	// An entry of which no run has heard is no error to the suite.
	for _, check := range excepted.Server {
		if failed := "  ~ " + check + "\n"; !strings.Contains(reports["2025-11-25"]+reports["2026-07-28"], failed) {
			t.Errorf("%s excepts %s, which does not fail", baseline, check)
		}
	}
	return reports
}

func absolute(t *testing.T, name string) string {
	t.Helper()
	name, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// buildEverything builds testdata/everything, for races to be found if this is.
func buildEverything(t *testing.T) string {
	t.Helper()
	sdk, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/modelcontextprotocol/go-sdk").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(sdk)), "conformance", "everything-server", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	beside := filepath.Join(folder, "sdk.go")
	if err := os.WriteFile(beside, []byte(strings.Replace(string(source), "\nfunc main() {", "\nfunc _() {", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		absolute(t, "testdata/everything/sdk.go"): beside,
		absolute(t, "../../api/export.go"):        absolute(t, "../../api/export_test.go"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(folder, "everything")
	build := []string{"build", "-overlay", filepath.Join(folder, "overlay.json"), "-o", program}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		build = append(build, "-race")
	}
	if out, err := exec.Command("go", append(build, "./testdata/everything")...).CombinedOutput(); err != nil {
		t.Fatalf("building everything: %v: %s", err, out)
	}
	return program
}

// startDemoProcess runs the demo until the test ends, and returns its URL for MCP.
func startDemoProcess(t *testing.T) string {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), processVariable+"=demo --addr 127.0.0.1:0")
	return startProgram(t, command)
}

// startProgram runs a server until the test ends, and returns the URL for MCP that
// it writes first.
func startProgram(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	command.Env = append(command.Environ(), "GORACE=halt_on_error=1")
	command.Stderr = t.Output()
	if _, err := command.StdinPipe(); err != nil { // see beProcess
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	url := make(chan string, 1)
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if found := regexp.MustCompile(`http://\S+/mcp`).FindString(lines.Text()); found != "" {
				url <- found
			}
		}
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
		_ = command.Wait() // killed
	})
	select {
	case u := <-url:
		return u
	case <-ended:
		t.Fatal("the server ended")
		return ""
	}
}
