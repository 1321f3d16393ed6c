package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"flexbridge/bridge/flex/flexsim"
)

// inspector is the MCP Inspector's command line, in one of its eras.
type inspector struct {
	t        *testing.T
	url, era string
}

// run returns a method's result, the code of what went wrong, and the exit status.
func (i inspector) run(method string, more ...string) (result json.RawMessage, code string, status int) {
	i.t.Helper()
	stdout, stderr, status := runTool(i.t, "@modelcontextprotocol/inspector/clients/launcher/build/index.js", append([]string{
		"--cli", i.url, "--transport", "http", "--protocol-era", i.era, "--format", "json", "--method", method}, more...)...)
	var out struct{ Result json.RawMessage }
	var problem struct{ Error struct{ Code string } }
	if err := json.Unmarshal([]byte(stdout), &out); stdout != "" && err != nil {
		i.t.Fatalf("the Inspector wrote %q: %v", stdout, err)
	}
	if err := json.Unmarshal([]byte(stderr), &problem); status != 0 && err != nil {
		i.t.Fatalf("the Inspector ended with %d and wrote %q: %v", status, stderr, err)
	}
	return out.Result, problem.Error.Code, status
}

// call calls a tool.
func (i inspector) call(tool string, arguments map[string]any) (got told, code string, status int) {
	i.t.Helper()
	text, err := json.Marshal(arguments)
	if err != nil {
		i.t.Fatal(err)
	}
	raw, code, status := i.run("tools/call", "--tool-name", tool, "--tool-args-json", string(text))
	var result struct{ StructuredContent told }
	if err := json.Unmarshal(raw, &result); raw != nil && err != nil {
		i.t.Fatalf("the result is %s: %v", raw, err)
	}
	return result.StructuredContent, code, status
}

func eachInspector(t *testing.T, test func(t *testing.T, era string)) {
	nodeModules(t)
	for _, era := range []string{"modern", "legacy"} {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			test(t, era)
		})
	}
}

// The Inspector finds the demo's tools in order, and gets the pretend agent's reply.
func TestInspectorInDemo(t *testing.T) {
	eachInspector(t, func(t *testing.T, era string) {
		i := inspector{t, startDemoProcess(t), era}
		raw, code, status := i.run("tools/list", "--strict")
		var list mcp.ListToolsResult
		if err := json.Unmarshal(raw, &list); err != nil || status != 0 || len(list.Tools) != 3 {
			t.Errorf("tools/list ended with %d %s: %s, want 0 and three tools", status, code, raw)
		}
		got, code, status := i.call("ask_agent", map[string]any{"message": "Do you ship to Norway?"})
		if status != 0 || got.Status != "replied" || !strings.Contains(got.texts(), "Do you ship to Norway?") {
			t.Errorf("ask_agent ended with %d %s: %+v, want 0 and the reply", status, code, got)
		}
		if _, code, status := i.call("ask_agent", map[string]any{"message": " "}); status != 5 || code != "tool_is_error" {
			t.Errorf("ask_agent without a message ended with %d %s, want 5 tool_is_error", status, code)
		}
		if _, code, status := i.call("ask_anybody", map[string]any{}); status != 5 || code != "tool_not_found" {
			t.Errorf("a tool that is not there ended with %d %s, want 5 tool_not_found", status, code)
		}
	})
}

func TestInspectorWaits(t *testing.T) {
	eachInspector(t, func(t *testing.T, era string) {
		w := newWorld(t, nil, flexsim.Config{})
		i := inspector{t, w.start(nil, func(c *Config) { c.MCPWait = time.Second }).url + "/mcp", era}
		pending, code, status := i.call("ask_agent", map[string]any{"message": "anybody?"})
		if status != 0 || pending.Status != "pending" {
			t.Fatalf("ask_agent ended with %d %s: %+v, want 0 and pending", status, code, pending)
		}
		w.reply(w.asked("anybody?"), "me")
		got, code, status := i.call("wait_for_agent", map[string]any{"conversation": pending.Conversation, "cursor": pending.Cursor})
		if status != 0 || got.Status != "replied" || got.texts() != "me" || got.Conversation != pending.Conversation {
			t.Errorf("wait_for_agent ended with %d %s: %+v, want 0 and the reply", status, code, got)
		}
	})
}
