package api_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flexbridge/api"
	"flexbridge/api/oidctest"
)

// An issuer that comes up later is waited for; one that does not is named.
func TestIssuerAtTheStart(t *testing.T) {
	p := oidctest.Start(t, audience)
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		late := roundTrip(func(r *http.Request) (*http.Response, error) {
			if time.Since(begin) < 10*time.Second {
				return nil, fmt.Errorf("no route to host")
			}
			return (&inMemory{handler: p}).RoundTrip(r)
		})
		if _, err := api.OIDCAuth(t.Context(), api.OIDCConfig{Issuer: p.Issuer, Audiences: []string{audience}, Transport: late}); err != nil {
			t.Errorf("OIDCAuth, with an issuer that is late = %v", err)
		}
	})
	hangs := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	answer := func(status int, body string) roundTrip {
		return func(*http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return w.Result(), nil
		}
	}
	for name, row := range map[string]struct {
		transport roundTrip
		tells     string
		atOnce    bool
	}{
		"hangs":            {hangs, "deadline", false},
		"fails":            {answer(502, "bad gateway\x1b"), "502 Bad Gateway: bad gateway?", false},
		"no JSON":          {answer(200, "<html>"), "decode", false},
		"another":          {answer(200, `{"issuer":"https://login.example.com"}`), "did not match", true},
		"keys anywhere":    {answer(200, `{"issuer":"`+p.Issuer+`","jwks_uri":"http://keys.example.com"}`), "jwks_uri", true},
		"no keys":          {answer(200, `{"issuer":"`+p.Issuer+`"}`), "jwks_uri", true},
		"much too much":    {answer(200, strings.Repeat(" ", 2<<20)), "more than", false},
		"moved":            {answer(302, ""), "302", false},
		"not its own type": {answer(200, `{"issuer":"`+p.Issuer+`","authorization_endpoint":7}`), "decode", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				_, err := api.OIDCAuth(t.Context(), api.OIDCConfig{Issuer: p.Issuer, Audiences: []string{audience}, Transport: row.transport})
				if err == nil || !strings.Contains(err.Error(), row.tells) || len(err.Error()) > 400 {
					t.Errorf("OIDCAuth = %v, want an error that tells %q", err, row.tells)
				}
				if took := time.Since(begin); took > 21*time.Second || (took == 0) != row.atOnce {
					t.Errorf("it took %v, want some 20s, or no time: %v", took, row.atOnce)
				}
			})
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOIDCRefuses(t *testing.T) {
	for name, cfg := range map[string]api.OIDCConfig{
		"nothing":           {},
		"no issuer":         {Audiences: []string{audience}},
		"plain http":        {Issuer: "http://login.example.com", Audiences: []string{audience}},
		"no audience":       {Issuer: "https://login.example.com"},
		"an empty audience": {Issuer: "https://login.example.com", Audiences: []string{audience, ""}},
	} {
		if _, err := api.OIDCAuth(t.Context(), cfg); err == nil {
			t.Errorf("%s: OIDCAuth = nil, want an error", name)
		}
	}
}

func TestSecureURL(t *testing.T) {
	for text, want := range map[string]bool{
		"https://login.example.com": true, "https://login.example.com/tenant/v2.0": true, "https://[::1]:8443": true,
		"http://127.0.0.1:8080": true, "http://[::1]:8080": true, "http://localhost:8080/x": true,
		"http://login.example.com": false, "http://localhost.example.com": false, "http://128.0.0.1": false,
		"https://": false, "https:///x": false, "https://:443": false, "login.example.com": false, "": false, "ftp://127.0.0.1": false,
		"https://u:p@login.example.com": false, "https://login.example.com?x": false, "https://login.example.com#x": false,
	} {
		if got := api.SecureURL(text); got != want {
			t.Errorf("SecureURL(%q) = %v, want %v", text, got, want)
		}
	}
}
