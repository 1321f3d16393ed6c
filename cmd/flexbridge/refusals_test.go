package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"flexbridge/api/oidctest"
	"flexbridge/bridge"
	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

// Who may not call is told so, and nothing else, whatever else is wrong here: with
// Redis away, Twilio failing, and a process that stops.
func TestRefusalsDoNotDependOnWhatIsBehind(t *testing.T) {
	redis := storetest.StartRedis(t)
	w := newWorld(t, redis, flexsim.Config{})
	p := oidctest.Start(t, "flexbridge")
	modes := map[string]struct {
		good    string
		replica *replica
	}{
		"bearer": {"Bearer " + shopKey, w.start(nil, func(c *Config) {
			c.AuthMode, c.APIKeys, c.QuestionsPerCustomer = "bearer", Secret("shop:"+shopKey), 10
		})},
		"oidc": {"Bearer " + p.Token(t, "ana"), w.start(nil, func(c *Config) {
			c.AuthMode, c.OIDCIssuer, c.OIDCAudience, c.QuestionsPerCustomer = "oidc", p.Issuer, "flexbridge", 10
		})},
	}
	drained, drain := context.WithCancelCause(t.Context())
	drain(bridge.ErrDraining)
	try := func(ctx context.Context, what string) {
		t.Helper()
		for mode, m := range modes {
			for path, body := range map[string]string{
				"POST /send/": `{"msg":"let me in"}`, "GET /replies/": "", "POST /end/": "",
				"POST /mcp": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask_agent","arguments":{"message":"let me in"}}}`,
			} {
				for authorization, code := range map[string]string{"": "unauthenticated", "Bearer " + strings.Repeat("x", 40): "invalid_token", m.good: ""} {
					method, target, _ := strings.Cut(path, " ")
					if target != "/mcp" {
						target += username("one")
					}
					req := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
					req.Host = "localhost"
					req.Header.Set("Content-Type", "application/json")
					req.Header.Set("Accept", "application/json, text/event-stream")
					req.Header.Set("Authorization", authorization)
					got := httptest.NewRecorder()
					m.replica.echo.ServeHTTP(got, req)
					if code == "" {
						if text := got.Body.String(); got.Code == http.StatusUnauthorized || got.Code == http.StatusInternalServerError || strings.Contains(text, "Error internal") {
							t.Errorf("%s, %s: %s with the right credentials = %d %s, want what is wrong", what, mode, path, got.Code, text)
						}
						continue
					}
					if got.Code != http.StatusUnauthorized || !strings.Contains(got.Body.String(), `"code":"`+code+`"`) || got.Header().Get("WWW-Authenticate") == "" {
						t.Errorf("%s, %s: %s with %.10q = %d %s, want 401 %s", what, mode, path, authorization, got.Code, got.Body, code)
					}
				}
			}
		}
	}
	redis.Kill()
	try(t.Context(), "without Redis")
	redis.Restart(true)
	try(drained, "draining")
	before := w.twilio.Count()
	w.twilio.Break(flexsim.AnyOp, -1, flexsim.Fault{Status: http.StatusServiceUnavailable})
	for _, m := range modes {
		if got := (visitor{m.replica, "/" + username("two"), ""}).send(t.Context(), "let me in", ""); got.HTTP != http.StatusUnauthorized {
			t.Errorf("without Twilio, send = %+v, want 401", got)
		}
	}
	if n := w.twilio.Count() - before; n != 0 {
		t.Errorf("refusals cost %d calls to Twilio", n)
	}
	w.twilio.Mend()
}
