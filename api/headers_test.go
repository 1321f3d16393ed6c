package api_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"flexbridge/api"
	"flexbridge/api/oidctest"
)

// Every answer has them: of each route, whoever registered it, and of none.
func TestSecureHeaders(t *testing.T) {
	p := oidctest.Start(t, audience)
	for publicURL, hsts := range map[string]string{public: "max-age=31536000", "http://127.0.0.1:5002": ""} {
		cfg := config(t)
		cfg.PublicURL, cfg.Auth = publicURL, oidc(t, p)
		e := newServer(t, cfg, &desk{answer: replied})
		e.POST("/twilio/webhook", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
		e.GET("/panic", func(echo.Context) error { panic("at the disco") })
		routes := e.Routes()
		if len(routes) < 20 {
			t.Fatalf("there are %d routes", len(routes))
		}
		routes = append(routes, &echo.Route{Method: "GET", Path: "/nothing"}, &echo.Route{Method: "DELETE", Path: "/"})
		for _, route := range routes {
			w := serve(e, request(route.Method, strings.ReplaceAll(route.Path, ":username", username), ""))
			want := map[string]string{
				"X-Content-Type-Options":       "nosniff",
				"Referrer-Policy":              "no-referrer",
				"X-Frame-Options":              "DENY",
				"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
				"Cross-Origin-Resource-Policy": "same-origin",
				"Strict-Transport-Security":    hsts,
				"Server":                       "",
				"X-Powered-By":                 "",
			}
			switch {
			case route.Path == "/logo.png" && route.Method != "OPTIONS":
				want["Cross-Origin-Resource-Policy"] = "cross-origin"
			case route.Path == "/legal" && route.Method == "GET":
				_, rest, _ := strings.Cut(w.Body.String(), "<style>")
				style, _, found := strings.Cut(rest, "</style>")
				sum := sha256.Sum256([]byte(style))
				want["Content-Security-Policy"] += "; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
				if !found || strings.Count(w.Body.String(), "<style") != 1 || strings.Contains(w.Body.String(), "style=") {
					t.Error("the legal page has styles that its policy forbids")
				}
			case route.Path == "/legal" && route.Method == "HEAD":
				want["Content-Security-Policy"] = w.Header().Get("Content-Security-Policy") // as GET
			}
			for name, value := range want {
				if got := w.Header().Values(name); strings.Join(got, "|") != value {
					t.Errorf("%s %s = %d with %s %q, want %q", route.Method, route.Path, w.Code, name, got, value)
				}
			}
		}
	}
}

// Tokens come from an issuer, and a client finds out from which (RFC 9728).
func TestProtectedResource(t *testing.T) {
	p := oidctest.Start(t, audience)
	cfg := config(t)
	cfg.Auth = oidc(t, p)
	e := newServer(t, cfg, &desk{})
	for path, resource := range map[string]string{
		"/.well-known/oauth-protected-resource":     public,
		"/.well-known/oauth-protected-resource/mcp": public + "/mcp",
	} {
		r := request("GET", path, "")
		r.Header.Set("Origin", "https://inspector.example.com")
		w := serve(e, r)
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 ||
			w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("GET %s = %d %v, want JSON for any origin", path, w.Code, w.Header())
		}
		servers, _ := got["authorization_servers"].([]any)
		methods, _ := got["bearer_methods_supported"].([]any)
		if len(got) != 3 || got["resource"] != resource || len(servers) != 1 || servers[0] != p.Issuer || len(methods) != 1 || methods[0] != "header" {
			t.Errorf("GET %s = %v, want %s and %s", path, got, resource, p.Issuer)
		}
		preflight := request("OPTIONS", path, "")
		preflight.Header.Set("Origin", "https://inspector.example.com")
		preflight.Header.Set("Access-Control-Request-Method", "GET")
		if w := serve(e, preflight); w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("OPTIONS %s = %d %v, want 204 for any origin", path, w.Code, w.Header())
		}
		for name, auth := range map[string]api.Auth{"none": api.NoAuth(), "bearer": bearer(t)} {
			cfg.Auth = auth
			if w := serve(newServer(t, cfg, &desk{}), request("GET", path, "")); w.Code != 404 {
				t.Errorf("GET %s with %s = %d, want 404", path, name, w.Code)
			}
		}
		cfg.Auth = oidc(t, p)
	}
}

// The challenge at each path names the document of the resource there.
func TestChallengeNamesTheResource(t *testing.T) {
	p := oidctest.Start(t, audience)
	cfg := config(t)
	cfg.Auth = oidc(t, p)
	a, err := api.New(cfg, &desk{})
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	a.Register(e)
	never := func(echo.Context) error { t.Error("it was let in"); return nil }
	for path, suffix := range map[string]string{"/mcp": "/mcp", "/mcp/x": "/mcp", "/mcpx": "", "/x/mcp": ""} {
		e.POST(path, never, a.Identify())
		w := serve(e, request("POST", path, "{}"))
		want := `Bearer realm="flexbridge", resource_metadata="` + public + `/.well-known/oauth-protected-resource` + suffix + `"`
		if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || got != want {
			t.Errorf("POST %s = %d, %q, want 401, %q", path, w.Code, got, want)
		}
	}
}
