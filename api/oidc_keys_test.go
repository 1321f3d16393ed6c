package api_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"flexbridge/api"
	"flexbridge/api/oidctest"
)

// status is what a token gets, and the problem's code.
func status(t testing.TB, url, token string) (int, string) {
	t.Helper()
	response, body := exchange(t, "GET", url+"/replies", "", "Bearer "+token)
	if response.StatusCode == 200 {
		return 200, ""
	}
	return response.StatusCode, asProblem(t, response.StatusCode, response.Header, body).Code
}

// wantStatus asks until a token gets what it should, for 5 s at most: go-oidc's set
// lets its callers go a moment before it takes up the keys it fetched, and who comes
// in between gets what was before.
func wantStatus(t testing.TB, what, url, token string, want int, code string) {
	t.Helper()
	end := time.Now().Add(5 * time.Second)
	got, gotCode := status(t, url, token)
	for (got != want || gotCode != code) && time.Now().Before(end) {
		got, gotCode = status(t, url, token)
	}
	if got != want || gotCode != code {
		t.Errorf("%s = %d %s, want %d %s", what, got, gotCode, want, code)
	}
}

// New keys are taken up while the service runs, and those withdrawn are dropped as
// soon as the set is fetched again.
func TestKeyRotation(t *testing.T) {
	p := oidctest.Start(t, audience)
	server := online(t, oidc(t, p), &desk{answer: replied})
	old := p.Token(t, "ana")
	wantStatus(t, "the first key's token", server.URL, old, 200, "")
	p.Rotate()
	young := p.Token(t, "ana")
	wantStatus(t, "the second key's token", server.URL, young, 200, "")
	wantStatus(t, "the first key's, while it is in the set", server.URL, old, 200, "")
	if n := p.Fetches(); n != 2 {
		t.Errorf("the keys were fetched %d times, want twice", n)
	}
	p.Withdraw()
	p.Rotate()
	wantStatus(t, "the third key's token", server.URL, p.Token(t, "ana"), 200, "")
	wantStatus(t, "the first key's, withdrawn", server.URL, old, 401, "invalid_token")
	wantStatus(t, "the second key's, in the set", server.URL, young, 200, "")
}

// A key that is withdrawn lives no longer than KeyAge, though no token with another
// key comes.
func TestKeysAge(t *testing.T) {
	p := oidctest.Start(t, audience)
	server := online(t, oidc(t, p, func(c *api.OIDCConfig) { c.KeyAge = time.Nanosecond }), &desk{answer: replied})
	old := p.Token(t, "ana")
	wantStatus(t, "a token", server.URL, old, 200, "")
	p.ServeKeys(http.NotFoundHandler())
	wantStatus(t, "a token, with old keys and no new ones", server.URL, old, 200, "")
	p.ServeKeys(nil)
	p.Rotate()
	p.Withdraw()
	wantStatus(t, "the token of a key withdrawn", server.URL, old, 401, "invalid_token")
}

