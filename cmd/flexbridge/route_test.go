package main

import (
	"flag"
	"testing"

	"flexbridge/bridge/flex/flexsim"
)

var routeFlag = flag.String("route", "studio", "the route to the agents, studio or interactions, of tests that do not play both")

// routes are the routes to the agents.
var routes = map[string]func(*Config){
	"studio": func(c *Config) {
		c.FlowSID, c.WorkspaceSID, c.WorkflowSID = flexsim.FlowSID, "", ""
	},
	"interactions": func(c *Config) {
		c.FlowSID, c.WorkspaceSID, c.WorkflowSID = "", flexsim.WorkspaceSID, flexsim.WorkflowSID
	},
}

// routing is the call of each route that must not be made twice; with Studio's, our
// own hook is attached, too.
var routing = map[string]flexsim.Op{"studio": flexsim.CreateWebhook, "interactions": flexsim.CreateInteraction}

// eachRoute runs a test on both routes, at the same time as others.
func eachRoute(t *testing.T, test func(t *testing.T, route string)) {
	t.Parallel()
	for route := range routes {
		t.Run(route, func(t *testing.T) { test(t, route) })
	}
}
