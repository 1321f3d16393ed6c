package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"flexbridge/api"
	"flexbridge/bridge"
)

// as is a client whose requests name who makes them.
func as(t *testing.T, server *httptest.Server, who string) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: server.URL + "/mcp", MaxRetries: -1, DisableStandaloneSSE: true,
		HTTPClient: &http.Client{Transport: named{server.Client().Transport, who}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

type named struct {
	http.RoundTripper
	who string
}

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Test-Caller", n.who)
	return n.RoundTripper.RoundTrip(r)
}

// byName takes "app" for an application, "app/person" for a person, and "" for anyone.
var byName = api.AuthBy(func(r *http.Request) (string, []string) {
	application, person, is := strings.Cut(r.Header.Get("X-Test-Caller"), "/")
	if is {
		return application, []string{"https://issuer.example.com", person}
	}
	return application, nil
})

// Nobody reads with another's handle, and a person may come through any client.
func TestMCPHandleOfAnother(t *testing.T) {
	cfg := mcpConfig(t)
	cfg.Auth = byName
	d := &desk{answer: replied}
	server := serveHTTP(t, cfg, d)
	callers := []string{"", "shop", "bank", "shop/ann", "shop/bob", "phone/ann"}
	for _, owner := range callers {
		first := callTool(t, as(t, server, owner), "ask_agent", args{"message": "hi"})
		customer := d.calls[len(d.calls)-1].question.Customer
		for _, other := range callers {
			n := len(d.calls)
			got := callTool(t, as(t, server, other), "wait_for_agent", args{"conversation": first.Conversation})
			_, owned, isPerson := strings.Cut(owner, "/")
			_, others, _ := strings.Cut(other, "/")
			if mine := owner == other || isPerson && owned == others; mine {
				if got.failed || d.calls[n].question.Customer != customer {
					t.Errorf("%q with the handle of %q = %+v, want its own replies", other, owner, got)
				}
			} else if !got.failed || !strings.Contains(got.text, "unknown_conversation") || !strings.Contains(got.text, "Do not guess") || len(d.calls) != n {
				t.Errorf("%q with the handle of %q = %+v, want it unknown", other, owner, got)
			}
		}
	}
}

// Who has a name of its own needs no handle, and has one conversation.
func TestMCPPerson(t *testing.T) {
	cfg := mcpConfig(t)
	cfg.Auth = byName
	d := &desk{answer: replied}
	session := as(t, serveHTTP(t, cfg, d), "shop/ann")
	for _, name := range []string{"wait_for_agent", "end_conversation", "ask_agent", "ask_agent"} {
		arguments := args{}
		if name == "ask_agent" {
			arguments["message"] = "hi"
		}
		got := callTool(t, session, name, arguments)
		if got.failed || got.Conversation == "" {
			t.Errorf("%s without a conversation = %+v, want an answer with one", name, got)
		}
		if again := callTool(t, session, "wait_for_agent", args{"conversation": got.Conversation}); again.failed {
			t.Errorf("with it = %+v, want an answer", again)
		}
	}
	for _, c := range d.calls {
		if want := cfg.Keys.Customer("oidc", "https://issuer.example.com", "ann"); c.question.Customer != want {
			t.Errorf("%s is of %s, want the person %s", c.verb, c.question.Customer, want)
		}
	}
}

// A handle expires, and is renewed before, for the same customer.
func TestMCPHandleLife(t *testing.T) {
	cfg := mcpConfig(t)
	cfg.MCP.HandleLife = time.Hour
	d := &desk{answer: replied}
	session := connect(t, serveHTTP(t, cfg, d), eras[0], nil)
	seal := func(id bridge.Handle, left time.Duration) string {
		id.Expires = time.Now().Add(left)
		return cfg.Keys.Seal(id, "anyone")
	}
	h := bridge.NewHandle(time.Time{})
	young, old, expired := seal(h, 40*time.Minute), seal(h, 20*time.Minute), seal(h, -time.Second)
	if got := callTool(t, session, "wait_for_agent", args{"conversation": young}); got.Conversation != young {
		t.Errorf("wait_for_agent = %+v, want the same handle again", got)
	}
	got := callTool(t, session, "wait_for_agent", args{"conversation": old})
	renewed, ok := cfg.Keys.Unseal(got.Conversation, time.Now().Add(58*time.Minute), "anyone")
	if !ok || renewed.ID != h.ID {
		t.Errorf("wait_for_agent = %+v, want the handle for another hour", got)
	}
	if got := callTool(t, session, "wait_for_agent", args{"conversation": expired}); !strings.Contains(got.text, "unknown_conversation") {
		t.Errorf("wait_for_agent = %+v, want it unknown", got)
	}
	if want := cfg.Keys.Customer("handle", h.ID); len(d.calls) != 2 || d.calls[0].question.Customer != want || d.calls[1].question.Customer != want {
		t.Errorf("calls = %+v, want two of %s", d.calls, want)
	}
}

