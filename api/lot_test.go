package api_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"testing"
	"time"

	"flexbridge/api"
	"flexbridge/bridge"
)

// lot is a server whose requests wait until the test lets them go.
type lot struct {
	*httptest.Server
	t        *testing.T
	listener *api.Listener
	log      *bytes.Buffer
	entered  chan context.Context // of an operation that has begun
	answer   chan func() (bridge.Answer, error)
	returned chan struct{} // a handler has: its request is parked, or answered
	drain    context.CancelCauseFunc
}

func newLot(t *testing.T, parkAfter time.Duration, change func(*api.Config, *http.Server)) *lot {
	t.Helper()
	if parkAfter == 1 && runtime.GOOS != "linux" {
		t.Skip("only Linux tells who hangs up")
	}
	l := &lot{
		t: t, entered: make(chan context.Context, 100), returned: make(chan struct{}, 100),
		answer: make(chan func() (bridge.Answer, error)),
	}
	cfg := config(t)
	l.log = logTo(&cfg)
	cfg.ParkAfter = parkAfter
	d := &desk{do: func(ctx context.Context, _ call) (bridge.Answer, error) {
		l.entered <- ctx
		select {
		case answer := <-l.answer:
			return answer()
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), bridge.ErrDraining) {
				return bridge.Answer{Status: bridge.Pending, Cursor: cursor}, nil
			}
			return bridge.Answer{}, context.Cause(ctx)
		}
	}}
	l.Server = httptest.NewUnstartedServer(nil)
	if change != nil {
		change(&cfg, l.Config)
	}
	handler := newServer(t, cfg, d)
	l.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		l.returned <- struct{}{}
	})
	var waits context.Context
	waits, l.drain = context.WithCancelCause(context.Background())
	l.Config.BaseContext = func(net.Listener) context.Context { return waits }
	l.listener = api.Listen(l.Config, l.Listener)
	l.Listener = patient{l.listener}
	l.Start()
	t.Cleanup(func() {
		l.drain(bridge.ErrDraining)
		l.Close()
	})
	return l
}

// caller is a connection, on which nothing is done but what a test says.
type caller struct {
	net.Conn
	t    *testing.T
	read *bufio.Reader
}

func (l *lot) dial() *caller {
	l.t.Helper()
	conn, err := net.Dial("tcp", l.Listener.Addr().String())
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &caller{conn, l.t, bufio.NewReader(conn)}
}

const (
	sending   = "POST /send/" + username + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"msg\":\"hi\"}"
	replying  = "GET /replies/" + username + " HTTP/1.1\r\nHost: x\r\n\r\n"
	answering = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
)

// park sends a request and waits until its handler has returned.
func (l *lot) park(c *caller, request string) context.Context {
	l.t.Helper()
	c.write(request)
	ctx := <-l.entered
	<-l.returned
	return ctx
}

func (c *caller) write(request string) {
	c.t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		c.t.Fatal(err)
	}
}

// response reads one answer, as it was written.
func (c *caller) response() (status int, raw string) {
	c.t.Helper()
	var seen bytes.Buffer
	r, err := http.ReadResponse(bufio.NewReader(io.TeeReader(oneByOne{c.read}, &seen)), nil)
	if err != nil {
		c.t.Fatalf("the answer: %v after %q", err, seen.String())
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		c.t.Fatalf("the answer's body: %v after %q", err, seen.String())
	}
	return r.StatusCode, regexp.MustCompile(`Date: [^\r]+GMT\r`).ReplaceAllString(seen.String(), "Date: now\r")
}

// oneByOne keeps a reader above from taking what belongs to the next answer.
type oneByOne struct{ io.Reader }

func (o oneByOne) Read(p []byte) (int, error) { return o.Reader.Read(p[:1]) }

// ended reads that the other side has closed the connection.
func (c *caller) ended() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.read); err != nil || len(rest) > 0 {
		c.t.Errorf("the connection has %q, %v, want its end", rest, err)
	}
}

// stop ends the server, after which the log is whole.
func (l *lot) stop() string {
	l.drain(bridge.ErrDraining)
	l.Close()
	return l.log.String()
}

// settled waits until nobody is parked.
func (l *lot) settled() error { return l.listener.Wait(l.t.Context()) }

// come is an operation's end.
func come(a bridge.Answer, err error) func() (bridge.Answer, error) {
	return func() (bridge.Answer, error) { return a, err }
}

// stays sends a request, and fails if its handler returns before it is answered.
func (l *lot) stays(c *caller, request string) {
	l.t.Helper()
	c.write(request)
	<-l.entered
	l.answer <- func() (bridge.Answer, error) {
		if len(l.returned) > 0 {
			l.t.Error("the handler returned before the answer")
		}
		return replied, nil
	}
	if status, raw := c.response(); status != http.StatusOK {
		l.t.Fatalf("= %s", raw)
	}
	<-l.returned
}
