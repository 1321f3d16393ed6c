package api_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"flexbridge/api"
	"flexbridge/api/oidctest"
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

const (
	accepted        = ""
	unauthenticated = "unauthenticated"
	invalidToken    = "invalid_token"
)

// credentials are a row of what callers may send, and the code of the refusal.
type credentials struct {
	authorization []string
	code          string
}

// wrongForms are refused wherever credentials are wanted.
func wrongForms(good string) map[string]credentials {
	return map[string]credentials{
		"none":                {nil, unauthenticated},
		"empty":               {[]string{""}, unauthenticated},
		"other scheme":        {[]string{"Basic " + base64.StdEncoding.EncodeToString([]byte("shop:"+good))}, unauthenticated},
		"no scheme":           {[]string{good}, unauthenticated},
		"scheme alone":        {[]string{"Bearer"}, unauthenticated},
		"scheme and space":    {[]string{"Bearer "}, unauthenticated},
		"two headers":         {[]string{"Bearer " + good, "Bearer " + good}, invalidToken},
		"a good one and none": {[]string{"Bearer " + good, ""}, invalidToken},
		"two in one":          {[]string{"Bearer " + good + ", Bearer " + good}, invalidToken},
		"something behind":    {[]string{"Bearer " + good + " x"}, invalidToken},
		"something wrong":     {[]string{"Bearer wrong"}, invalidToken},
		"not ASCII":           {[]string{"Bearer é"}, invalidToken},
		"one letter more":     {[]string{"Bearer a" + good}, invalidToken},
		"one letter less":     {[]string{"Bearer " + good[1:]}, invalidToken},
		"very long":           {[]string{"Bearer " + strings.Repeat("a", 20_000)}, invalidToken},
		"scheme in capitals":  {[]string{"BEARER " + good}, accepted},
		"spaces between":      {[]string{"Bearer   " + good}, accepted},
		"a good one":          {[]string{"Bearer " + good}, accepted},
	}
}

