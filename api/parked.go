package api

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/textproto"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/trace"

	"flexbridge/bridge"
)

// The server's goroutine, buffers and request of a call that waits are most of what
// it costs, and nobody needs them meanwhile. So a call that is not answered at once
// is parked: its handler takes the connection from the server and returns, and what
// is left here answers, for which it needs little. Afterwards the [Listener] gives
// the connection to the server again.

// parkable returns the connection of a request that may be parked: one that is read
// to its end, and whose answer needs no knowledge of older clients.
func parkable(r *http.Request) *line {
	c, _ := r.Context().Value(lineKey{}).(*line)
	read := r.Method == http.MethodPost || r.ContentLength == 0 // readPost does
	if c == nil || !read || r.ProtoMajor != 1 || !r.ProtoAtLeast(1, 1) {
		return nil
	}
	return c
}

const parkedKey = "flexbridge parked" // set in echo's context of a handler that is not to answer

func isParked(c echo.Context) bool { return c.Get(parkedKey) != nil }

// done is what came of an operation.
type done struct {
	answer bridge.Answer
	err    error
}

// attend runs an operation and answers. If that takes long the request is parked:
// then attend returns at once, and leave is called when it is over.
func (a *API) attend(c echo.Context, run run, leave func()) error {
	r := c.Request()
	line := parkable(r)
	if line == nil {
		answer, err := run(r.Context())
		return a.reply(c, answer, err)
	}
	ctx, cancel := context.WithCancelCause(carry(line.base, r.Context()))
	here, parks := make(chan *done), make(chan *parked, 1)
	go func() {
		defer cancel(nil)
		d := run.safely(ctx)
		select {
		case here <- d:
		case p := <-parks:
			defer leave()
			if p.line.hungUp() {
				cancel(context.Canceled)
			}
			p.conclude(ctx, d)
		}
	}()
	timer := time.NewTimer(a.cfg.ParkAfter)
	defer timer.Stop()
	for gone := r.Context().Done(); ; {
		select {
		case d := <-here:
			return a.reply(c, d.answer, d.err)
		case <-gone:
			cancel(context.Cause(r.Context()))
			gone = nil
		case <-timer.C:
			if line.park(c.Response(), func() { cancel(context.Canceled) }) {
				parks <- a.leaveBehind(c, line)
				return nil
			}
		}
	}
}

// carry is base with what of a request's context is needed to its end. That one itself
// ends with the handler, and holds on to more than has to be kept.
func carry(base, request context.Context) context.Context {
	ctx := context.WithValue(base, marksKey{}, marksOf(request))
	if span := trace.SpanFromContext(request); span.SpanContext().IsValid() {
		ctx = trace.ContextWithSpan(ctx, span)
	}
	return ctx
}

// safely is run, with a panic as an error.
func (run run) safely(ctx context.Context) (d *done) {
	d = new(done)
	defer recovered(&d.err)
	d.answer, d.err = run(ctx)
	return d
}

// recovered makes a panic an error, as recoverPanic does where that is not near.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = panicError(v, debug.Stack())
	}
}

const connection = "Connection"

// parked is what is kept of a request whose handler has returned.
type parked struct {
	api          *API
	echo         *echo.Echo
	line         *line
	method, path string // the path as it is registered
	close        bool   // the caller wants no more than this answer
	header       []byte // of the answer, so far: as a map it is three times as large
	notes        [len(keptNotes)]any
}

// keptNotes are the keys of what logExchange wants to know.
var keptNotes = [...]string{arrivedKey, callerKey, customerKey}

func (a *API) leaveBehind(c echo.Context, line *line) *parked {
	r, set := c.Request(), c.Response().Header()
	p := &parked{
		api: a, echo: c.Echo(), line: line,
		method: r.Method, path: c.Path(), close: r.Close || set.Get(connection) == "close",
	}
	var header bytes.Buffer
	_ = set.WriteSubset(&header, map[string]bool{connection: true}) // to memory
	p.header = bytes.Clone(append(header.Bytes(), "\r\n"...))
	for i, key := range keptNotes {
		p.notes[i] = c.Get(key)
	}
	c.Set(parkedKey, true)
	return p
}

// conclude answers as the handler would have.
func (p *parked) conclude(ctx context.Context, d *done) {
	header, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(p.header))).ReadMIMEHeader() // of ours
	w := &lateWriter{parked: p, header: http.Header(header)}
	defer func() { p.line.release(w.sent && !p.close) }()
	r := &http.Request{Method: p.method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	c := p.echo.NewContext(r.WithContext(ctx), w)
	c.SetPath(p.path)
	for i, key := range keptNotes {
		c.Set(key, p.notes[i])
	}
	defer func() { _ = recover() }() // of the logger: nobody is left to be told
	p.api.over(c, p.reply(c, d))
}

func (p *parked) reply(c echo.Context, d *done) (err error) {
	defer recovered(&err)
	return p.api.reply(c, d.answer, d.err)
}

// lateWriter is the ResponseWriter of one whole answer on a connection that the
// server has let go of. It writes when it is flushed, as net/http would.
type lateWriter struct {
	*parked
	header http.Header
	status int
	body   []byte
	sent   bool
}

func (w *lateWriter) Header() http.Header { return w.header }

func (w *lateWriter) WriteHeader(status int) { w.status = status }

func (w *lateWriter) Write(p []byte) (int, error) {
	w.body = append(w.body, p...)
	return len(p), nil
}

func (w *lateWriter) FlushError() error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", w.status, http.StatusText(w.status))
	_ = w.header.Write(&b)
	fmt.Fprintf(&b, "Date: %s\r\n", time.Now().UTC().Format(http.TimeFormat))
	if w.close = w.close || w.line.stopping(); w.close {
		b.WriteString(connection + ": close\r\n")
	}
	b.WriteString("\r\n")
	b.Write(w.body)
	if err := w.line.SetWriteDeadline(time.Now().Add(answerSlack)); err != nil {
		return err
	}
	_, err := w.line.Write(b.Bytes())
	w.sent = err == nil
	return err
}
