package api_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"flexbridge/api"
	"flexbridge/bridge"
)

var (
	waitForm  = regexp.MustCompile(`(time|wait)=\S+`)
	retryForm = regexp.MustCompile(`Retry-After: \d+`) // at random
)

// Whoever is parked gets the bytes that it would have got, and has the same line in
// the log.
func TestParkedAnswersAreTheSame(t *testing.T) {
	long := replied
	long.Messages = []bridge.Message{{Text: strings.Repeat("é", bridge.MaxText)}}
	for name, answer := range map[string]func() (bridge.Answer, error){
		"an answer": come(replied, nil),
		"a long":    come(long, nil),
		"busy":      come(bridge.Answer{}, bridge.ErrBusy),
		"unsure":    come(bridge.Answer{}, bridge.ErrUnsure),
		"unknown":   come(bridge.Answer{}, errors.New("secret")),
		"a panic":   func() (bridge.Answer, error) { panic(bang) },
	} {
		for _, request := range []string{
			sending, replying,
			strings.Replace(sending, "Host: x", "Host: x\r\nConnection: close", 1),
			strings.Replace(replying, "Host: x", "Host: x\r\nOrigin: https://chatgpt.com", 1),
		} {
			got := map[time.Duration][2]string{}
			for _, parkAfter := range []time.Duration{time.Hour, 1} {
				l := newLot(t, parkAfter, func(cfg *api.Config, _ *http.Server) {
					cfg.Limiter, cfg.QuestionsPerCustomer = counting{}, 10
				})
				c := l.dial()
				c.write(strings.Replace(request, "Host: x", "Host: x\r\nX-Request-Id: the-same", 1))
				<-l.entered
				if parkAfter == 1 {
					<-l.returned
				}
				l.answer <- answer
				_, raw := c.response()
				if strings.Contains(request, "close") {
					c.ended()
				} else {
					c.write(answering)
					if status, _ := c.response(); status != http.StatusOK {
						t.Errorf("%s: GET /livez on the same connection = %d, want 200", name, status)
					}
				}
				line, _, _ := strings.Cut(waitForm.ReplaceAllString(l.stop(), ""), "route=/livez")
				if strings.Contains(line, "panic:") { // whose stack is another
					if !strings.Contains(line, "parked_test.go") {
						t.Errorf("log = %s, want the stack", line)
					}
					line, _, _ = strings.Cut(line, " err=")
				}
				got[parkAfter] = [2]string{retryForm.ReplaceAllString(raw, ""), line}
			}
			if got[time.Hour] != got[1] || !strings.Contains(got[1][1], "customer=") {
				t.Errorf("%s: parked, %.100q is answered\n%.2000q, want\n%.2000q", name, request, got[1], got[time.Hour])
			}
		}
	}
}

// counting is a Limiter that has always the same left.
type counting struct{}

func (counting) Spend(context.Context, string, int) (int, time.Duration, error) { return 7, 0, nil }

// A connection goes on after a parked answer, however the next request comes.
func TestParkedConnectionGoesOn(t *testing.T) {
	for name, pieces := range map[string][2]string{
		"after the answer":        {"", answering},
		"with the first":          {answering, ""},
		"begun before the answer": {answering[:7], answering[7:]},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLot(t, 1, nil)
			c := l.dial()
			for range 3 {
				l.park(c, sending+pieces[0])
				l.answer <- come(replied, nil)
				if status, raw := c.response(); status != http.StatusOK || !strings.Contains(raw, `"replied"`) {
					t.Fatalf("POST = %s", raw)
				}
				c.write(pieces[1])
				if status, raw := c.response(); status != http.StatusOK || !strings.HasSuffix(raw, "ok\n") {
					t.Fatalf("GET /livez = %s", raw)
				}
				<-l.returned
				ctx := l.park(c, replying)
				c.write(answering[:5])
				l.answer <- come(replied, nil)
				c.response()
				if ctx.Err() != nil && context.Cause(ctx) != context.Canceled {
					t.Errorf("the context ended with %v", context.Cause(ctx))
				}
				c.write(answering[5:])
				c.response()
				<-l.returned
			}
		})
	}
}

// What cannot be parked waits in its handler: who speaks HTTP/1.0, and who sends more
// than is read.
func TestNotParked(t *testing.T) {
	for name, request := range map[string]string{
		"HTTP/1.0": strings.Replace(sending, "HTTP/1.1", "HTTP/1.0", 1),
		"a body":   strings.Replace(replying, "Host: x", "Host: x\r\nContent-Length: 3", 1) + "abc",
		"a chunk":  strings.Replace(replying, "Host: x", "Host: x\r\nTransfer-Encoding: chunked", 1) + "0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLot(t, 1, nil)
			l.stays(l.dial(), request)
		})
	}
}

// A process that stops answers all who are parked, and waits until it has.
func TestParkedDrain(t *testing.T) {
	l := newLot(t, 1, nil)
	slow, quick, idle := l.dial(), l.dial(), l.dial()
	l.park(idle, sending)
	l.answer <- come(replied, nil)
	idle.response()
	gate := make(chan struct{})
	l.park(slow, sending)
	l.answer <- func() (bridge.Answer, error) { <-gate; return replied, nil }
	l.park(quick, sending)
	l.drain(bridge.ErrDraining)
	if _, raw := quick.response(); !strings.Contains(raw, `"pending"`) || !strings.Contains(raw, "\r\nConnection: close\r\n") {
		t.Errorf("a parked caller reads %s, want pending and the end", raw)
	}
	quick.ended()
	if err := l.listener.Close(); err != nil {
		t.Fatal(err)
	}
	idle.ended()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := l.listener.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait = %v while one is not answered, want the end of the time", err)
	}
	close(gate)
	if err := l.listener.Wait(t.Context()); err != nil {
		t.Errorf("Wait = %v", err)
	}
	if _, raw := slow.response(); !strings.Contains(raw, `"replied"`) || !strings.Contains(raw, "\r\nConnection: close\r\n") {
		t.Errorf("the last reads %s, want its answer and the end", raw)
	}
	slow.ended()
}

// A connection that was parked is kept idle for IdleTimeout, and a request on it has
// ReadHeaderTimeout, as on any.
func TestParkedConnectionLimits(t *testing.T) {
	const short, long = 30 * time.Millisecond, time.Minute
	for name, row := range map[string]struct {
		idle, header time.Duration
		sends        string
	}{
		"nothing comes":      {short, long, ""},
		"a header is begun":  {long, short, "G"},
		"nothing, otherwise": {0, short, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLot(t, 1, func(_ *api.Config, s *http.Server) {
				s.IdleTimeout, s.ReadHeaderTimeout = row.idle, row.header
				if row.idle == 0 {
					s.ReadTimeout = short
				}
			})
			c := l.dial()
			l.park(c, sending)
			l.answer <- come(replied, nil)
			c.response()
			c.write(row.sends)
			if row.sends != "" {
				if status, raw := c.response(); status != http.StatusBadRequest {
					t.Errorf("after a header that does not end: %s", raw)
				}
			}
			c.ended()
		})
	}
}
