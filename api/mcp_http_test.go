package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"flexbridge/api"
	"flexbridge/bridge"
)

func TestMCPOrigin(t *testing.T) {
	rows := map[string]struct {
		origin string
		want   int
	}{
		"none":                     {"", 200},
		"our own":                  {public, 200},
		"our own without TLS":      {"http://bridge.example.com", 403},
		"our own at another port":  {"https://bridge.example.com:5002", 403},
		"ChatGPT":                  {"https://chatgpt.com", 200},
		"ChatGPT's old address":    {"https://chat.openai.com", 200},
		"Claude":                   {"https://claude.ai", 200},
		"one that is configured":   {"https://chat.example.com:8443", 200},
		"another":                  {"https://evil.example.com", 403},
		"ChatGPT without TLS":      {"http://chatgpt.com", 403},
		"a name that begins alike": {"https://chatgpt.com.evil.example.com", 403},
		"null":                     {"null", 403},
	}
	for name, row := range rows {
		cfg := config(t)
		cfg.MCP.Origins = []string{"https://chat.example.com:8443"}
		e := newServer(t, cfg, &desk{answer: replied})
		r := rpc(t, public, eras[1], "tools/list", args{})
		if row.origin != "" {
			r.Header.Set("Origin", row.origin)
		}
		w := serve(e, r)
		if w.Code != row.want {
			t.Errorf("%s: POST = %d %s, want %d", name, w.Code, w.Body, row.want)
		}
		if row.want == 403 {
			if p := asProblem(t, w.Code, w.Header(), w.Body.Bytes()); p.Code != "forbidden" {
				t.Errorf("%s: code = %s, want forbidden", name, p.Code)
			}
		} else if got := w.Header().Get("Access-Control-Allow-Origin"); got != row.origin {
			t.Errorf("%s: Access-Control-Allow-Origin = %q", name, got)
		}

		r = httptest.NewRequest(http.MethodOptions, "/mcp", nil)
		r.Header.Set("Access-Control-Request-Method", "POST")
		if row.origin == "" {
			continue
		}
		r.Header.Set("Origin", row.origin)
		w = serve(e, r)
		if allowed := w.Code == http.StatusNoContent; allowed != (row.want == 200) {
			t.Errorf("%s: preflight = %d", name, w.Code)
		}
		if row.want == 200 && !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "Mcp-Protocol-Version") {
			t.Errorf("%s: preflight allows %q", name, w.Header().Get("Access-Control-Allow-Headers"))
		}
	}
}

// A service of this machine is called by its names only; one behind a proxy by
// whatever name the proxy uses.
func TestMCPHost(t *testing.T) {
	rows := []struct {
		public, host string
		want         int
	}{
		{"http://localhost:5002", "localhost:5002", 200},
		{"http://localhost:5002", "127.0.0.1:5002", 200},
		{"http://localhost:5002", "[::1]:5002", 200},
		{"http://127.0.0.1:5002", "localhost", 200},
		{"http://[::1]:5002", "[::1]", 200},
		{"http://localhost:5002", "evil.example.com:5002", 403},
		{"http://127.0.0.1:5002", "localhost.example.com", 403},
		{"http://[::1]:5002", "", 403},
		{public, "bridge.example.com", 200},
		{public, "backend.internal:5002", 200},
	}
	for _, row := range rows {
		cfg := config(t)
		cfg.PublicURL = row.public
		r := rpc(t, public, eras[1], "tools/list", args{})
		r.Host = row.host
		// As a proxy on the same machine calls.
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5002}))
		if w := serve(newServer(t, cfg, &desk{}), r); w.Code != row.want {
			t.Errorf("%s called as %q = %d %s, want %d", row.public, row.host, w.Code, w.Body, row.want)
		}
	}
}

// There is no stream to get and no session to delete.
func TestMCPMethods(t *testing.T) {
	for _, method := range []string{"GET", "DELETE", "PUT"} {
		w := serve(newServer(t, config(t), &desk{}), request(method, "/mcp", ""))
		if p := asProblem(t, w.Code, w.Header(), w.Body.Bytes()); w.Code != 405 || p.Code != "method_not_allowed" || !strings.Contains(w.Header().Get("Allow"), "POST") {
			t.Errorf("%s = %d %v, want 405 and POST", method, w.Code, w.Header())
		}
	}
}

func TestMCPBodyTooLarge(t *testing.T) {
	r := rpc(t, public, eras[1], "tools/call", args{"name": "ask_agent", "arguments": args{"message": strings.Repeat("x", api.MaxRequest)}})
	w := serve(newServer(t, config(t), &desk{}), r)
	if p := asProblem(t, w.Code, w.Header(), w.Body.Bytes()); w.Code != 413 || p.Code != "too_large" {
		t.Errorf("POST = %d %s, want 413 too_large", w.Code, w.Body)
	}
}

