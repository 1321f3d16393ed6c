package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// front stands where the world reaches the service, such as a load balancer: it
// passes requests to the replicas in turn.
type front struct {
	*httptest.Server
	mu       sync.Mutex
	replicas []*replica
	next     int
	adds     string // to the query of each request
}

func newFront(t *testing.T) *front {
	f := &front{}
	proxy := &httputil.ReverseProxy{
		Rewrite:  f.rewrite,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	f.Server = httptest.NewServer(proxy)
	t.Cleanup(f.Close)
	return f
}

func (f *front) to(replicas ...*replica) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replicas = replicas
}

// follow passes requests only to those who are ready, until the test ends.
func (f *front) follow(t *testing.T, replicas func() []*replica) {
	ask := func() {
		var ready []*replica
		for _, r := range replicas() {
			res, err := http.Get(r.url + "/readyz")
			if err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK {
				ready = append(ready, r)
			}
		}
		if len(ready) > 0 {
			f.to(ready...)
		}
	}
	ask()
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for rest(ctx, 100*time.Millisecond) {
			ask()
		}
	})
	t.Cleanup(func() {
		stop()
		work.Wait()
	})
}

func (f *front) rewrite(r *httputil.ProxyRequest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	target, _ := url.Parse(f.replicas[f.next%len(f.replicas)].url)
	r.SetURL(target)
	r.Out.URL.RawQuery += f.adds
}
