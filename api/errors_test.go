package api_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge"
)

// errorRows is what callers are told of each of the bridge's errors.
var errorRows = map[string]struct {
	err        error
	status     int
	code       string
	retryAfter int // seconds at least
}{
	"ErrInvalid":         {bridge.ErrInvalid, 400, "invalid", 0},
	"ErrCursorAhead":     {bridge.ErrCursorAhead, 409, "cursor_ahead", 0},
	"ErrKeyReused":       {bridge.ErrKeyReused, 409, "key_reused", 0},
	"ErrUnsure":          {bridge.ErrUnsure, 504, "unsure", 0},
	"ErrMailbox":         {bridge.ErrMailbox, 503, "mailbox_unavailable", 5},
	"ErrBusy":            {bridge.ErrBusy, 503, "busy", 5},
	"ErrDraining":        {bridge.ErrDraining, 503, "draining", 1},
	"ErrDeskRefused":     {bridge.ErrDeskRefused, 502, "desk_refused", 0},
	"ErrDeskUnavailable": {bridge.ErrDeskUnavailable, 503, "desk_unavailable", 10},
	// These stay within the bridge.
	"ErrTaken":  {bridge.ErrTaken, 500, "internal", 0},
	"ErrClosed": {bridge.ErrClosed, 500, "internal", 0},
	"ErrGone":   {bridge.ErrGone, 500, "internal", 0},
}

// spreads reports whether an answer's Retry-After is from so many seconds to twice
// that; there is none for 0.
func spreads(h http.Header, seconds int) bool {
	got := h.Get("Retry-After")
	if seconds == 0 {
		return got == ""
	}
	n, err := strconv.Atoi(got)
	return err == nil && seconds <= n && n <= 2*seconds
}

// TestRetryAfterSpreads: who were turned away together come back one by one.
func TestRetryAfterSpreads(t *testing.T) {
	server := newServer(t, config(t), &desk{err: bridge.ErrBusy})
	told := map[string]bool{}
	for range 200 {
		told[serve(server, request("POST", "/send/"+username, `{"msg":"hi"}`)).Header().Get("Retry-After")] = true
	}
	if len(told) != 6 {
		t.Errorf("200 callers were told %v, want all of 5 to 10", told)
	}
}

func TestErrors(t *testing.T) {
	for name, row := range errorRows {
		t.Run(name, func(t *testing.T) {
			d := &desk{err: fmt.Errorf("asking: %w", row.err)}
			w := serve(newServer(t, config(t), d), request("POST", "/send/"+username, `{"msg":"hi"}`))
			if w.Code != row.status || !spreads(w.Header(), row.retryAfter) {
				t.Fatalf("POST = %d, Retry-After %q, want %d, %d to twice that", w.Code, w.Header().Get("Retry-After"), row.status, row.retryAfter)
			}
			p := asProblem(t, w.Code, w.Header(), w.Body.Bytes())
			if p.Code != row.code {
				t.Errorf("code = %q, want %q", p.Code, row.code)
			}
			// The texts of these three are for the caller, all others are for the log.
			told := row.status == 400 || row.status == 409
			if strings.Contains(p.Detail, "asking: ") != told {
				t.Errorf("detail = %q, want the error's text: %v", p.Detail, told)
			}
		})
	}
}

// Whoever adds an error to the bridge decides here what callers are told of it.
func TestErrorsComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../bridge/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, name := range spec.Names {
			if _, listed := errorRows[name.Name]; name.IsExported() && !listed {
				t.Errorf("%s is not in the table", name.Name)
			} else if listed {
				found++
			}
		}
		return true
	})
	if found != len(errorRows) {
		t.Errorf("%d errors of the table are the bridge's, want %d", found, len(errorRows))
	}
}

// What became of a question outweighs why.
func TestUnsureOutweighsItsCause(t *testing.T) {
	d := &desk{err: errors.Join(bridge.ErrDeskUnavailable, bridge.ErrUnsure)}
	if w := serve(newServer(t, config(t), d), request("POST", "/send/"+username, `{"msg":"hi"}`)); w.Code != 504 {
		t.Errorf("POST = %d, want 504", w.Code)
	}
}

func TestUnknownErrorIsForTheLog(t *testing.T) {
	cfg := config(t)
	log := logTo(&cfg)
	w := serve(newServer(t, cfg, &desk{err: errors.New("secret detail")}), request("POST", "/send/"+username, `{"msg":"hi"}`))
	p := asProblem(t, w.Code, w.Header(), w.Body.Bytes())
	if w.Code != 500 || p.Code != "internal" || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("POST = %d %s, want 500 without detail", w.Code, w.Body)
	}
	if n := strings.Count(log.String(), "secret detail"); n != 1 || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("log = %s, want the detail once, as an error", log)
	}
}

// A panic is a bug to be logged with its stack, even if it was thrown with an
// error that has a row of its own.
func TestPanic(t *testing.T) {
	cfg := config(t)
	log := logTo(&cfg)
	d := &desk{do: func(context.Context, call) (bridge.Answer, error) { panic(bridge.ErrBusy) }}
	w := serve(newServer(t, cfg, d), request("POST", "/send/"+username, `{"msg":"hi"}`))
	if p := asProblem(t, w.Code, w.Header(), w.Body.Bytes()); w.Code != 500 || p.Code != "internal" {
		t.Errorf("POST = %d %s, want 500 internal", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "errors_test.go") {
		t.Errorf("log = %s, want the stack", log)
	}
}

// Other packages' handlers on the same echo answer with problem documents, too.
func TestErrorsOfOthers(t *testing.T) {
	rows := map[int]string{403: "forbidden", 413: "too_large", 503: "unavailable", 418: "other"}
	for status, code := range rows {
		e := newServer(t, config(t), &desk{})
		e.POST("/twilio/webhook", func(echo.Context) error {
			return fmt.Errorf("wrapped: %w", echo.NewHTTPError(status, "What is wrong."))
		})
		w := serve(e, request("POST", "/twilio/webhook", "x"))
		p := asProblem(t, w.Code, w.Header(), w.Body.Bytes())
		if w.Code != status || p.Code != code || p.Detail != "What is wrong." {
			t.Errorf("POST = %d %s, want %d %s", w.Code, w.Body, status, code)
		}
	}
}

// An error after the answer began is not written behind it.
func TestErrorAfterCommit(t *testing.T) {
	e := newServer(t, config(t), &desk{})
	e.GET("/half", func(c echo.Context) error {
		_ = c.String(http.StatusOK, "half")
		return errors.New("broken")
	})
	if w := serve(e, request("GET", "/half", "")); w.Code != 200 || w.Body.String() != "half" {
		t.Errorf("GET = %d %q, want 200 half", w.Code, w.Body)
	}
}