// An issuer that fails makes nobody's credentials wrong, and holds nobody up.
func TestIssuerFails(t *testing.T) {
	hung := make(chan struct{})
	defer close(hung)
	for name, keys := range map[string]http.HandlerFunc{
		"error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret detail", 500) },
		"moved": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "" {
				http.Redirect(w, r, "/keys?here", http.StatusFound)
				return
			}
			_, _ = io.WriteString(w, `{"keys":[]}`) // none that fits, if it were followed
		},
		"no JSON":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"no keys":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":7}`) },
		"too long": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) },
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"keys":[`)
		},
		"hangs": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hung:
			case <-r.Context().Done():
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := oidctest.Start(t, audience)
			d := &desk{answer: replied}
			server := online(t, oidc(t, p, func(c *api.OIDCConfig) { c.Timeout = time.Second }), d)
			known := p.Token(t, "ana")
			wantStatus(t, "a token", server.URL, known, 200, "")
			p.Rotate()
			unknown := p.Token(t, "ana")
			p.ServeKeys(keys)
			wantStatus(t, "a token of a new key", server.URL, unknown, 503, "auth_unavailable")
			start := time.Now()
			response, body := exchange(t, "GET", server.URL+"/replies", "", "Bearer "+unknown)
			problem := asProblem(t, response.StatusCode, response.Header, body)
			if response.StatusCode != 503 || problem.Code != "auth_unavailable" || !spreads(response.Header, 10) ||
				response.Header.Get("WWW-Authenticate") != "" || strings.Contains(string(body), "secret") {
				t.Errorf("GET = %d %s %v, want 503 auth_unavailable", response.StatusCode, body, response.Header)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if d.count() != 1 {
				t.Error("the bridge was asked for a caller who was not checked")
			}
			wantStatus(t, "a token of a key that is known", server.URL, known, 200, "")
			p.ServeKeys(nil)
			wantStatus(t, "the same token when the issuer is back", server.URL, unknown, 200, "")
		})
	}
}

// inMemory is a provider without sockets, as a synctest bubble needs.
type inMemory struct {
	handler http.Handler
	hung    chan struct{} // requests for keys wait for it, if it is not nil
}

func (m *inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	if m.hung != nil && strings.HasSuffix(r.URL.Path, "/keys") {
		select {
		case <-m.hung:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// Tokens that name keys nobody knows are cheap; requests to the issuer are not:
// one in ten seconds, and new keys come with the next.
func TestFloodOfUnknownKeys(t *testing.T) {
	p := oidctest.Start(t, audience)
	synctest.Test(t, func(t *testing.T) {
		link := &inMemory{handler: p}
		e := newOIDCServer(t, p, link)
		get := func(token string) int {
			r := request("GET", "/replies", "")
			r.Header.Set("Authorization", "Bearer "+token)
			return serve(e, r).Code
		}
		start := p.Fetches()
		flood := func(what string, want int) {
			t.Helper()
			var all sync.WaitGroup
			for i := range 200 {
				all.Go(func() {
					token := p.SignAs(t, fmt.Sprint("unknown-", i), p.Claims("ana"))
					if status := get(token); status != 401 {
						t.Errorf("%s: a token of an unknown key = %d, want 401", what, status)
					}
				})
			}
			all.Wait()
			if n := p.Fetches() - start; n != want {
				t.Errorf("%s: the keys were fetched %d times, want %d", what, n, want)
			}
		}
		flood("at first", 1)
		good := p.Sign(t, p.Claims("ana"))
		if status := get(good); status != 200 {
			t.Errorf("a good token in the flood = %d, want 200", status)
		}
		time.Sleep(9 * time.Second)
		flood("after 9 s", 1)
		p.Rotate()
		time.Sleep(time.Second)
		flood("after 10 s", 2)
		if status := get(p.Sign(t, p.Claims("ana"))); status != 200 {
			t.Errorf("a good token of a new key = %d, want 200", status)
		}
		time.Sleep(5 * time.Minute)
		if status := get(good); status != 200 || p.Fetches()-start != 3 {
			t.Errorf("after 5 min = %d, the keys fetched %d times, want 200, and a third time", status, p.Fetches()-start)
		}

		// A hanging issuer: those whose keys are known do not wait, the others 3 s at most.
		link.hung = make(chan struct{})
		time.Sleep(10 * time.Second)
		begin := time.Now()
		p.Rotate()
		unknown := p.Sign(t, p.Claims("ana"))
		waited := make(chan int)
		go func() { waited <- get(unknown) }()
		synctest.Wait()
		if status := get(good); status != 200 || !time.Now().Equal(begin) {
			t.Errorf("a known key's token = %d after %v, want 200 at once", status, time.Since(begin))
		}
		if status := <-waited; status != 503 || time.Since(begin) > 3*time.Second {
			t.Errorf("an unknown key's token = %d after %v, want 503 within 3s", status, time.Since(begin))
		}
		begin = time.Now()
		if status := get(unknown); status != 503 || !time.Now().Equal(begin) {
			t.Errorf("the next one = %d after %v, want 503 at once", status, time.Since(begin))
		}
		// Renewing old keys, one caller waits; all are let in.
		time.Sleep(10 * time.Minute)
		begin = time.Now()
		if status := get(good); status != 200 || time.Since(begin) > 3*time.Second {
			t.Errorf("with old keys = %d after %v, want 200 within 3s", status, time.Since(begin))
		}
		close(link.hung)
	})
}

func newOIDCServer(t *testing.T, p *oidctest.Provider, transport http.RoundTripper) http.Handler {
	t.Helper()
	auth, err := api.OIDCAuth(t.Context(), api.OIDCConfig{Issuer: p.Issuer, Audiences: []string{audience}, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(t)
	cfg.Auth = auth
	return newServer(t, cfg, &desk{answer: replied})
}
