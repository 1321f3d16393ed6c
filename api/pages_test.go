package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"flexbridge/api"
	"flexbridge/api/oidctest"
	"flexbridge/bridge"
)

// mode is a configuration of who may call, and what who may sends.
type mode struct {
	api.Config
	authorization string
}

func modes(t testing.TB) map[string]mode {
	t.Helper()
	p := oidctest.Start(t, audience)
	all := map[string]mode{"none": {}, "bearer": {authorization: "Bearer " + keyText}, "oidc": {authorization: "Bearer " + p.Token(t, "ana")}}
	for name, auth := range map[string]api.Auth{"none": api.NoAuth(), "bearer": bearer(t), "oidc": oidc(t, p)} {
		m := all[name]
		m.Config = config(t)
		m.Auth = auth
		all[name] = m
	}
	return all
}

// exampleIssuer stands in golden files for the provider of the test.
const exampleIssuer = "https://login.example.com"

var anyPort = regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+`)

// The limits are those of version v1: OpenAI's "Getting started" for plugins, of 2023.
func TestManifest(t *testing.T) {
	for mode, m := range modes(t) {
		t.Run(mode, func(t *testing.T) {
			w := serve(newServer(t, m.Config, &desk{}), request("GET", "/.well-known/ai-plugin.json", ""))
			if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("GET = %d %v, want 200 and JSON", w.Code, w.Header())
			}
			compare(t, "ai-plugin_"+mode+".json", anyPort.ReplaceAllString(w.Body.String(), exampleIssuer)+"\n")
			var got map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			for field, limit := range map[string]int{
				"name_for_model": 50, "name_for_human": 20, "description_for_human": 100, "description_for_model": 8000,
			} {
				if n := utf8.RuneCountInString(got[field].(string)); n == 0 || n > limit {
					t.Errorf("%s has %d characters, want 1 to %d", field, n, limit)
				}
			}
			if name := got["name_for_model"].(string); !regexp.MustCompile(`^[A-Za-z0-9]+$`).MatchString(name) {
				t.Errorf("name_for_model = %q, want letters and digits", name)
			}
			if named := strings.Contains(got["description_for_model"].(string), "username"); named != (mode != "oidc") {
				t.Errorf("description_for_model speaks of usernames: %v", named)
			}
		})
	}
}

func TestPages(t *testing.T) {
	e := newServer(t, config(t), &desk{})
	for path, contentType := range map[string]string{
		"/": "application/yaml", "/openapi.yaml": "application/yaml", "/.well-known/ai-plugin.json": "application/json",
		"/logo.png": "image/png", "/legal": "text/html; charset=UTF-8", "/livez": "text/plain; charset=UTF-8", "/readyz": "text/plain; charset=UTF-8",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			w := serve(e, request(method, path, ""))
			if w.Code != 200 || w.Header().Get("Content-Type") != contentType || w.Body.Len() == 0 {
				t.Errorf("%s %s = %d %v, want 200 and %s", method, path, w.Code, w.Header(), contentType)
			}
		}
	}
	if a, b := serve(e, request("GET", "/", "")), serve(e, request("GET", "/openapi.yaml", "")); a.Body.String() != b.Body.String() {
		t.Error("/ and /openapi.yaml differ")
	}
}

func TestLogo(t *testing.T) {
	w := serve(newServer(t, config(t), &desk{}), request("GET", "/logo.png", ""))
	size := w.Body.Len()
	logo, err := png.Decode(bytes.NewReader(w.Body.Bytes()))
	if err != nil || logo.Bounds().Dx() != 512 || logo.Bounds().Dy() != 512 || size > 30_000 {
		t.Errorf("logo = %v, %d bytes, %v, want 512x512 below 30000", logo.Bounds(), size, err)
	}
}

func TestLegal(t *testing.T) {
	cfg := config(t)
	cfg.Contact = `"<b>"@example.com`
	w := serve(newServer(t, cfg, &desk{}), request("GET", "/legal", ""))
	if !strings.Contains(w.Body.String(), "&lt;b&gt;") || strings.Contains(w.Body.String(), "<b>") {
		t.Errorf("GET = %s, want the contact, escaped", w.Body)
	}
	cfg.Contact = ""
	if w := serve(newServer(t, cfg, &desk{}), request("GET", "/legal", "")); strings.Contains(w.Body.String(), "mailto") {
		t.Errorf("GET = %s, want no address", w.Body)
	}
}

func TestCORS(t *testing.T) {
	e := newServer(t, config(t), &desk{answer: replied})
	for origin, allowed := range map[string]bool{
		"https://chat.openai.com": true, "https://chatgpt.com": true,
		"http://chatgpt.com": false, "https://chatgpt.com.evil.example": false, "https://x.chatgpt.com": false,
		"https://chatgptxcom": false, "null": false, "": false,
	} {
		for _, path := range []string{"/", "/.well-known/ai-plugin.json", "/send/" + username, "/replies/" + username, "/end/" + username} {
			preflight := request("OPTIONS", path, "")
			preflight.Header.Set("Origin", origin)
			preflight.Header.Set("Access-Control-Request-Method", "POST")
			preflight.Header.Set("Access-Control-Request-Headers", "content-type")
			w := serve(e, preflight)
			want := ""
			if allowed {
				want = origin
			}
			if w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Origin") != want {
				t.Errorf("OPTIONS %s from %q = %d %v, want 204 for %q", path, origin, w.Code, w.Header(), want)
			}
			if headers := w.Header().Get("Access-Control-Allow-Headers"); allowed &&
				headers != "Content-Type,Authorization,openai-conversation-id,openai-ephemeral-user-id" {
				t.Errorf("OPTIONS %s allows the headers %q", path, headers)
			}
		}
		// An error is readable there, too.
		r := request("POST", "/send/"+username, "{}")
		r.Header.Set("Origin", origin)
		if w := serve(e, r); (w.Header().Get("Access-Control-Allow-Origin") == origin) != allowed && origin != "" {
			t.Errorf("POST from %q = %v, allowed %v", origin, w.Header(), allowed)
		}
	}
}

// Each route says which pages may read it; to none are a browser's own credentials
// sent along, and what has no business with pages says nothing.
func TestCORSOfEachRoute(t *testing.T) {
	const (
		chatGPT, claude, ours, evil = "https://chatgpt.com", "https://claude.ai", public, "https://evil.example.com"
	)
	assistants := map[string]string{chatGPT: chatGPT}
	allowed := func(path string) map[string]string {
		switch {
		case path == "/mcp":
			return map[string]string{chatGPT: chatGPT, claude: claude, ours: ours}
		case strings.HasPrefix(path, "/.well-known/oauth-protected-resource"):
			return map[string]string{chatGPT: "*", claude: "*", ours: "*", evil: "*", "null": "*"}
		case path == "/livez" || path == "/readyz" || path == "/twilio/webhook" || path == "/nothing":
			return nil
		default:
			return assistants
		}
	}
	cfg := config(t)
	cfg.Auth, cfg.Files, cfg.LinkLife, cfg.MCP.Challenge = oidc(t, oidctest.Start(t, audience)), &shelf{}, time.Hour, "challenge"
	e := newServer(t, cfg, &desk{answer: replied})
	e.Any("/twilio/webhook", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
	paths := map[string]bool{"/nothing": true}
	for _, route := range e.Routes() {
		paths[route.Path] = true
	}
	if len(paths) < 19 {
		t.Fatalf("there are %d paths: %v", len(paths), paths)
	}
	for path := range paths {
		target := strings.NewReplacer(":username", username, ":token", "x").Replace(path)
		for _, origin := range []string{chatGPT, claude, ours, evil, "null"} {
			for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS"} {
				r := request(method, target, "")
				r.Header.Set("Origin", origin)
				if method == "OPTIONS" {
					r.Header.Set("Access-Control-Request-Method", "POST")
				}
				w := serve(e, r)
				got, want := w.Header().Get("Access-Control-Allow-Origin"), allowed(path)[origin]
				// Where the method is not served nothing has to be said.
				if got != want && !(w.Code == http.StatusMethodNotAllowed && got == "") {
					t.Errorf("%s %s from %s = %d, allowed to %q, want %q", method, target, origin, w.Code, got, want)
				}
				if got := w.Header().Get("Access-Control-Allow-Credentials"); got != "" {
					t.Errorf("%s %s from %s allows credentials: %q", method, target, origin, got)
				}
				if got != "" && got != "*" && !strings.Contains(w.Header().Get("Vary"), "Origin") {
					t.Errorf("%s %s from %s: Vary = %q, want Origin", method, target, origin, w.Header().Get("Vary"))
				}
			}
		}
	}
}

func TestReady(t *testing.T) {
	rows := map[string]struct {
		err  error
		code string
	}{
		"draining": {fmt.Errorf("stopping: %w", bridge.ErrDraining), "draining"},
		"mailbox":  {fmt.Errorf("asking: %w", bridge.ErrMailbox), "mailbox_unavailable"},
		"unknown":  {errors.New("secret detail"), "not_ready"},
		"no 503":   {bridge.ErrDeskRefused, "not_ready"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			cfg.Ready = func(context.Context) error { return row.err }
			a, err := api.New(cfg, &desk{})
			if err != nil {
				t.Fatal(err)
			}
			e := echo.New() // the operators' listener has nothing else of ours
			a.RegisterHealth(e)
			w := serve(e, request("GET", "/readyz", ""))
			p := asProblem(t, w.Code, w.Header(), w.Body.Bytes())
			if w.Code != 503 || p.Code != row.code || strings.Contains(p.Detail, "secret") {
				t.Errorf("GET /readyz = %d %+v, want 503 %s", w.Code, p, row.code)
			}
			if w := serve(e, request("GET", "/livez", "")); w.Code != 200 {
				t.Errorf("GET /livez = %d, want 200", w.Code)
			}
		})
	}
}

// One line for each exchange, with neither text nor username.
func TestLog(t *testing.T) {
	ofCH1 := replied
	ofCH1.Conversation = "CH1"
	rows := map[string]struct {
		request *http.Request
		desk    *desk
		want    string
	}{
		"answer": {request("POST", "/send/"+username, `{"msg":"topsecret"}`), &desk{answer: ofCH1},
			"level=INFO msg=exchange method=POST route=/send/:username wait=TIME customer=HASH messages=2 conversation=CH1 status=200 outcome=replied"},
		"refusal": {request("POST", "/send/"+username, `{"topsecret":"topsecret"}`), &desk{},
			"level=INFO msg=exchange method=POST route=/send/:username wait=TIME customer=HASH status=400 outcome=invalid"},
		"unavailable": {request("GET", "/replies/"+username, ""), &desk{err: fmt.Errorf("reading: %w", bridge.ErrMailbox)},
			`level=WARN msg=exchange method=GET route=/replies/:username wait=TIME customer=HASH err="reading: the mailbox cannot be used now" status=503 outcome=mailbox_unavailable`},
		"no such path": {request("GET", "/topsecret", ""), &desk{},
			`level=INFO msg=exchange method=GET route="" wait=TIME status=404 outcome=not_found`},
		"health": {request("GET", "/livez", ""), &desk{},
			`level=DEBUG msg=exchange method=GET route=/livez wait=TIME status=200 outcome=""`},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			log := logTo(&cfg)
			serve(newServer(t, cfg, row.desk), row.request)
			line := regexp.MustCompile(`time=\S+ `).ReplaceAllString(log.String(), "")
			line = regexp.MustCompile(`wait=\S+`).ReplaceAllString(line, "wait=TIME")
			line = regexp.MustCompile(`customer=[0-9a-f]{8} `).ReplaceAllString(line, "customer=HASH ")
			if line != row.want+"\n" {
				t.Errorf("log = %s, want %s", line, row.want)
			}
		})
	}
}
