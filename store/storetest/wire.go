package storetest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Wire leads to a server, and can lose what that says to its subscribers.
type Wire struct {
	listener net.Listener
	server   string
	work     sync.WaitGroup

	mu    sync.Mutex
	links []*link
}

// link is one connection.
type link struct {
	client, server   net.Conn
	subscribes, deaf atomic.Bool
}

// StartWire lays a wire to the server at an address, until the test ends.
func StartWire(t *testing.T, server string) *Wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	w := &Wire{listener: l, server: server}
	w.work.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.mu.Lock()
		for _, l := range w.links {
			_, _ = l.client.Close(), l.server.Close()
		}
		w.mu.Unlock()
		w.work.Wait()
	})
	return w
}

// Addr is the wire's near end, host:port.
func (w *Wire) Addr() string { return w.listener.Addr().String() }

func (w *Wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", w.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &link{client: client, server: server}
		w.mu.Lock()
		w.links = append(w.links, l)
		w.mu.Unlock()
		w.work.Go(func() {
			pass(server, client, func(b []byte) bool {
				if bytes.Contains(b, []byte("subscribe")) {
					l.subscribes.Store(true)
				}
				return true
			})
		})
		w.work.Go(func() { pass(client, server, func([]byte) bool { return !l.deaf.Load() }) })
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

// Deafen loses, from now on, what is said over the connections that have
// subscribed, and counts them.
func (w *Wire) Deafen() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.links {
		if l.subscribes.Load() {
			l.deaf.Store(true)
			n++
		}
	}
	return n
}
