package main

import (
	"net/http"
	"net/http/httptest"
	"strings"

	"flexbridge/api/oidctest"
	"flexbridge/bridge/flex"
	"flexbridge/bridge/flex/flexsim"
)

// withoutStudio has the service and the doctor reach agents by Interactions.
func withoutStudio(changes ...func(*patient)) func(*patient) {
	return both(append(changes, func(p *patient) { p.route = "interactions" })...)
}

// workspaces are all that the account has.
func workspaces(all ...flexsim.Workspace) func(*patient) {
	return func(p *patient) { p.twilio.SetWorkspaces(all...) }
}

var (
	itsWorkflow = []flexsim.Resource{{SID: flexsim.WorkflowSID}}
	itsChannel  = []flexsim.Resource{{SID: flexsim.TaskChannelSID, UniqueName: flex.TaskChannel}}
	otherSID    = strings.Repeat("f", 32)
)

// forbidden is an API key without the right to an operation.
func forbidden(op flexsim.Op) func(*patient) {
	return func(p *patient) { p.twilio.Break(op, -1, flexsim.Fault{Status: http.StatusForbidden}) }
}

var routeAilments = []ailment{
	{"healthy without Studio", "", fine, withoutStudio()},
	{"healthy without Studio in a workspace renamed", "", fine, withoutStudio(workspaces(
		flexsim.Workspace{SID: flexsim.WorkspaceSID, Name: "Mine", Workflows: itsWorkflow, TaskChannels: itsChannel},
	))},
	{"both routes", "configuration", wrong, withoutStudio(set("TWILIO_FLOW_SID", flexsim.FlowSID))},
	{"half a route", "configuration", wrong, withoutStudio(set("TWILIO_WORKSPACE_SID", ""))},
	{"workspace missing", "workflow", wrong, withoutStudio(set("TWILIO_WORKSPACE_SID", "WS"+otherSID))},
	{"workspace not of Flex", "workflow", wrong, withoutStudio(workspaces(
		flexsim.Workspace{SID: flexsim.WorkspaceSID, Name: "Mine", Workflows: itsWorkflow, TaskChannels: itsChannel},
		flexsim.Workspace{SID: "WS" + otherSID, Name: flex.FlexWorkspace},
	))},
	{"workflow missing", "workflow", wrong, withoutStudio(set("TWILIO_WORKFLOW_SID", "WW"+otherSID))},
	{"workflow of another workspace", "workflow", wrong, withoutStudio(workspaces(
		flexsim.Workspace{SID: flexsim.WorkspaceSID, Name: flex.FlexWorkspace, TaskChannels: itsChannel},
		flexsim.Workspace{SID: "WS" + otherSID, Name: "Other", Workflows: itsWorkflow},
	))},
	{"task channel of chats missing", "workflow", wrong, withoutStudio(workspaces(
		flexsim.Workspace{SID: flexsim.WorkspaceSID, Name: flex.FlexWorkspace, Workflows: itsWorkflow,
			TaskChannels: []flexsim.Resource{{SID: flexsim.TaskChannelSID, Name: flex.TaskChannel, UniqueName: "webchat"}}},
	))},
	{"workspace beside a flow", "", fine, both(set("TWILIO_WORKSPACE_SID", flexsim.WorkspaceSID), set("TELL_NOBODY_ON_SHIFT", "true"))},
	{"workspace other than the flow's", "workflow", wrong, set("TWILIO_WORKSPACE_SID", "WS"+otherSID)},
	{"nobody on shift", "", fine, withoutStudio(set("TELL_NOBODY_ON_SHIFT", "true"), workspaces(
		flexsim.Workspace{SID: flexsim.WorkspaceSID, Name: flex.FlexWorkspace, Workflows: itsWorkflow, TaskChannels: itsChannel},
	))},
	{"tasks not for us", "tasks and workers", wrong, withoutStudio(forbidden(flexsim.ListTasks))},
	{"workers not for us", "tasks and workers", wrong, withoutStudio(set("TELL_NOBODY_ON_SHIFT", "true"), forbidden(flexsim.ListWorkers))},
	{"TaskRouter down", "workflow", unchecked, withoutStudio(func(p *patient) {
		p.twilio.Break(flexsim.ListWorkflows, -1, flexsim.Fault{Status: 503, HTML: true})
	})},
}

// signingIn has people sign in at an issuer.
func signingIn(changes ...func(*patient)) func(*patient) {
	return func(p *patient) {
		issuer := oidctest.Start(p.t).Issuer
		p.environ["AUTH_MODE"], p.environ["OIDC_ISSUER"], p.environ["OIDC_AUDIENCE"] = "oidc", issuer, "%PUBLIC%, %PUBLIC%/mcp"
		p.service = func(c *Config) { c.AuthMode, c.OIDCIssuer, c.OIDCAudience = "oidc", issuer, c.PublicURL }
		both(changes...)(p)
	}
}

// theirs changes the service that runs, and not the doctor's environment.
func theirs(change func(*Config)) func(*patient) {
	return func(p *patient) {
		before := p.service
		p.service = func(c *Config) {
			before(c)
			change(c)
		}
	}
}

var signInAilments = []ailment{
	{"healthy with sign-in", "", fine, signingIn()},
	{"healthy with sign-in below a path", "", fine, signingIn(func(p *patient) { p.path = "/bridge" })},
	{"issuer down", "issuer", wrong, signingIn(set("OIDC_ISSUER", "http://127.0.0.1:1"), func(p *patient) {
		p.later = func(d *doctor) { d.limit /= 2 } // it is asked again until then
	})},
	{"issuer of another name", "issuer", wrong, signingIn(func(p *patient) { p.environ["OIDC_ISSUER"] += "/" })},
	{"issuer without discovery", "issuer", wrong, signingIn(func(p *patient) {
		s := httptest.NewServer(http.NotFoundHandler())
		p.t.Cleanup(s.Close)
		p.environ["OIDC_ISSUER"] = s.URL
		p.later = func(d *doctor) { d.limit /= 2 }
	})},
	{"audience without MCP", "audience", warned, signingIn(set("OIDC_AUDIENCE", "%PUBLIC%"))},
	{"proxy keeps what is well known", "resource metadata", wrong, signingIn(answering("/.well-known/oauth-protected-resource", http.StatusNotFound))},
	{"proxy keeps that of MCP", "resource metadata", wrong, signingIn(answering("/.well-known/oauth-protected-resource/mcp", http.StatusOK))},
	{"service with another issuer", "resource metadata", wrong, signingIn(func(p *patient) {
		other := oidctest.Start(p.t).Issuer
		theirs(func(c *Config) { c.OIDCIssuer = other })(p)
	})},
	{"service without sign-in", "resource metadata", wrong, signingIn(theirs(func(c *Config) {
		c.AuthMode, c.OIDCIssuer, c.OIDCAudience = "none", "", ""
	}))},
}
