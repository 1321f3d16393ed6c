package api_test

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"flexbridge/api"
	"flexbridge/bridge"
)

func TestRequestID(t *testing.T) {
	made := regexp.MustCompile(`^[A-Z2-7]{26}$`)
	seen := make(map[string]bool)
	for _, row := range []struct {
		given string
		kept  bool
	}{
		{"3f2504e0-4f89-11d3-9a0c-0305e82c3301", true},
		{"a", true},
		{strings.Repeat("f", 64), true},
		{"1-67891233-abcdef012345678912345678.x_y", true},
		{"", false},
		{strings.Repeat("f", 65), false},
		{"two words", false},
		{"line\nbreak", false},
		{`quote"`, false},
		{"ü", false},
	} {
		for _, path := range []string{"/nothing", "/livez", "/replies/x", "/mcp", "/openapi.yaml"} {
			r := request("GET", path, "")
			r.Header["X-Request-Id"] = []string{row.given}
			w := serve(newServer(t, config(t), &desk{}), r)
			id := w.Header().Get("X-Request-Id")
			if row.kept && id != row.given || !row.kept && (!made.MatchString(id) || seen[id]) {
				t.Errorf("GET %s with X-Request-Id %q has %q", path, row.given, id)
			}
			seen[id] = true
			if w.Code < 400 || path == "/mcp" {
				continue
			}
			if p := asProblem(t, w.Code, w.Header(), w.Body.Bytes()); p.ID != id {
				t.Errorf("GET %s: request_id %q, and the header %q", path, p.ID, id)
			}
		}
	}
}

// asked is what a desk does with a context.
type asked struct {
	*desk
	ask func(context.Context)
}

func (a asked) AskThen(ctx context.Context, q bridge.Question, over func(bridge.Answer, error)) {
	over(a.Ask(ctx, q))
}

func (a asked) Ask(ctx context.Context, q bridge.Question) (bridge.Answer, error) {
	a.ask(ctx)
	return a.desk.Ask(ctx, q)
}

// What is done for an exchange knows its name, and counts calls for its line.
func TestRequestIDTravels(t *testing.T) {
	for _, r := range []*http.Request{request("POST", "/send/"+username, `{"msg":"hi"}`), rpc(t, "http://localhost", eras[0], "tools/call", args{"name": "ask_agent", "arguments": args{"message": "hi"}})} {
		cfg := mcpConfig(t)
		log := logTo(&cfg)
		var id string
		w := serve(newServer(t, cfg, asked{&desk{answer: replied}, func(ctx context.Context) {
			id = api.RequestID(ctx)
			api.NoteCall(context.WithoutCancel(ctx))
			api.NoteCall(ctx)
		}}), r)
		if id == "" || id != w.Header().Get("X-Request-Id") {
			t.Errorf("%s: the bridge sees %q, the caller %q", r.URL, id, w.Header().Get("X-Request-Id"))
		}
		if !strings.Contains(log.String(), "twilio_calls=2") || !strings.Contains(log.String(), "messages=2") {
			t.Errorf("%s: log = %s, want two calls and messages", r.URL, log)
		}
	}
	if id := api.RequestID(t.Context()); id != "" {
		t.Errorf("RequestID of nobody = %q", id)
	}
	api.NoteCall(t.Context())
}

// Each error answer is told by its code, but for what has another outcome and for probes.
func TestTellsProblems(t *testing.T) {
	cfg := mcpConfig(t)
	var told []string
	cfg.Problem = func(code string) { told = append(told, code) }
	cfg.Ready = func(context.Context) error { return bridge.ErrDraining }
	e := newServer(t, cfg, &desk{err: bridge.ErrKeyReused})
	e.POST("/other", func(c echo.Context) error {
		api.Note(c, "forged", "CH1", "IM1")
		return echo.NewHTTPError(http.StatusForbidden, "no")
	})
	for _, r := range []*http.Request{
		request("POST", "/send/"+username, `{"msg":"hi"}`), request("POST", "/send/"+username, `{"msg":""}`), request("GET", "/nothing", ""),
		request("PUT", "/send/"+username, ""), rpc(t, "http://localhost", eras[0], "tools/call", args{"name": "ask_agent", "arguments": args{"message": "hi"}}),
		request("GET", "/readyz", ""), request("POST", "/other", ""), request("GET", "/livez", ""),
	} {
		serve(e, r)
	}
	if want := []string{"key_reused", "invalid", "not_found", "method_not_allowed", "key_reused"}; !slices.Equal(told, want) {
		t.Errorf("told of %q, want %q", told, want)
	}
	for _, code := range told {
		if !slices.Contains(api.Codes(), code) {
			t.Errorf("Codes() lacks %q", code)
		}
	}
}

func TestNoteStandsInTheLog(t *testing.T) {
	cfg := config(t)
	log := logTo(&cfg)
	e := newServer(t, cfg, &desk{})
	e.POST("/hook", func(c echo.Context) error {
		api.Note(c, "kept", "CH1", "IM1")
		return c.NoContent(http.StatusNoContent)
	})
	serve(e, request("POST", "/hook", ""))
	if !strings.Contains(log.String(), "conversation=CH1 message=IM1 status=204 outcome=kept") {
		t.Errorf("log = %s", log)
	}
}