func TestMCPBodyNeverEnds(t *testing.T) {
	cfg := mcpConfig(t)
	cfg.BodyTimeout = 30 * time.Millisecond
	server := serveHTTP(t, cfg, &desk{})
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	if p := asProblem(t, response.StatusCode, response.Header, body); p.Code != "body_timeout" {
		t.Errorf("POST = %d %s, want body_timeout", response.StatusCode, body)
	}
}

func TestMCPChallenge(t *testing.T) {
	cfg := config(t)
	const path = "/.well-known/openai-apps-challenge"
	if w := serve(newServer(t, cfg, &desk{}), request("GET", path, "")); w.Code != 404 {
		t.Errorf("GET = %d without a challenge, want 404", w.Code)
	}
	cfg.MCP.Challenge = "abc_123-~"
	w := serve(newServer(t, cfg, &desk{}), request("GET", path, ""))
	if w.Code != 200 || w.Body.String() != "abc_123-~" || w.Header().Get("Content-Type") != "text/plain" {
		t.Errorf("GET = %d %q %v, want the token as text", w.Code, w.Body, w.Header())
	}
}

// waiting is a desk at which nobody answers until release, and whose calls end
// with their context.
func waiting() (d *desk, entered chan struct{}, ended chan error, release chan bridge.Answer) {
	entered, ended, release = make(chan struct{}, 10), make(chan error, 10), make(chan bridge.Answer)
	d = &desk{do: func(ctx context.Context, _ call) (bridge.Answer, error) {
		entered <- struct{}{}
		select {
		case a := <-release:
			ended <- nil
			return a, nil
		case <-ctx.Done():
			cause := context.Cause(ctx)
			ended <- cause
			if errors.Is(cause, bridge.ErrDraining) {
				return bridge.Answer{Status: bridge.Pending, Cursor: cursor}, nil
			}
			return bridge.Answer{}, cause
		}
	}}
	return d, entered, ended, release
}

// A client that hangs up ends the wait, whatever revision it speaks, and its answer
// is not taken for told.
func TestMCPDisconnect(t *testing.T) {
	eachEra(t, func(t *testing.T, era string) {
		cfg := mcpConfig(t)
		log := logTo(&cfg)
		d, entered, ended, _ := waiting()
		server := serveHTTP(t, cfg, d)
		ctx, hangUp := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		r := rpc(t, server.URL, era, "tools/call", args{"name": "ask_agent", "arguments": args{"message": "hi"}}).WithContext(ctx)
		go func() {
			response, err := server.Client().Do(r)
			if err == nil {
				_, err = io.ReadAll(response.Body)
				response.Body.Close()
			}
			gone <- err
		}()
		<-entered
		hangUp()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("the client got %v, want to have hung up", err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the wait ended with %v, want the caller to have left", err)
		}
		server.Close()
		if !strings.Contains(log.String(), "outcome=caller_left") || strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("log = %s, want that the caller left and no error", log)
		}
	})
}

// A process that drains answers pending, in both eras.
func TestMCPDrain(t *testing.T) {
	eachEra(t, func(t *testing.T, era string) {
		d, entered, _, _ := waiting()
		waits, drain := context.WithCancelCause(context.Background())
		server := listen(t, mcpConfig(t), d, func(s *http.Server) {
			s.BaseContext = func(net.Listener) context.Context { return waits }
		})
		session := connect(t, server, era, nil)
		got := make(chan toolAnswer, 1)
		go func() { got <- callTool(t, session, "ask_agent", args{"message": "hi"}) }()
		<-entered
		drain(bridge.ErrDraining)
		if a := <-got; a.failed || a.Status != "pending" || a.Cursor != cursor.String() {
			t.Errorf("ask_agent = %+v, want pending", a)
		}
	})
}

