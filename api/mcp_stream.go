package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// stream is the response to an exchange. The SDK and a call's sign of life write
// to it from goroutines of their own.
type stream struct {
	response *echo.Response
	request  context.Context

	mu        sync.Mutex
	closed    bool     // the response is another request's by now
	failed    bool     // the caller left, or writing failed
	unwritten []func() // of answers that are on their way to here
	reached   []func() // of those that arrived
}

func newStream(response *echo.Response, request context.Context) *stream {
	return &stream{response: response, request: request}
}

var errStreamClosed = errors.New("the response has ended")

func (s *stream) Header() http.Header { return s.response.Header() }

// WriteHeader adds what the SDK leaves out: replies are for one pair of eyes, and
// nginx would keep the whole stream until it ends.
func (s *stream) WriteHeader(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.begin(status)
	}
}

func (s *stream) begin(status int) {
	if s.response.Committed {
		return
	}
	s.response.Header().Set(echo.HeaderCacheControl, "no-store, no-transform")
	s.response.Header().Set("X-Accel-Buffering", "no")
	s.response.WriteHeader(status)
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(p)
}

// write asks first whether the caller is still there, as reply does.
func (s *stream) write(p []byte) (int, error) {
	if s.closed {
		return 0, errStreamClosed
	}
	left := callerLeft(s.request)
	s.begin(http.StatusOK)
	n, err := s.response.Write(p)
	s.failed = s.failed || left || err != nil
	return n, err
}

// FlushError is called by the SDK after each event.
func (s *stream) FlushError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.flush()
	if err == nil && !s.failed {
		s.reached, s.unwritten = append(s.reached, s.unwritten...), nil
	}
	return err
}

func (s *stream) flush() error {
	if s.closed {
		return errStreamClosed
	}
	err := http.NewResponseController(s.response.Writer).Flush()
	if err == nil || errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	s.failed = true
	return err
}

// comment writes a line that clients pass over: the sign of life without which some
// of them, and proxies, take a silent wait for a dead one.
func (s *stream) comment(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.write([]byte(": " + text + "\n\n")); err == nil {
		_ = s.flush() // noted
	}
}

// answering is called when an answer is handed to the SDK; written is for when it
// has arrived.
func (s *stream) answering(written func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unwritten = append(s.unwritten, written)
}

// close ends the use of the response. It returns what is to be told of answers
// that reached the caller, and whether anything did not. It may be called twice.
func (s *stream) close() (reached []func(), failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return s.reached, s.failed || len(s.unwritten) > 0
}

// pulse calls beat after first, and then every interval, until stop, after which
// it is not called any more. It holds no goroutine meanwhile.
func pulse(first, interval time.Duration, beat func()) (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	stopped := false
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(first, func() {
		mu.Lock()
		defer mu.Unlock()
		if !stopped {
			beat()
			timer.Reset(interval)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}
