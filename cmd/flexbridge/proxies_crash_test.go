package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// repeatsNoQuestion: what crashes with a request in hand gets it once.
func repeatsNoQuestion(t *testing.T, start func(p *proxied, addr, certificate string)) {
	certificate := trustedCertificate(t)
	addr := freeAddr(t)
	p := &proxied{world: &world{t: t}, front: &replica{url: "https://" + addr}, dir: t.TempDir()}
	var asked sync.Map
	crashes := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		times, _ := asked.LoadOrStore(r.URL.Path, new(atomic.Int32))
		times.(*atomic.Int32).Add(1)
		panic(http.ErrAbortHandler)
	})
	for range 2 {
		server := httptest.NewServer(crashes)
		t.Cleanup(server.Close)
		p.replicas = append(p.replicas, &replica{url: server.URL})
	}
	start(p, addr, certificate)
	p.answers()
	for _, path := range []string{"/mcp", "/send/" + username("ann")} {
		res, err := http.Post(p.front.url+path, "application/json", strings.NewReader(askByMCP))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		times, _ := asked.Load(path)
		if times == nil || times.(*atomic.Int32).Load() != 1 || res.StatusCode != http.StatusBadGateway {
			t.Errorf("POST %s = %s, passed on %v times, want 502 after one", path, res.Status, times)
		}
	}
}