// A wait that outlives the server's limits gives signs of life, of which the
// first comes before any client or proxy has lost its patience.
func TestMCPSignsOfLife(t *testing.T) {
	eachEra(t, func(t *testing.T, era string) {
		cfg := mcpConfig(t)
		cfg.MCP.KeepAlive = 20 * time.Millisecond
		d, _, _, release := waiting()
		server := listen(t, cfg, d, func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond })
		response, err := server.Client().Do(rpc(t, server.URL, era, "tools/call", args{"name": "ask_agent", "arguments": args{"message": "hi"}}))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		h := response.Header
		if response.StatusCode != 200 || h.Get("Content-Type") != "text/event-stream" || h.Get("X-Accel-Buffering") != "no" ||
			h.Get("Cache-Control") != "no-store, no-transform" {
			t.Errorf("POST = %d %v, want an event stream that nobody keeps", response.StatusCode, h)
		}
		lines := bufio.NewScanner(response.Body)
		comments := 0
		for lines.Scan() {
			switch line := lines.Text(); {
			case line == ": waiting":
				if comments++; comments == 10 {
					release <- replied
				}
			case strings.HasPrefix(line, "data: "):
				if comments < 10 || !strings.Contains(line, `"status":"replied"`) {
					t.Errorf("after %d comments came %s", comments, line)
				}
			case line != "" && line != "event: message":
				t.Errorf("the stream has %q", line)
			}
		}
		if lines.Err() != nil || comments < 10 {
			t.Errorf("%d comments, and then %v", comments, lines.Err())
		}
	})
}

// Who asks for progress is told of it, with values that rise, and clients take the
// comments between.
func TestMCPProgress(t *testing.T) {
	eachEra(t, func(t *testing.T, era string) {
		cfg := mcpConfig(t)
		cfg.MCP.KeepAlive = 10 * time.Millisecond
		d, _, _, release := waiting()
		progress := make(chan *mcp.ProgressNotificationParams, 100)
		session := connect(t, serveHTTP(t, cfg, d), era, &mcp.ClientOptions{
			ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) { progress <- r.Params },
		})
		got := make(chan toolAnswer, 1)
		go func() {
			got <- callTool(t, session, "ask_agent", args{"message": "hi"}, mcp.Meta{"progressToken": "p"})
		}()
		last := 0.0
		for range 3 {
			p := <-progress
			if p.ProgressToken != "p" || p.Progress <= last || p.Total != 50 {
				t.Errorf("progress = %+v after %v, want more of 50", p, last)
			}
			last = p.Progress
		}
		release <- replied
		if a := <-got; a.Status != "replied" {
			t.Errorf("ask_agent = %+v, want replied", a)
		}
	})
}

// An answer counts as written when it was written, as in plain HTTP.
func TestMCPWritten(t *testing.T) {
	draining, drain := context.WithCancelCause(t.Context())
	drain(bridge.ErrDraining)
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, era := range eras {
		inHand, hangUp := context.WithCancel(t.Context())
		defer hangUp()
		rows := map[string]struct {
			ctx  context.Context
			w    http.ResponseWriter
			want bool
		}{
			"written":       {t.Context(), httptest.NewRecorder(), true},
			"draining":      {draining, httptest.NewRecorder(), true},
			"caller left":   {gone, httptest.NewRecorder(), false},
			"hung up after": {inHand, &broken{ResponseRecorder: httptest.NewRecorder(), written: hangUp}, true},
			"write failed":  {t.Context(), &broken{ResponseRecorder: httptest.NewRecorder(), write: errors.New("broken pipe")}, false},
			"flush failed":  {t.Context(), &broken{ResponseRecorder: httptest.NewRecorder(), flush: errors.New("broken pipe")}, false},
			"without flush": {t.Context(), struct{ http.ResponseWriter }{httptest.NewRecorder()}, true},
		}
		for name, row := range rows {
			t.Run(name+" "+era, func(t *testing.T) {
				written := false
				d := &desk{answer: onWritten(replied, func() { written = true })}
				r := rpc(t, "http://localhost", era, "tools/call", args{"name": "ask_agent", "arguments": args{"message": "hi"}})
				newServer(t, mcpConfig(t), d).ServeHTTP(row.w, r.WithContext(row.ctx))
				if written != row.want {
					t.Errorf("Written was called: %v, want %v", written, row.want)
				}
			})
		}
	}
}

// Old clients may send several calls in one request; each has its own answer.
func TestMCPBatch(t *testing.T) {
	server := serveHTTP(t, mcpConfig(t), &desk{answer: replied})
	one := `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"ask_agent","arguments":{"message":"hi"}}}`
	r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/mcp", strings.NewReader("["+fmt.Sprintf(one, 1)+","+fmt.Sprintf(one, 2)+"]"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || strings.Count(string(body), `"status":"replied"`) != 2 || !strings.Contains(string(body), `"id":1`) || !strings.Contains(string(body), `"id":2`) {
		t.Errorf("POST = %s, %v, want two answers", body, err)
	}
}

