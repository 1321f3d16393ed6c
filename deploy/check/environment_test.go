// Package check tests the files that flexbridge is shipped with: the image,
// docker-compose.yml and the Kubernetes manifests. It is a module of its own, so
// that what reads them stays out of the service's.
package check

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// root is the repository's.
var root = filepath.Join("..", "..")

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var assignment = regexp.MustCompile(`(?m)^(#?)([A-Z_]+)=(.*)$`)

// settings are the service's variables with their defaults, and whether they are
// required. .env.example has all of them, which the service's own tests hold.
func settings(t *testing.T) (defaults map[string]string, required []string) {
	defaults = make(map[string]string)
	for _, m := range assignment.FindAllStringSubmatch(readFile(t, ".env.example"), -1) {
		defaults[m[2]] = m[3]
		if m[1] == "" {
			required = append(required, m[2])
		}
	}
	return defaults, required
}

// opsPort is where replicas of docker-compose.yml and Kubernetes show their metrics.
const opsPort = "9090"

// filled are values for what every operator fills in.
var filled = map[string]string{
	"TWILIO_ACCOUNT_SID": "AC" + strings.Repeat("0", 32),
	"TWILIO_AUTH_TOKEN":  strings.Repeat("0", 32),
	"TWILIO_FLOW_SID":    "FW" + strings.Repeat("0", 32),
	"IDENTITY_SECRET":    strings.Repeat("i", 32),
	"AUTH_MODE":          "none",
	"PUBLIC_URL":         "https://bridge.example.com",
}

// longestStop is how long a service with this environment may take to stop: its
// longest wait, and ten seconds for what is being said.
func longestStop(t *testing.T, environment map[string]string) (longest time.Duration) {
	t.Helper()
	defaults, _ := settings(t)
	for _, name := range []string{"WAIT", "MCP_WAIT"} {
		value := defaults[name]
		if set, ok := environment[name]; ok {
			value = set
		}
		wait, err := time.ParseDuration(value)
		if err != nil {
			t.Fatal(err)
		}
		longest = max(longest, wait)
	}
	return longest + 10*time.Second
}

// checkEnvironment holds that the service knows each variable, has all that it
// requires, and starts and lives with them.
func checkEnvironment(t *testing.T, environment map[string]string) {
	t.Helper()
	defaults, required := settings(t)
	for name := range environment {
		if _, known := defaults[name]; !known && name != "GOMEMLIMIT" { // that is Go's own
			t.Errorf("%s is no variable of the service", name)
		}
	}
	for _, name := range required {
		if environment[name] == "" {
			t.Errorf("%s is not set", name)
		}
	}
	environment = maps.Clone(environment)
	environment["LISTEN_ADDR"], environment["OPS_ADDR"] = freeAddr(t), freeAddr(t)
	lives(t, func(ctx context.Context, command string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, program(t), command)
		cmd.Env = environ(environment)
		return cmd
	})
}

// lives starts the service, and waits until its own health check is content.
func lives(t *testing.T, command func(ctx context.Context, name string) *exec.Cmd) {
	t.Helper()
	serve := command(t.Context(), "serve") // the context ends it with the test
	output := new(strings.Builder)
	serve.Stderr = output
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	for late := time.Now().Add(20 * time.Second); ; {
		check, err := command(t.Context(), "health").CombinedOutput()
		if err == nil {
			break
		}
		select {
		case <-ended:
			t.Fatalf("the service ended:\n%s", output)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(late) {
			t.Fatalf("the service does not live: %s", check)
		}
	}
	if err := serve.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the service ended with %v:\n%s", err, output)
	}
}

func environ(values map[string]string) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, fmt.Sprintf("%s=%s", name, values[name]))
	}
	return list
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
