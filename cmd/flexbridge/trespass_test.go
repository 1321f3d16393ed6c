package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"flexbridge/api/oidctest"
	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

// authorized adds an Authorization header, if there is any.
type authorized string

func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	if a != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", string(a))
	}
	return http.DefaultTransport.RoundTrip(r)
}

// assistant is an MCP client with the visitor's credentials.
func (v visitor) assistant(t *testing.T) *assistant {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: v.replica.url + "/mcp", HTTPClient: &http.Client{Transport: authorized(v.authorization)}, MaxRetries: -1, DisableStandaloneSSE: true,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return &assistant{t, session}
}

// resident is somebody with a conversation at MCP and, by the name, another one at
// the plain operations; a person has one for both.
type resident struct {
	visitor
	*assistant
	person bool
	mcp    told   // the last answer at MCP
	cursor string // of the plain operations
}

// TestNobodyReadsAnothersReplies: whatever one customer knows of another's names,
// handles and cursors, in whatever mode, gives no reply, says nothing, ends nothing.
func TestNobodyReadsAnothersReplies(t *testing.T) {
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	p := oidctest.Start(t, "flexbridge")
	open := w.start(nil)
	keyed := w.start(open, func(c *Config) {
		c.AuthMode, c.APIKeys = "bearer", Secret("shop:"+shopKey+",office:"+officeKey)
	})
	known := w.start(open, func(c *Config) { c.AuthMode, c.OIDCIssuer, c.OIDCAudience = "oidc", p.Issuer, "flexbridge" })
	name := "/" + username("one")
	residents := map[string]*resident{
		"anybody": {visitor: visitor{open, name, ""}},
		"shop":    {visitor: visitor{keyed, name, "Bearer " + shopKey}},
		"office":  {visitor: visitor{keyed, name, "Bearer " + officeKey}},
		"ana":     {visitor: visitor{known, name, "Bearer " + p.Token(t, "ana")}, person: true},
		"bea":     {visitor: visitor{known, name, "Bearer " + p.Token(t, "bea")}, person: true},
	}
	for who, r := range residents {
		r.assistant = r.visitor.assistant(t)
		asked := r.asking(t.Context(), who+" asks a tool", told{}, nil)
		w.reply(w.asked(who+" asks a tool"), "for "+who)
		r.mcp = r.want(<-asked, "replied", "for "+who)
		sent := make(chan result, 1)
		go func() { sent <- r.send(t.Context(), who+" asks", r.plainStart()) }()
		w.reply(w.asked(who+" asks"), "for "+who)
		r.cursor = w.want(<-sent, "replied", "for "+who).Cursor
	}
	before := w.messages()
	for thief, r := range residents {
		for victim, v := range residents {
			if thief != victim {
				r.trespass(t, thief, victim, v)
			}
		}
	}
	if got := w.messages(); got != before {
		t.Errorf("trespassers said %d things", got-before)
	}
	for _, c := range w.twilio.Conversations() {
		if c.State == flexsim.Closed {
			t.Errorf("a trespasser closed %s, in which stands %q", c.SID, c.Messages[0].Text)
		}
	}
	// The owners have lost nothing.
	for who, r := range residents {
		got := r.call(t.Context(), "wait_for_agent", map[string]any{"conversation": r.mcp.Conversation, "cursor": "0--1-0000"}, nil)
		if got.err != nil || !strings.HasPrefix(got.texts(), "for "+who) {
			t.Errorf("%s reads %q, %v, want its own reply", who, got.texts(), got.err)
		}
	}
}

// plainStart is the cursor from which the first plain question goes on.
func (r *resident) plainStart() string {
	if r.person {
		return r.mcp.Cursor
	}
	return ""
}

// trespass tries all that a thief may, who knows everything but the credentials.
func (r *resident) trespass(t *testing.T, thief, victim string, v *resident) {
	t.Helper()
	ctx := t.Context()
	for _, tool := range []string{"ask_agent", "wait_for_agent", "end_conversation"} {
		// As a conversation: the handle, the name, and what looks like either.
		for _, conversation := range []string{v.mcp.Conversation, username("one"), v.mcp.Conversation + "A", strings.ToLower(v.mcp.Conversation), v.mcp.Cursor} {
			for _, cursor := range []string{"", v.mcp.Cursor, v.cursor} {
				arguments := map[string]any{"conversation": conversation, "cursor": cursor}
				if tool == "ask_agent" {
					arguments["message"] = "let me in"
				}
				got := r.call(ctx, tool, arguments, nil)
				if got.err == nil || !strings.HasPrefix(got.err.Error(), "Error unknown_conversation. ") {
					t.Errorf("%s calls %s with %s of %s = %+v, %v, want it unknown", thief, tool, conversation, victim, got.told, got.err)
				}
			}
		}
	}
	own := func(what string, texts string, err error) {
		t.Helper()
		for text := range strings.SplitSeq(texts, "|") {
			if text != "" && text != "for "+thief {
				t.Errorf("%s %s and reads %q", thief, what, text)
			}
		}
		if err != nil && !strings.Contains(err.Error(), "cursor_ahead") {
			t.Errorf("%s %s: %v", thief, what, err)
		}
	}
	// The own conversation with the other's cursor.
	for _, cursor := range []string{v.mcp.Cursor, v.cursor, "0--1-0000"} {
		if cursor == r.mcp.Cursor || cursor == r.cursor {
			continue // it would wait
		}
		got := r.call(ctx, "wait_for_agent", map[string]any{"conversation": r.mcp.Conversation, "cursor": cursor}, nil)
		own("gives a tool a cursor of "+victim, got.texts(), got.err)
		plain := r.replies(ctx, cursor, 0)
		own("gives a cursor of "+victim, plain.texts(), plain.err)
	}
	// As a username: the handle, which is of a username's form.
	stranger := visitor{r.replica, "/" + url.PathEscape(v.mcp.Conversation), r.authorization}
	got := stranger.replies(ctx, "", 0)
	own("takes a handle of "+victim+" for a username", got.texts(), got.err)
	if got.HTTP != http.StatusOK || !r.person && got.Status != "closed" {
		t.Errorf("%s with a handle of %s as a username = %+v, want that nothing was asked", thief, victim, got)
	}
	// With the other's door: credentials that are not of this one's kind.
	elsewhere := visitor{v.replica, v.name, r.authorization}
	if r.replica != v.replica && v.authorization != "" {
		for what, got := range map[string]result{
			"replies": elsewhere.replies(ctx, v.cursor, 0), "send": elsewhere.send(ctx, "let me in", ""), "end": elsewhere.end(ctx, ""),
		} {
			if got.HTTP != http.StatusUnauthorized || len(got.Messages) > 0 {
				t.Errorf("%s at the door of %s: %s = %+v, want 401", thief, victim, what, got)
			}
		}
	}
}
