package api

import (
	"context"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"
)

// line is a caller's connection.
type line struct {
	*net.TCPConn
	raw    syscall.RawConn // of the above
	home   *Listener
	number int32           // that home has given to it alone
	base   context.Context // of the server's connections: done when it drains
	early  []byte          // of the next request: read, and to be read again
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
	c.early = slices.Concat(read, c.early)
	c.home.mu.Lock()
	defer c.home.mu.Unlock()
	c.home.watched[c.number] = func() {
		if c.hungUp() { // now: what told of it may be of an earlier time
			left()
		}
	}
	if c.home.epoll.await(c.raw, c.number) != nil {
		left() // as the server has closed the connection meanwhile
	}
	return true
}

// hungUp reports whether the caller has hung up. As in net/http, who has sent the
// next request already is taken to be there.
func (c *line) hungUp() bool {
	if len(c.early) > 0 {
		return false
	}
	gone := false
	// Not Read, which would wait for another that reads.
	err := c.raw.Control(func(fd uintptr) { gone = atEnd(fd) })
	return gone || err != nil
}

// release ends parking: the connection is kept for IdleTimeout until the next
// request comes, or is closed.
func (c *line) release(keep bool) {
	l := c.home
	defer l.parked.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.watched, c.number)
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
