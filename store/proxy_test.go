package store_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy passes bytes on to a server, and can stop passing the answers on.
type proxy struct {
	listener net.Listener
	server   string
	work     sync.WaitGroup

	mu    sync.Mutex
	links []*link
}

type link struct {
	client, server net.Conn
	subscribes     atomic.Bool
	deaf           atomic.Bool
}

func startProxy(t *testing.T, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	p := &proxy{listener: l, server: server}
	p.work.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for _, l := range p.links {
			_, _ = l.client.Close(), l.server.Close()
		}
		p.mu.Unlock()
		p.work.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &link{client: client, server: server}
		p.mu.Lock()
		p.links = append(p.links, l)
		p.mu.Unlock()
		p.work.Go(func() { pass(server, client, func(b []byte) bool { l.note(b); return true }) })
		p.work.Go(func() { pass(client, server, func([]byte) bool { return !l.deaf.Load() }) })
	}
}

func (l *link) note(b []byte) {
	if bytes.Contains(b, []byte("subscribe")) {
		l.subscribes.Store(true)
	}
}

// pass copies what may pass until either side ends.
func pass(to io.WriteCloser, from io.ReadCloser, may func([]byte) bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if !may(buffer[:n]) {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// deafen stops the answers of the connections that have subscribed, and counts them.
func (p *proxy) deafen() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		if l.subscribes.Load() {
			l.deaf.Store(true)
			n++
		}
	}
	return n
}