// Each kind of caller, with each kind of credentials, at each operation.
func TestWhoMayCall(t *testing.T) {
	p := oidctest.Start(t, audience)
	tokens := wrongForms(p.Token(t, "ana"))
	for name, c := range wrongTokens(t, p) {
		tokens[name] = c
	}
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
		rows     map[string]credentials
		nameless bool // paths without a username are served
	}{
		"none":   {api.NoAuth(), "", anything, false},
		"bearer": {bearer(t, api.Key{Name: "second", Text: strings.Repeat("k", api.MinKey)}), "", keys, false},
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
				for name, c := range row.rows {
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

// wrongTokens are all that a token can be wrong in, and some that are right.
func wrongTokens(t *testing.T, p *oidctest.Provider) map[string]credentials {
	now := time.Now().Unix()
	sign := func(change map[string]any) string {
		claims := p.Claims("ana")
		for name, value := range change {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
		return p.Sign(t, claims)
	}
	rows := make(map[string]credentials)
	row := func(name, token, code string) { rows["token: "+name] = credentials{[]string{"Bearer " + token}, code} }
	row("as the provider makes them", sign(nil), accepted)
	row("of several audiences", sign(map[string]any{"aud": []string{"x", "other"}}), accepted)
	row("of one audience, as text", sign(map[string]any{"aud": audience}), accepted)
	row("expired within the skew", sign(map[string]any{"exp": now - 20}), accepted)
	row("valid soon, within the skew", sign(map[string]any{"nbf": now + 20}), accepted)
	row("without nbf", sign(map[string]any{"nbf": nil}), accepted)
	row("expired", sign(map[string]any{"exp": now - 40}), invalidToken)
	row("without exp", sign(map[string]any{"exp": nil}), invalidToken)
	row("with exp as text", sign(map[string]any{"exp": "tomorrow"}), invalidToken)
	row("not valid yet", sign(map[string]any{"nbf": now + 60}), invalidToken)
	row("of another audience", sign(map[string]any{"aud": "else"}), invalidToken)
	row("of no audience", sign(map[string]any{"aud": nil}), invalidToken)
	row("of another issuer", sign(map[string]any{"iss": "https://login.example.com"}), invalidToken)
	row("of the issuer with a slash", sign(map[string]any{"iss": p.Issuer + "/"}), invalidToken)
	row("of no issuer", sign(map[string]any{"iss": nil}), invalidToken)
	row("without a subject", sign(map[string]any{"sub": nil}), invalidToken)
	row("of an empty subject", sign(map[string]any{"sub": ""}), invalidToken)
	row("of a subject that is no text", sign(map[string]any{"sub": 7}), invalidToken)
	row("of a client that is no text", sign(map[string]any{"client_id": 7}), invalidToken)

	good := strings.Split(sign(nil), ".")
	row("of two parts", good[0]+"."+good[1], invalidToken)
	row("of four parts", strings.Join(good, ".")+".x", invalidToken)
	row("without its signature", good[0]+"."+good[1]+".", invalidToken)
	other := strings.Split(sign(map[string]any{"sub": "bea"}), ".")
	row("with another's claims", good[0]+"."+other[1]+"."+good[2], invalidToken)
	encode := base64.RawURLEncoding.EncodeToString
	row("without a signature, and saying so", encode([]byte(`{"alg":"none"}`))+"."+good[1]+".", invalidToken)

	// What goes wrong when the header is believed: the public key as a secret.
	public, id := p.PublicKey()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: public, KeyID: id, Algorithm: "ES256", Use: "sig"})
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string][]byte{"DER": der, "JWK": jwk} {
		row("signed with HMAC by the public key, "+name, oidctest.Sign(t, jose.SigningKey{Algorithm: jose.HS256, Key: secret}, id, p.Claims("ana")), invalidToken)
	}
	stranger := oidctest.Start(t, audience)
	row("signed by a stranger's key of the same id", stranger.Sign(t, p.Claims("ana")), invalidToken)
	row("made by a stranger", stranger.Token(t, "ana"), invalidToken)
	return rows
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

// Nobody is another customer by his choice of a name.
func TestCustomers(t *testing.T) {
	p := oidctest.Start(t, audience)
	second := strings.Repeat("k", api.MinKey)
	renewed := strings.Repeat("n", api.MinKey)
	keys := bearer(t, api.Key{Name: "second", Text: second}, api.Key{Name: "shop", Text: renewed})
	people := oidc(t, p)
	asked := func(auth api.Auth, path, authorization string) string {
		d := &desk{answer: replied}
		response, body := exchange(t, "GET", online(t, auth, d).URL+path, "", authorization)
		if response.StatusCode != 200 {
			t.Fatalf("GET = %d %s", response.StatusCode, body)
		}
		return string(d.calls[0].question.Customer)
	}
	const path = "/replies/" + username
	ana := "Bearer " + p.Token(t, "ana")
	different := map[string]string{
		"nobody":  asked(api.NoAuth(), path, ""),
		"shop":    asked(keys, path, "Bearer "+keyText),
		"second":  asked(keys, path, "Bearer "+second),
		"another": asked(keys, "/replies/other-0123456789abcdef", "Bearer "+second),
		"ana":     asked(people, "/replies", ana),
		"bea":     asked(people, "/replies", "Bearer "+p.Token(t, "bea")),
	}
	seen := make(map[string]string)
	for name, customer := range different {
		if twin, twice := seen[customer]; twice {
			t.Errorf("%s and %s are one customer", name, twin)
		}
		seen[customer] = name
	}
	if got := asked(keys, path, "Bearer "+renewed); got != different["shop"] {
		t.Error("a new key of the same name is another customer")
	}
	for _, path := range []string{path, "/replies/x"} {
		if got := asked(people, path, ana); got != different["ana"] {
			t.Errorf("GET %s: with a token, the username makes another customer", path)
		}
	}
}

// What the log tells of a caller is short, and cannot forge lines.
func TestLogOfCallers(t *testing.T) {
	p := oidctest.Start(t, audience)
	claims := p.Claims("ana")
	claims["client_id"] = "topsecret\nlevel=ERROR\x1b[2J é" + strings.Repeat("x", 1000)
	rows := map[string]struct {
		auth                api.Auth
		authorization, want string
	}{
		"key":       {bearer(t), "Bearer " + keyText, " caller=shop customer="},
		"client":    {oidc(t, p), "Bearer " + p.Token(t, "ana"), " caller=ana customer="},
		"wild":      {oidc(t, p), "Bearer " + p.Sign(t, claims), ` caller="topsecret?level=ERROR?[2J ?` + strings.Repeat("x", 37) + `..." customer=`},
		"wrong key": {bearer(t), "Bearer " + keyText[1:], ` why="the credentials are not valid: no key is this one" status=401 outcome=invalid_token`},
		"nobody":    {bearer(t), "", ` why="no credentials: not of the scheme Bearer" status=401 outcome=unauthenticated`},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			cfg.Auth = row.auth
			log := logTo(&cfg)
			r := request("GET", "/replies/"+username, "")
			r.Header.Set("Authorization", row.authorization)
			serve(newServer(t, cfg, &desk{answer: replied}), r)
			if line := log.String(); !strings.Contains(line, row.want) || strings.Count(line, "\n") != 1 || strings.Contains(line, keyText[1:]) {
				t.Errorf("log = %s, want one line with %s", line, row.want)
			}
		})
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