// A batch is as long as some client may need, and no longer: each message of it costs
// more the more of them there are.
func TestMCPBatchTooLong(t *testing.T) {
	e := newServer(t, mcpConfig(t), &desk{})
	for n, want := range map[int]int{1: 200, 16: 200, 17: 400, 2000: 400} {
		body := "\r\n [" + strings.Repeat(`{"jsonrpc":"2.0","id":1,"method":"ping"},`, n-1) + `{"jsonrpc":"2.0","id":2,"method":"ping"}]`
		r := request("POST", "/mcp", body)
		r.Host = "localhost"
		r.Header.Set("Accept", "application/json, text/event-stream")
		w := serve(e, r)
		if w.Code != want {
			t.Errorf("POST of %d messages = %d %.300s, want %d", n, w.Code, w.Body, want)
		}
		if want == 400 {
			if p := asProblem(t, w.Code, w.Header(), w.Body.Bytes()); p.Code != "invalid" || !strings.Contains(p.Detail, "at most 16") {
				t.Errorf("POST of %d messages = %s, want what is allowed", n, w.Body)
			}
		}
	}
}

// A subscription has nothing to tell, so it does not hold a connection.
func TestMCPListenEnds(t *testing.T) {
	server := serveHTTP(t, mcpConfig(t), &desk{})
	response, err := server.Client().Do(rpc(t, server.URL, eras[0], "subscriptions/listen", args{"notifications": args{"toolsListChanged": true}}))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(body), `"id":7`) {
		t.Errorf("subscriptions/listen = %s, %v, want its end", body, err)
	}
}

// Whatever is sent gets some answer, and the next request is served.
func TestMCPOddRequests(t *testing.T) {
	const tool = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":`
	rows := map[string]string{
		"nothing":                 ``,
		"null":                    `null`,
		"no object":               `7`,
		"an empty batch":          `[]`,
		"a batch of nothing":      `[null,null]`,
		"an empty object":         `{}`,
		"no method":               `{"jsonrpc":"2.0","id":1}`,
		"unknown method":          `{"jsonrpc":"2.0","id":1,"method":"x/y"}`,
		"no params":               `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`,
		"null params":             tool + `null}`,
		"params of a list":        tool + `[]}`,
		"no name":                 tool + `{}}`,
		"unknown tool":            tool + `{"name":"x"}}`,
		"null arguments":          tool + `{"name":"ask_agent","arguments":null}}`,
		"arguments of a list":     tool + `{"name":"ask_agent","arguments":[]}}`,
		"arguments of a text":     tool + `{"name":"ask_agent","arguments":"x"}}`,
		"an odd token":            tool + `{"name":"ask_agent","arguments":{"message":"hi"},"_meta":{"progressToken":{"a":[1]}}}}`,
		"meta of a list":          tool + `{"name":"ask_agent","arguments":{"message":"hi"},"_meta":[]}}`,
		"an argument twice":       tool + `{"name":"ask_agent","arguments":{"message":"hi","message":"ho"}}}`,
		"deep arguments":          tool + `{"name":"ask_agent","arguments":{"message":` + strings.Repeat("[", 40_000) + strings.Repeat("]", 40_000) + `}}}`,
		"deep meta":               tool + `{"name":"ask_agent","arguments":{"message":"hi"},"_meta":{"a":` + strings.Repeat(`{"a":`, 12_000) + `1` + strings.Repeat("}", 12_000) + `}}}`,
		"a response":              `{"jsonrpc":"2.0","id":1,"result":{}}`,
		"a cancellation":          `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`,
		"a new level of the log":  `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"debug"}}`,
		"a completion of nothing": `{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{}}`,
		"not UTF-8":               tool + "{\"name\":\"ask_agent\",\"arguments\":{\"message\":\"caf\xe9\"}}}",
	}
	cfg := mcpConfig(t)
	cfg.MCP.KeepAlive = time.Millisecond
	log := logTo(&cfg)
	d := &desk{do: func(context.Context, call) (bridge.Answer, error) {
		<-time.After(10 * time.Millisecond)
		return replied, nil
	}}
	server := serveHTTP(t, cfg, d)
	for name, body := range rows {
		for _, era := range append(eras, "", "2099-01-01", "x") {
			r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/mcp", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", "application/json, text/event-stream")
			if era != "" {
				r.Header.Set("Mcp-Protocol-Version", era)
			}
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatalf("%s, %q: %v", name, era, err)
			}
			if _, err := io.ReadAll(response.Body); err != nil || response.StatusCode >= 500 {
				t.Errorf("%s, %q: %d, %v", name, era, response.StatusCode, err)
			}
			response.Body.Close()
		}
	}
	if len(d.calls) == 0 {
		t.Error("nobody was asked, though some of them ask")
	}
	for _, c := range d.calls {
		if c.question.Text != "hi" {
			t.Errorf("asked %q", c.question.Text)
		}
	}
	server.Close()
	if strings.Contains(log.String(), "panic") {
		t.Errorf("something panicked: %s", log)
	}
}
