package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

func (d *doctor) configuration(context.Context) finding {
	if len(d.problems) == 0 {
		return ok("every variable is of its form")
	}
	var all []string
	for _, p := range d.problems {
		all = append(all, strings.TrimSpace(p.Error()))
	}
	return bad(strings.Join(all, "\n"), "mistakes in the environment: %d", len(all))
}

// What ChatGPT waits for at most: the answer to an action of a GPT, and to a call
// of an MCP tool.
const (
	actionWait = 45 * time.Second
	toolWait   = 60 * time.Second
)

func (d *doctor) wait(context.Context) finding {
	var repair []string
	if d.config.Wait >= actionWait {
		repair = append(repair, "set WAIT=40s if GPT Actions call")
	}
	if d.config.MCPWait >= toolWait {
		repair = append(repair, "set MCP_WAIT=50s if ChatGPT calls by MCP")
	}
	text := fmt.Sprintf("WAIT is %v, and GPT Actions cut at %gs; MCP_WAIT is %v, and ChatGPT cuts at %gs",
		d.config.Wait, actionWait.Seconds(), d.config.MCPWait, toolWait.Seconds())
	if len(repair) > 0 {
		return warning(strings.Join(repair, "\n"), "%s", text)
	}
	return ok("%s", text)
}
