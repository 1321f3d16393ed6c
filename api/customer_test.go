package api_test

import (
	"strings"
	"testing"

	"flexbridge/api"
	"flexbridge/api/oidctest"
)

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
