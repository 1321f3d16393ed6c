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

	mu      sync.Mutex
	retired bool
	over    bool               // closed is
	idle    map[*line]struct{} // answered, and nothing has come since
	parked  sync.WaitGroup     // requests; none is added once it is over
}

type accepted struct {
	conn net.Conn
	err  error
}

// Listen returns a listener for server to serve on, and becomes its ConnContext.
// Only over TCP, and only requests on connections that it has accepted, are parked
// without what net/http keeps for each; any other waits as in any server.
func Listen(server *http.Server, l net.Listener) *Listener {
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if line, ours := c.(*line); ours {
			line.base = ctx
			return context.WithValue(ctx, lineKey{}, line)
		}
		return ctx
	}
	return &Listener{Listener: l, server: server, accepted: make(chan accepted), closed: make(chan struct{}), idle: map[*line]struct{}{}}
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
	for {
		conn, err := l.Listener.Accept()
		if tcp, ok := conn.(*net.TCPConn); ok {
			conn = &line{TCPConn: tcp, home: l}
		}
		if !l.pass(conn, err) {
			return
		}
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
	return l.Listener.Close()
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

// line is a caller's connection.
type line struct {
	*net.TCPConn
	home  *Listener
	base  context.Context // of the server's connections: done when it drains
	early []byte          // of the next request: read, and to be read again
	watch *time.Timer     // while it is parked; under home.mu
}

type lineKey struct{}

// Read reads what was read too early first.
func (c *line) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.TCPConn.Read(p)
}

// watchEvery is how long it may take until it is noticed that a caller has hung up. Who
// is asked so often needs no goroutine that reads, and no stack.
const watchEvery = time.Second

// park takes the connection from the server's handler, which is to return then.
// Until release, left is called if the caller hangs up. It reports false, and has
// changed nothing, if that is impossible.
func (c *line) park(w http.ResponseWriter, left func()) bool {
	if !c.home.add() {
		return false
	}
	_, buffers, err := http.NewResponseController(w).Hijack()
	if err != nil {
		c.home.parked.Done()
		return false
	}
	read, _ := buffers.Reader.Peek(buffers.Reader.Buffered())
	c.early = append(c.early, read...)
	c.home.mu.Lock()
	defer c.home.mu.Unlock()
	c.watch = time.AfterFunc(watchEvery, func() { c.look(left) })
	return true
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

// look asks once whether the caller is there, and again later, while it is parked.
func (c *line) look(left func()) {
	c.home.mu.Lock()
	defer c.home.mu.Unlock()
	switch {
	case c.watch == nil:
	case c.hungUp():
		left()
	default:
		c.watch.Reset(watchEvery)
	}
}

// hungUp reports whether the caller has hung up. As in net/http, who has sent the
// next request already is taken to be there.
func (c *line) hungUp() bool {
	if len(c.early) > 0 {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	// Not Read, which would wait for another that reads.
	err = raw.Control(func(fd uintptr) { gone = atEnd(fd) })
	return gone || err != nil
}

// release ends parking: the connection is kept for IdleTimeout until the next
// request comes, or is closed.
func (c *line) release(keep bool) {
	l := c.home
	defer l.parked.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	c.watch.Stop()
	c.watch = nil
	if !keep || l.over || c.SetDeadline(l.patience()) != nil {
		_ = c.Close()
		return
	}
	l.idle[c] = struct{}{}
	go c.rest()
}

// rest waits for the next request, of which it keeps one byte: a connection that the
// server accepts has less patience than one that it knows.
func (c *line) rest() {
	if len(c.early) == 0 {
		first := make([]byte, 1)
		n, _ := c.TCPConn.Read(first)
		c.early = first[:n]
	}
	l := c.home
	l.mu.Lock()
	delete(l.idle, c)
	l.mu.Unlock()
	if len(c.early) == 0 || c.SetDeadline(time.Time{}) != nil {
		_ = c.Close()
		return
	}
	l.pass(c, nil)
}

// stopping reports whether the connection is to be closed after its answer.
func (c *line) stopping() bool {
	c.home.mu.Lock()
	defer c.home.mu.Unlock()
	return c.home.retired || c.home.over || c.base.Err() != nil
}

// patience is until when a connection may be idle from now on, as in net/http.
func (l *Listener) patience() time.Time {
	if d := cmp.Or(l.server.IdleTimeout, l.server.ReadTimeout); d > 0 {
		return time.Now().Add(d)
	}
	return time.Time{}
}
