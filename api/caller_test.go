package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"flexbridge/api"
	"flexbridge/api/oidctest"
	"flexbridge/bridge"
)

const (
	audience = "https://bridge.example.com"
	keyText  = "0123456789abcdef0123456789ABCDEF-._~+/=="
)

func bearer(t testing.TB, keys ...api.Key) api.Auth {
	t.Helper()
	auth, err := api.BearerAuth(append(keys, api.Key{Name: "shop", Text: keyText}))
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// oidc accepts tokens of the provider at once after each change of its keys.
func oidc(t testing.TB, p *oidctest.Provider, change ...func(*api.OIDCConfig)) api.Auth {
	t.Helper()
	cfg := api.OIDCConfig{Issuer: p.Issuer, Audiences: []string{"other", audience}, Pause: time.Nanosecond}
	for _, f := range change {
		f(&cfg)
	}
	auth, err := api.OIDCAuth(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// online serves an API over real HTTP.
func online(t testing.TB, auth api.Auth, d api.Asker) *httptest.Server {
	t.Helper()
	cfg := config(t)
	cfg.Auth = auth
	server := httptest.NewServer(newServer(t, cfg, d))
	t.Cleanup(server.Close)
	return server
}

// exchange makes a request with these Authorization headers.
func exchange(t testing.TB, method, url, body string, authorization ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, value := range authorization {
		r.Header.Add("Authorization", value)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, text
}

// An operation's path without a username is served where tokens name people.
var operations = []struct{ method, path, body string }{
	{"POST", "/send", `{"msg":"hi"}`},
	{"GET", "/replies", ""},
	{"POST", "/end", ""},
}

func always(rows map[string]credentials) func() map[string]credentials {
	return func() map[string]credentials { return rows }
}

// Each kind of caller, with each kind of credentials, at each operation.
func TestWhoMayCall(t *testing.T) {
	p := oidctest.Start(t, audience)
	tokens := func() map[string]credentials { return wrongTokens(t, p) }
	keys := wrongForms(keyText)
	keys["other capitals"] = credentials{[]string{"Bearer " + strings.ToLower(keyText)}, invalidToken}
	keys["another's"] = credentials{[]string{"Bearer " + strings.Repeat("k", api.MinKey)}, accepted}
	anything := wrongForms("whatever")
	for name, c := range anything {
		anything[name] = credentials{c.authorization, accepted}
	}
	metadata := `, resource_metadata="` + public + `/.well-known/oauth-protected-resource"`
	for mode, row := range map[string]struct {
		auth     api.Auth
		metadata string
		rows     func() map[string]credentials // made for each operation, as tokens age
		nameless bool                          // paths without a username are served
	}{
		"none":   {api.NoAuth(), "", always(anything), false},
		"bearer": {bearer(t, api.Key{Name: "second", Text: strings.Repeat("k", api.MinKey)}), "", always(keys), false},
		"oidc":   {oidc(t, p), metadata, tokens, true},
	} {
		d := &desk{answer: replied}
		server := online(t, row.auth, d)
		for _, op := range operations {
			paths := []string{op.path + "/" + username}
			if row.nameless {
				paths = append(paths, op.path, op.path+"/x")
			}
			for _, path := range paths {
				for name, c := range row.rows() {
					t.Run(fmt.Sprintf("%s/%s/%s", mode, path, name), func(t *testing.T) {
						before := d.count()
						response, body := exchange(t, op.method, server.URL+path, op.body, c.authorization...)
						checkRefusal(t, response, body, c.code, row.metadata)
						if asked := d.count() - before; (c.code == accepted) != (asked == 1) || asked > 1 {
							t.Errorf("the bridge was asked %d times", asked)
						}
					})
				}
			}
		}
	}
}

// The same at MCP, where each tool may be called and the list of them read by those
// alone who may call.
func TestWhoMayCallMCP(t *testing.T) {
	p := oidctest.Start(t, audience)
	tokens := func() map[string]credentials { return wrongTokens(t, p) }
	for mode, row := range map[string]struct {
		auth     api.Auth
		metadata string
		rows     func() map[string]credentials // made for each operation, as tokens age
		holder   []string
	}{
		"none":   {api.NoAuth(), "", always(map[string]credentials{"none": {nil, accepted}, "some": {[]string{"Bearer x"}, accepted}}), []string{"anyone"}},
		"bearer": {bearer(t), "", always(wrongForms(keyText)), []string{"application", "shop"}},
		"oidc":   {oidc(t, p), `, resource_metadata="` + public + `/.well-known/oauth-protected-resource/mcp"`, tokens, []string{"person", p.Issuer, "ana"}},
	} {
		d := &desk{answer: replied}
		server := online(t, row.auth, d)
		handle := config(t).Keys.Seal(bridge.NewHandle(time.Now().Add(time.Hour)), row.holder...)
		for tool, arguments := range map[string]map[string]any{
			"":                 nil,
			"ask_agent":        {"message": "hi", "conversation": handle},
			"wait_for_agent":   {"conversation": handle},
			"end_conversation": {"conversation": handle},
		} {
			for _, era := range eras {
				for name, c := range row.rows() {
					t.Run(fmt.Sprintf("%s/%s/%s/%s", mode, tool, era, name), func(t *testing.T) {
						method, params, asks := "tools/list", map[string]any{}, 0
						if tool != "" {
							method, params, asks = "tools/call", map[string]any{"name": tool, "arguments": arguments}, 1
						}
						r := rpc(t, server.URL, era, method, params)
						for _, value := range c.authorization {
							r.Header.Add("Authorization", value)
						}
						before := d.count()
						response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
						if err != nil {
							t.Fatal(err)
						}
						defer response.Body.Close()
						body, err := io.ReadAll(response.Body)
						if err != nil {
							t.Fatal(err)
						}
						checkRefusal(t, response, body, c.code, row.metadata)
						if c.code == accepted && strings.Contains(string(body), `"isError":true`) {
							t.Errorf("= %s, want an answer", body)
						}
						if c.code != accepted {
							asks = 0
						}
						if asked := d.count() - before; asked != asks {
							t.Errorf("the bridge was asked %d times, want %d", asked, asks)
						}
					})
				}
			}
		}
	}
}

// checkRefusal holds what is answered with this code, or that all is well.
func checkRefusal(t *testing.T, response *http.Response, body []byte, code, metadata string) {
	t.Helper()
	challenge := response.Header.Get("WWW-Authenticate")
	if code == accepted {
		if response.StatusCode != http.StatusOK || challenge != "" {
			t.Errorf("= %d %s, challenge %q, want 200 and none", response.StatusCode, body, challenge)
		}
		return
	}
	want := `Bearer realm="flexbridge"`
	if code == invalidToken {
		want += `, error="invalid_token", error_description="The credentials are not valid here, or not any more"`
	}
	if p := asProblem(t, response.StatusCode, response.Header, body); response.StatusCode != 401 || p.Code != code || challenge != want+metadata {
		t.Errorf("= %d %s, challenge %q, want 401 %s, %q", response.StatusCode, body, challenge, code, want+metadata)
	}
}

// Credentials are taken from the header alone: elsewhere they end up in logs.
func TestCredentialsElsewhere(t *testing.T) {
	d := &desk{answer: replied}
	server := online(t, bearer(t), d)
	for _, query := range []string{"access_token", "api_key", "key", "token"} {
		response, body := exchange(t, "GET", server.URL+"/replies/"+username+"?"+query+"="+keyText, "")
		checkRefusal(t, response, body, unauthenticated, "")
		response, body = exchange(t, "POST", server.URL+"/send/"+username, `{"msg":"hi","`+query+`":"`+keyText+`"}`)
		checkRefusal(t, response, body, unauthenticated, "")
	}
	if n := d.count(); n != 0 {
		t.Errorf("the bridge was asked %d times", n)
	}
}

// Who may not call is told so before any of the body has come.
func TestRefusedBeforeTheBody(t *testing.T) {
	server := online(t, bearer(t), &desk{answer: replied})
	body, never := io.Pipe()
	defer never.Close()
	r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/send/"+username, body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("POST = %d before its body, want 401", response.StatusCode)
	}
}

func (d *desk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.calls)
}

// With a token there is no username, and the answers do not speak of one.
func TestNextWithoutUsername(t *testing.T) {
	p := oidctest.Start(t, audience)
	token := "Bearer " + p.Token(t, "ana")
	for name, answer := range answers {
		server := online(t, oidc(t, p), &desk{answer: answer})
		_, body := exchange(t, "GET", server.URL+"/replies", "", token)
		var got struct{ Next string }
		if err := json.Unmarshal(body, &got); err != nil || got.Next == "" || strings.Contains(got.Next, "username") ||
			!(strings.Contains(got.Next, " /replies ") || strings.Contains(got.Next, " /send")) {
			t.Errorf("%s: next = %q, want paths without a username", name, got.Next)
		}
	}
}

func TestNobodyIsAskedOnAServerThatStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := oidctest.Start(t, audience)
	if _, err := api.OIDCAuth(ctx, api.OIDCConfig{Issuer: p.Issuer, Audiences: []string{audience}}); err == nil {
		t.Error("OIDCAuth after its context's end = nil")
	}
}
