package main

import (
	"io"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
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

func (f *front) rewrite(r *httputil.ProxyRequest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	target, _ := url.Parse(f.replicas[f.next%len(f.replicas)].url)
	r.SetURL(target)
	r.Out.URL.RawQuery += f.adds
}
