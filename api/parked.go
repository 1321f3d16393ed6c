package api

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
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

// done is what came of an operation.
type done struct {
	answer bridge.Answer
	err    error
}

// attend runs an operation and answers. If that takes long the request is parked:
// then attend returns at once, and leave is called when it is over.
func (a *API) attend(c echo.Context, run run, leave func()) error {
	r := c.Request()
	here, parks := make(chan done), make(chan *parked, 1)
	line := parkable(r)
	if line == nil {
		go run.safely(r.Context(), func(answer bridge.Answer, err error) { here <- done{answer, err} })
		d := <-here
		return a.reply(c, d.answer, d.err)
	}
	ctx, cancel := context.WithCancelCause(carry(line.base, r.Context()))
	go run.safely(ctx, func(answer bridge.Answer, err error) {
		defer cancel(nil)
		select {
		case here <- done{answer, err}:
		case p := <-parks:
			defer leave()
			if p.line.hungUp() {
				cancel(context.Canceled)
			}
			p.conclude(ctx, answer, err)
		}
	})
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
func (run run) safely(ctx context.Context, over func(bridge.Answer, error)) {
	var err error
	func() {
		defer recovered(&err)
		run(ctx, over)
	}()
	if err != nil {
		over(bridge.Answer{}, err)
	}
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
	method, path string   // the path as it is registered
	close        bool     // the caller wants no more than this answer
	header       []string // of the answer so far, names and values, but for what all answers have
}

func (a *API) leaveBehind(c echo.Context, line *line) *parked {
	r, header := c.Request(), c.Response().Header()
	p := &parked{
		api: a, echo: c.Echo(), line: line,
		method: strings.Clone(r.Method), // which else keeps the request's first line
		path:   c.Path(), close: r.Close || header.Get(connection) == "close",
	}
	for name, values := range header {
		if name == connection || slices.Equal(values, a.headers[name]) {
			continue
		}
		for _, value := range values {
			p.header = append(p.header, name, value)
		}
	}
	noted(c).parked = true
	return p
}

// conclude answers as the handler would have.
func (p *parked) conclude(ctx context.Context, answer bridge.Answer, err error) {
	w := lateWriters.Get().(*lateWriter)
	defer lateWriters.Put(w)
	w.begin(p)
	defer func() { p.line.release(w.sent && !p.close) }()
	r := &http.Request{Method: p.method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	c := p.echo.AcquireContext()
	defer p.echo.ReleaseContext(c)
	c.Reset(r.WithContext(ctx), w)
	c.Response().Status = 0 // until there is one: the line of a caller who left has none
	c.SetPath(p.path)
	defer func() { _ = recover() }() // of the logger: nobody is left to be told
	p.api.over(c, p.reply(c, answer, err))
}

func (p *parked) reply(c echo.Context, answer bridge.Answer, failed error) (err error) {
	defer recovered(&err)
	return p.api.reply(c, answer, failed)
}

// lateWriter is the ResponseWriter of one whole answer on a connection that the
// server has let go of. It writes when it is flushed, as net/http would.
type lateWriter struct {
	*parked
	header http.Header
	whole  bytes.Buffer // the answer as it is sent
	sent   bool
}

// lateWriters are used again, as map and buffer are most of what an answer takes.
var lateWriters = sync.Pool{New: func() any { return &lateWriter{header: make(http.Header)} }}

func (w *lateWriter) begin(p *parked) {
	w.parked, w.sent = p, false
	w.whole.Reset()
	clear(w.header)
	maps.Copy(w.header, p.api.headers)
	for i := 0; i < len(p.header); i += 2 {
		w.header.Add(p.header[i], p.header[i+1])
	}
}

func (w *lateWriter) Header() http.Header { return w.header }

func (w *lateWriter) WriteHeader(status int) {
	fmt.Fprintf(&w.whole, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	_ = w.header.Write(&w.whole) // to memory
	w.whole.Write(time.Now().UTC().AppendFormat(w.whole.AvailableBuffer(), "Date: "+http.TimeFormat+"\r\n"))
	if w.close = w.close || w.line.stopping(); w.close {
		w.whole.WriteString(connection + ": close\r\n")
	}
	w.whole.WriteString("\r\n")
}

func (w *lateWriter) Write(p []byte) (int, error) { return w.whole.Write(p) }

func (w *lateWriter) FlushError() error {
	if err := w.line.SetWriteDeadline(time.Now().Add(answerSlack)); err != nil {
		return err
	}
	_, err := w.line.Write(w.whole.Bytes())
	w.sent = err == nil
	return err
}
