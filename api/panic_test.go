package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"flexbridge/api"
	"flexbridge/bridge"
)

const bang = "secret of the panic"

type panicking struct{}

func (panicking) Spend(context.Context, string, int) (int, time.Duration, error) { panic(bang) }

func (panicking) Adopt(context.Context, string, string, time.Duration) (string, error) { panic(bang) }

func (panicking) File(context.Context, string) (bridge.File, error) { panic(bang) }

// A panic behind any door is an answer of 500, or a tool's error, that tells nothing;
// it has a stack in the log, and the next request is served.
func TestPanicAnywhere(t *testing.T) {
	tool := func(name string, arguments args) func(t *testing.T, url string) *http.Request {
		return func(t *testing.T, url string) *http.Request {
			return rpc(t, url, eras[0], "tools/call", args{"name": name, "arguments": arguments,
				"_meta": mcp.Meta{"openai/subject": "u", "openai/session": "s"}})
		}
	}
	plain := func(method, path, body string) func(t *testing.T, url string) *http.Request {
		return func(t *testing.T, url string) *http.Request {
			r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			return r
		}
	}
	token, _ := mcpConfig(t).Keys.FileToken(fileSID, time.Now().Add(time.Hour))
	asker := func(cfg *api.Config) {}
	limiter := func(cfg *api.Config) { cfg.Limiter, cfg.QuestionsPerCaller = panicking{}, 10 }
	auth := func(cfg *api.Config) {
		cfg.Auth = api.AuthBy(func(*http.Request) (string, []string) { panic(bang) })
	}
	for name, row := range map[string]struct {
		breaks  func(*api.Config)
		request func(t *testing.T, url string) *http.Request
	}{
		"send":               {asker, plain("POST", "/send/"+username, `{"msg":"hi"}`)},
		"replies":            {asker, plain("GET", "/replies/"+username, "")},
		"end":                {asker, plain("POST", "/end/"+username, "")},
		"ask_agent":          {asker, tool("ask_agent", args{"message": "hi"})},
		"send, counting":     {limiter, plain("POST", "/send/"+username, `{"msg":"hi"}`)},
		"ask_agent, counted": {limiter, tool("ask_agent", args{"message": "hi"})},
		"ask_agent, adopted": {func(cfg *api.Config) { cfg.MCP.Adopter = panicking{} }, tool("ask_agent", args{"message": "hi"})},
		"who sends":          {auth, plain("POST", "/send/"+username, `{"msg":"hi"}`)},
		"who calls a tool":   {auth, tool("ask_agent", args{"message": "hi"})},
		"a file":             {func(cfg *api.Config) { cfg.Files, cfg.LinkLife = panicking{}, time.Hour }, plain("GET", "/media/"+token, "")},
		"readiness":          {func(cfg *api.Config) { cfg.Ready = func(context.Context) error { panic(bang) } }, plain("GET", "/readyz", "")},
		"another's route":    {asker, plain("POST", "/twilio/webhook", "")},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := mcpConfig(t)
			log := logTo(&cfg)
			row.breaks(&cfg)
			server := serveHTTP(t, cfg, &desk{do: func(context.Context, call) (bridge.Answer, error) { panic(bang) }})
			server.Config.Handler.(*echo.Echo).POST("/twilio/webhook", func(echo.Context) error { panic(bang) })
			response, err := server.Client().Do(row.request(t, server.URL))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			isTool := response.Header.Get("Content-Type") == "text/event-stream"
			if err != nil || strings.Contains(string(body), bang) || !strings.Contains(string(body), "Something went wrong on this side") ||
				!isTool && response.StatusCode != http.StatusInternalServerError {
				t.Errorf("= %d %s, %v, want an internal error that tells nothing", response.StatusCode, body, err)
			}
			if !isTool {
				if p := asProblem(t, response.StatusCode, response.Header, body); p.Code != "internal" {
					t.Errorf("code = %s, want internal", p.Code)
				}
			}
			alive, err := server.Client().Get(server.URL + "/livez")
			if err != nil || alive.StatusCode != http.StatusOK {
				t.Fatalf("after that, GET /livez = %v, %v", alive, err)
			}
			alive.Body.Close()
			server.Close()
			if !strings.Contains(log.String(), "panic_test.go") || !strings.Contains(log.String(), "level=ERROR") {
				t.Errorf("log = %s, want the stack", log)
			}
		})
	}
}

// A file whose source panics in the middle is cut, so that nobody takes it for whole.
func TestPanicInTheMiddleOfAFile(t *testing.T) {
	cfg := mcpConfig(t)
	log := logTo(&cfg)
	cfg.LinkLife = time.Hour
	cfg.Files = &shelf{file: bridge.Media{Type: "image/png", Size: 1 << 20}, content: func(context.Context) io.Reader {
		return io.MultiReader(madeUp(1<<19), readerFunc(func([]byte) (int, error) { panic(bang) }))
	}}
	token, _ := cfg.Keys.FileToken(fileSID, time.Now().Add(time.Hour))
	server := serveHTTP(t, cfg, &desk{})
	for range 100 { // more than there are places
		response, err := server.Client().Get(server.URL + "/media/" + token)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, response.Body); response.StatusCode != http.StatusOK || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("GET = %d, %d bytes, %v, want it cut", response.StatusCode, n, err)
		}
		response.Body.Close()
	}
	server.Close()
	if !strings.Contains(log.String(), "panic_test.go") || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("log = %.2000s, want the stack", log)
	}
}