// ChatGPT repeats a call that it cut before the answer issued a handle. That call
// attaches if it is the very same, and no other does.
func TestMCPAdopts(t *testing.T) {
	cfg := mcpConfig(t)
	cfg.Auth = byName
	d := &desk{answer: replied}
	server := serveHTTP(t, cfg, d)
	meta := func(subject, session any) mcp.Meta {
		return mcp.Meta{"openai/subject": subject, "openai/session": session}
	}
	// customer is who a call is taken to be from.
	customer := func(who string, arguments args, m mcp.Meta) bridge.Customer {
		t.Helper()
		if got := callTool(t, as(t, server, who), "ask_agent", arguments, m); got.failed {
			t.Fatalf("ask_agent = %+v", got)
		}
		return d.calls[len(d.calls)-1].question.Customer
	}
	hi := args{"message": "hi"}
	first := customer("", hi, meta("u", "s"))
	if again := customer("", hi, meta("u", "s")); again != first {
		t.Errorf("the repeat is of %s, want %s", again, first)
	}
	long := strings.Repeat("x", 257)
	for name, other := range map[string]func() bridge.Customer{
		"other text":          func() bridge.Customer { return customer("", args{"message": "hi "}, meta("u", "s")) },
		"other user":          func() bridge.Customer { return customer("", hi, meta("v", "s")) },
		"other chat":          func() bridge.Customer { return customer("", hi, meta("u", "t")) },
		"parts shifted":       func() bridge.Customer { return customer("", hi, meta("us", "")) },
		"another application": func() bridge.Customer { return customer("shop", hi, meta("u", "s")) },
	} {
		if got := other(); got == first {
			t.Errorf("%s: attached to the first", name)
		}
	}
	for name, m := range map[string]mcp.Meta{
		"no chat": {"openai/subject": "u"}, "no user": {"openai/session": "s"}, "none": {},
		"empty": meta("", ""), "numbers": meta(1, 2), "long user": meta(long, "s"), "long chat": meta("u", long),
	} {
		if a, b := customer("", hi, m), customer("", hi, m); a == b {
			t.Errorf("%s: a repeat attached", name)
		}
	}
	// Who gives a handle is its customer, whatever the client says besides.
	h := bridge.NewHandle(time.Now().Add(time.Hour))
	if got := customer("", args{"message": "hi", "conversation": cfg.Keys.Seal(h, "anyone")}, meta("u", "s")); got != cfg.Keys.Customer("handle", h.ID) {
		t.Errorf("with a handle the call is of %s, want its customer", got)
	}
}

type brokenAdopter struct{}

func (brokenAdopter) Adopt(context.Context, string, string, time.Duration) (string, error) {
	return "", errors.New("secret detail")
}

func TestMCPAdopterFails(t *testing.T) {
	cfg := mcpConfig(t)
	cfg.MCP.Adopter = brokenAdopter{}
	d := &desk{answer: replied}
	got := callTool(t, connect(t, serveHTTP(t, cfg, d), eras[0], nil), "ask_agent", args{"message": "hi"},
		mcp.Meta{"openai/subject": "u", "openai/session": "s"})
	if !strings.HasPrefix(got.text, "Error mailbox_unavailable. ") || strings.Contains(got.text, "secret") || strings.Contains(got.text, "conv_") || len(d.calls) != 0 {
		t.Errorf("ask_agent = %+v, calls %v, want that the mailbox cannot be used", got, d.calls)
	}
}

// Who leaves the conversation out is a new customer with every call, but one user
// of ChatGPT's has one budget all the same.
func TestMCPRateLimits(t *testing.T) {
	limits, _ := limited(t, 2, 100)
	cfg := mcpConfig(t)
	cfg.Limiter, cfg.QuestionsPerCustomer, cfg.QuestionsPerCaller = limits.Limiter, 2, 100
	d := &desk{answer: replied}
	session := connect(t, serveHTTP(t, cfg, d), eras[0], nil)
	of := func(subject string) mcp.Meta { return mcp.Meta{"openai/subject": subject} }
	for i, row := range []struct {
		subject string
		refused bool
	}{{"ann", false}, {"ann", false}, {"ann", true}, {"bob", false}, {"", false}} {
		got := callTool(t, session, "ask_agent", map[string]any{"message": "hi"}, of(row.subject))
		if refused := strings.Contains(got.text, "rate_limited"); refused != row.refused || got.failed != row.refused {
			t.Errorf("call %d of %q = %q, want refused: %v", i, row.subject, got.text, row.refused)
		}
	}
	if len(d.calls) != 4 {
		t.Errorf("%d questions got through, want 4", len(d.calls))
	}
}
