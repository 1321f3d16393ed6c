package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flexbridge/api"
	"flexbridge/bridge"
)

// Requests that come all at once are parked one after the other, and none loses a byte:
// neither of what the server had read already, nor of what is still to be read.
func TestParkedPipeline(t *testing.T) {
	const requests = 12
	l := newLot(t, 1, nil)
	c := l.dial()
	var all strings.Builder
	for i := range requests {
		body := `{"msg":"` + strings.Repeat("x", 700*i) + `hi"}` // of more than the server's buffer in the end
		length := fmt.Sprintf("Content-Length: %d", len(body))
		if i%3 == 0 {
			length, body = "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		}
		head, _, _ := strings.Cut(sending, "Content-Length")
		fmt.Fprintf(&all, "%sX-Request-Id: number-%d\r\n%s\r\n\r\n%s", head, i, length, body)
	}
	c.write(all.String())
	for i := range requests {
		<-l.entered
		<-l.returned
		l.answer <- come(replied, nil)
		if status, raw := c.response(); status != http.StatusOK || !strings.Contains(raw, fmt.Sprintf("number-%d\r\n", i)) {
			t.Fatalf("answer %d = %s", i, raw)
		}
	}
}

// Whoever waits to be asked for the body is asked once, and answered.
func TestParkedExpectContinue(t *testing.T) {
	l := newLot(t, 1, nil)
	c := l.dial()
	for range 2 {
		head, body, _ := strings.Cut(sending, "\r\n\r\n")
		c.write(head + "\r\nExpect: 100-continue\r\n\r\n")
		if status, raw := c.response(); status != http.StatusContinue {
			t.Fatalf("before the body = %s, want 100", raw)
		}
		l.park(c, body)
		l.answer <- come(replied, nil)
		if status, raw := c.response(); status != http.StatusOK {
			t.Fatalf("after the body = %s", raw)
		}
	}
}

// A parked caller who does not read its answer holds nobody up, and has not been told.
func TestParkedCallerReadsNothing(t *testing.T) {
	l := newLot(t, 1, nil)
	stuck, other := l.dial(), l.dial()
	if err := stuck.Conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	long := replied
	long.Messages = slices.Repeat([]bridge.Message{{Text: strings.Repeat("x", 16_000)}}, 1000) // no buffer takes it
	told := make(chan bool, 2)
	l.park(stuck, sending)
	l.answer <- come(onWritten(long, func() { told <- true }), nil)
	if _, err := stuck.read.Peek(1); err != nil { // it is being written
		t.Fatal(err)
	}
	for range 2 {
		l.park(other, sending)
		l.answer <- come(replied, nil)
		if status, raw := other.response(); status != http.StatusOK {
			t.Fatalf("another = %s", raw)
		}
	}
	_ = stuck.Close()
	if err := l.settled(); err != nil {
		t.Fatal(err)
	}
	told <- false
	if <-told {
		t.Error("the answer that could not be written counts as told")
	}
	if log := l.stop(); !strings.Contains(log, "outcome=caller_left") {
		t.Errorf("log = %s, want a line of who left", log)
	}
}

// Once a listener is retired the answers of parked requests end their connections,
// though it goes on to accept others.
func TestRetire(t *testing.T) {
	l := newLot(t, 1, nil)
	c, other := l.dial(), l.dial()
	l.park(c, sending)
	l.listener.Retire()
	l.answer <- come(replied, nil)
	if status, raw := c.response(); status != http.StatusOK || !strings.Contains(raw, "\r\nConnection: close\r\n") {
		t.Errorf("a parked caller reads %s, want its answer and the end", raw)
	}
	c.ended()
	other.write(answering)
	if status, raw := other.response(); status != http.StatusOK {
		t.Errorf("GET /livez = %s", raw)
	}
}

// Whatever has begun when a server stops under load is answered, parked or not.
func TestStopUnderLoad(t *testing.T) {
	const callers, before = 20, 300 // answers
	var begun, answered atomic.Int32
	cfg := config(t)
	cfg.ParkAfter = 1 // nearly all are parked
	s := httptest.NewUnstartedServer(newServer(t, cfg, &desk{do: func(context.Context, call) (bridge.Answer, error) {
		begun.Add(1)
		return replied, nil
	}}))
	l := api.Listen(s.Config, s.Listener)
	s.Listener = l
	s.Start()
	defer s.Close()
	enough := make(chan struct{})
	var all sync.WaitGroup
	for range callers {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		all.Go(func() {
			for read := bufio.NewReader(conn); ; {
				if _, err := io.WriteString(conn, sending); err != nil {
					return
				}
				response, err := http.ReadResponse(read, nil)
				if err != nil {
					return
				}
				if _, err := io.Copy(io.Discard, response.Body); err != nil {
					t.Error(err)
				}
				if answered.Add(1) == before {
					close(enough)
				}
			}
		})
	}
	<-enough
	if err := errors.Join(s.Config.Shutdown(t.Context()), l.Wait(t.Context())); err != nil {
		t.Error(err)
	}
	all.Wait()
	if begun.Load() != answered.Load() {
		t.Errorf("%d requests have begun, %d are answered", begun.Load(), answered.Load())
	}
}
