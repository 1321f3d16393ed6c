package api

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Listener accepts connections for one server: new ones, and again those that the
// server let go of while a request waited, once the next request comes on them. It
// is safe for concurrent use.
type Listener struct {
	net.Listener
	server   *http.Server
	accepted chan accepted
	begin    sync.Once
	closed   chan struct{}
	epoll    *epoll // nil if there is none: then nothing is parked

	mu      sync.Mutex
	retired bool
	over    bool               // closed is
	idle    map[*line]struct{} // answered, and nothing has come since
	watched map[int32]func()   // by the number of who is parked: asks if they are there
	parked  sync.WaitGroup     // requests; none is added once it is over
}

type accepted struct {
	conn net.Conn
	err  error
}

// Listen returns a listener for server to serve on, and becomes its ConnContext.
// Only on Linux and over TCP, and only requests on connections that it has accepted, are
// parked without what net/http keeps for each; any other waits as in any server.
func Listen(server *http.Server, l net.Listener) *Listener {
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if line, ours := c.(*line); ours {
			line.base = ctx
			return context.WithValue(ctx, lineKey{}, line)
		}
		return ctx
	}
	lines := &Listener{
		Listener: l, server: server, accepted: make(chan accepted), closed: make(chan struct{}),
		idle: map[*line]struct{}{}, watched: map[int32]func(){},
	}
	if e, err := newEpoll(); err == nil {
		lines.epoll = e
		go e.watch(lines.ask)
	}
	return lines
}

// Accept returns the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	l.begin.Do(func() { go l.accept() })
	select {
	case a := <-l.accepted:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *Listener) accept() {
	for number := int32(0); ; number++ {
		conn, err := l.Listener.Accept()
		if tcp, ok := conn.(*net.TCPConn); ok && l.epoll != nil {
			conn = l.line(tcp, number)
		}
		if !l.pass(conn, err) {
			return
		}
	}
}

// line makes a connection one whose requests can be parked, if it can.
func (l *Listener) line(c *net.TCPConn, number int32) net.Conn {
	raw, err := c.SyscallConn()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || l.over || l.epoll.add(raw, number) != nil {
		return c
	}
	return &line{TCPConn: c, raw: raw, home: l, number: number}
}

// ask asks whether a caller, if parked, is still there.
func (l *Listener) ask(number int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if still := l.watched[number]; still != nil {
		still()
	}
}

// pass gives the server a connection, or an error of accepting one. It reports false,
// and closes the connection, if the server takes none any more.
func (l *Listener) pass(conn net.Conn, err error) bool {
	select {
	case l.accepted <- accepted{conn, err}:
		return true
	case <-l.closed:
		if conn != nil {
			_ = conn.Close()
		}
		return false
	}
}

// Retire has the connections of requests that are parked closed after their answers, and
// not later, when the next request may be on its way.
func (l *Listener) Retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retired = true
}

// Close accepts no more, and closes connections on which nobody waits. It may be
// called twice.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return nil
	}
	l.over = true
	close(l.closed)
	for line := range l.idle {
		_ = line.Close()
	}
	if l.epoll != nil {
		go func() {
			l.parked.Wait()
			l.epoll.close()
		}()
	}
	return l.Listener.Close()
}

// add counts a request that is parked, unless none is any more.
func (l *Listener) add() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.parked.Add(1)
	}
	return !l.over
}

// Wait waits until requests that are parked have been answered, which
// [http.Server.Shutdown] does not. Nobody may park meanwhile, as after Close.
func (l *Listener) Wait(ctx context.Context) error {
	answered := make(chan struct{})
	go func() {
		l.parked.Wait()
		close(answered)
	}()
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// patience is until when a connection may be idle from now on, as in net/http.
func (l *Listener) patience() time.Time {
	if d := cmp.Or(l.server.IdleTimeout, l.server.ReadTimeout); d > 0 {
		return time.Now().Add(d)
	}
	return time.Time{}
}
