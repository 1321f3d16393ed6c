package api_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"flexbridge/api"
	"flexbridge/bridge"
)

// leaves are the ways to hang up.
var leaves = map[string]func(*net.TCPConn) error{
	"closes":       (*net.TCPConn).Close,
	"resets":       func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
	"says no more": (*net.TCPConn).CloseWrite,
}

func (c *caller) leave(how func(*net.TCPConn) error) {
	c.t.Helper()
	if err := how(c.Conn.(*net.TCPConn)); err != nil {
		c.t.Fatal(err)
	}
}

// A parked caller who hangs up ends the wait, and gives its place back.
func TestParkedCallerLeaves(t *testing.T) {
	for name, how := range leaves {
		t.Run(name, func(t *testing.T) {
			l := newLot(t, 1, func(cfg *api.Config, _ *http.Server) { cfg.Auth, cfg.MaxParkedPerCaller = api.Apps{}, 1 })
			mine := strings.Replace(sending, "Host: x", "Host: x\r\n"+api.AppHeader+": crm", 1)
			c := l.dial()
			ctx := l.park(c, mine)
			other := l.dial()
			other.write(mine)
			if status, raw := other.response(); status != http.StatusTooManyRequests {
				t.Errorf("a second = %s, want 429", raw)
			}
			c.leave(how)
			<-ctx.Done()
			go func() {
				<-l.entered
				l.answer <- come(replied, nil)
			}()
			for status := 0; status != http.StatusOK; { // 429 until the place is free
				other.write(mine)
				status, _ = other.response()
				<-l.returned
			}
			if log := l.stop(); !strings.Contains(log, "status=0 outcome=caller_left") {
				t.Errorf("log = %s, want a line of who left", log)
			}
		})
	}
}

// Whether a caller is still there is asked again before it is told.
func TestParkedCallerLeftUnnoticed(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // nobody notices while the answer is on its way
	const tries = 21
	l := newLot(t, 1, nil)
	var told atomic.Int32
	for range tries {
		c := l.dial()
		l.park(c, sending)
		l.answer <- func() (bridge.Answer, error) {
			_ = c.Close()
			return onWritten(replied, func() { told.Add(1) }), nil
		}
		if err := l.settled(); err != nil {
			t.Fatal(err)
		}
	}
	if told.Load() > tries/2 { // sometimes the news of it travels a moment
		t.Errorf("%d of %d who have left count as told", told.Load(), tries)
	}
	if log := l.stop(); !strings.Contains(log, "status=0 outcome=caller_left") {
		t.Errorf("log = %s, want to have left", log)
	}
}

// No moment is too early to hang up: neither before a request is parked nor meanwhile.
func TestParkedCallerLeavesMeanwhile(t *testing.T) {
	for name, how := range leaves {
		t.Run(name, func(t *testing.T) {
			l := newLot(t, 1, nil)
			for range 200 {
				c := l.dial()
				c.write(sending)
				ctx := <-l.entered
				c.leave(how)
				<-ctx.Done()
				<-l.returned
			}
		})
	}
}

// Of many callers exactly those who hang up are taken to have, at once, though others
// come after them on sockets of the same numbers, and some wait again on connections
// that have waited.
func TestParkedCallersComeAndGo(t *testing.T) {
	const pairs, rounds = 10, 50 // within the patience of one caller
	l := newLot(t, 1, nil)
	type waiting struct {
		*caller
		context.Context
	}
	wait := func(c *caller) waiting { return waiting{c, l.park(c, sending)} }
	var stay [pairs]*caller
	for i := range stay {
		stay[i] = l.dial()
	}
	hows := slices.Collect(maps.Values(leaves))
	for range rounds {
		var staying, leaving []waiting
		for i, c := range stay {
			staying, leaving = append(staying, wait(c)), append(leaving, wait(l.dial()))
			if i%2 == 0 { // the other connection goes on
				stay[i], staying[i], leaving[i] = leaving[i].caller, leaving[i], staying[i]
			}
		}
		for i, w := range leaving {
			w.leave(hows[i%len(hows)])
		}
		for _, w := range leaving {
			<-w.Done()
			_ = w.Close()
		}
		for _, w := range staying {
			if w.Err() != nil {
				t.Fatal("one who stays is taken to have left")
			}
			l.answer <- come(replied, nil) // to any of them
		}
		for _, w := range staying {
			if status, raw := w.response(); status != http.StatusOK {
				t.Fatalf("one who stays reads %s", raw)
			}
		}
	}
	if err := l.settled(); err != nil || l.listener.Watched() != 0 {
		t.Errorf("%d are still watched, %v", l.listener.Watched(), err)
	}
}

// Whoever has sent the next request is there, even if it is the last.
func TestParkedCallerSendsMore(t *testing.T) {
	l := newLot(t, 1, nil)
	c, other := l.dial(), l.dial()
	ctx := l.park(c, sending)
	left := l.park(other, sending)
	c.write(answering)
	c.leave(leaves["says no more"])
	other.leave(leaves["closes"])
	<-left.Done() // what came before is known as well
	if ctx.Err() != nil {
		t.Fatal("the caller is taken to have left")
	}
	l.answer <- come(replied, nil)
	for _, of := range []string{"POST", "GET /livez"} {
		if status, raw := c.response(); status != http.StatusOK {
			t.Errorf("%s = %s", of, raw)
		}
	}
	c.ended()
}
