package flex_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flexbridge/bridge"
	"flexbridge/bridge/flex"
	"flexbridge/bridge/flex/flexsim"
)

func TestThrottledCallsAreRepeated(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for _, m := range methods {
		w := newWorld(t)
		sid := w.open(t, 0)
		w.sim.Break(m.op, 2, flexsim.Fault{Status: 429})
		all.Go(func() {
			before := w.sim.Count(m.op)
			w.outcome(t, m.name, w.do(t.Context(), m, sid), nil)
			if n := w.sim.Count(m.op) - before; n != 3 {
				t.Errorf("%s made %d calls, want 3", m.name, n)
			}
			if !strings.Contains(w.log.String(), "level=WARN") {
				t.Errorf("nothing was logged of it: %q", w.log)
			}
		})
	}
	all.Wait()
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sid := w.open(t, 0)
	w.sim.Break(flexsim.CreateMessage, 1, flexsim.Fault{Status: 429, RetryAfter: 1})
	start := time.Now()
	_, err := w.Say(t.Context(), sid, bridge.Utterance{Customer: customer, Text: "hello"})
	if took := time.Since(start); err != nil || took < time.Second {
		t.Errorf("Say = %v after %v, want success after 1s", err, took)
	}
}

func TestFailedReadsAreRepeatedTwice(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for name, fault := range map[string]flexsim.Fault{
		"500": {Status: 500}, "cut": {Cut: true}, "page": {Status: 200, HTML: true},
	} {
		for _, m := range methods {
			if !m.reads {
				continue
			}
			w := newWorld(t)
			sid := w.open(t, 0)
			w.fresh()
			w.sim.Break(m.op, 2, fault)
			all.Go(func() {
				w.outcome(t, m.name+" after "+name, w.do(t.Context(), m, sid), nil)
				if n := w.sim.Count(m.op); n != 3 {
					t.Errorf("%s made %d calls after %s, want 3", m.name, n, name)
				}
			})
		}
	}
	all.Wait()
}

func TestContextEndsInTheMiddle(t *testing.T) {
	for _, m := range methods {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			sid := w.open(t, 0)
			w.sim.Reset()
			w.sim.Break(m.op, -1, flexsim.Fault{Hold: make(chan struct{})})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				defer cancel()
				_ = w.sim.Until(within(t, 5*time.Second), func() bool { return w.sim.Count(m.op) == 1 })
			}()
			err := w.do(ctx, m, sid)
			want := errUnknown
			if m.reads {
				want = bridge.ErrDeskUnavailable
			}
			w.outcome(t, m.name, err, want)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s = %v, want the context's error in it", m.name, err)
			}
		})
	}
}

func TestTimeoutOfOneRequest(t *testing.T) {
	t.Parallel()
	// The requests that are not held have to be answered within it, on a busy machine, too.
	w := newWorld(t, func(c *flex.Config) { c.Timeout = time.Second })
	hold := make(chan struct{})
	defer close(hold)
	w.sim.Break(flexsim.CreateConversation, 1, flexsim.Fault{Hold: hold})
	w.sim.Break(flexsim.FetchConversation, 1, flexsim.Fault{Hold: hold})
	_, err := w.Create(t.Context(), customer, 0, bridge.About{})
	w.outcome(t, "Create", err, errUnknown)
	sid, err := w.Create(t.Context(), customer, 0, bridge.About{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.State(t.Context(), sid); err != nil {
		t.Errorf("State = %v, want it to be asked again", err)
	}
}

// A redirect is an answer that is not understood, and the request stays one.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		http.Redirect(w, r, "https://elsewhere.example.com/", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	w := newWorld(t, func(c *flex.Config) { c.APIURL, c.Timeout = server.URL, time.Second })
	defer w.CloseIdleConnections()
	_, err := w.Create(t.Context(), customer, 0, bridge.About{})
	w.outcome(t, "Create", err, errUnknown)
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

func TestConnectionsAreReused(t *testing.T) {
	var opened atomic.Int32
	w := newWorld(t)
	server := httptest.NewUnstartedServer(w.sim)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	counted := newWorld(t, func(c *flex.Config) { c.APIURL = server.URL })
	defer counted.fresh()
	sid := counted.open(t, 0)
	for range 120 {
		if _, err := w.sim.StudioSay(sid, strings.Repeat("long ", 100)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		for _, m := range methods { // also with errors, from the second time on
			_ = counted.do(t.Context(), m, sid)
		}
	}
	if n := opened.Load(); n != 2 { // there are two desks
		t.Errorf("%d connections for calls one after the other, want 1 for each desk", n)
	}
}

func TestAPIURLTakesTwiliosPlace(t *testing.T) {
	t.Setenv("TWILIO_EDGE", "dublin")
	t.Setenv("TWILIO_REGION", "ie1")
	var paths []string
	w := newWorld(t, func(c *flex.Config) { c.ServiceSID = flexsim.ServiceSID })
	proxy := httptest.NewServer(http.StripPrefix("/twilio", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.Host+r.URL.Path)
		w.sim.ServeHTTP(rw, r)
	})))
	t.Cleanup(proxy.Close)
	behind := newWorld(t, func(c *flex.Config) {
		c.APIURL, c.ServiceSID = proxy.URL+"/twilio/", flexsim.ServiceSID
		c.APIKey, c.APISecret, c.AuthToken = "SK1", secret, ""
	})
	sid := w.open(t, 0)
	for i := range 101 {
		if _, err := w.sim.StudioSay(sid, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if listing, err := behind.Since(t.Context(), sid, -1); err != nil || len(listing.Messages) != 101 {
		t.Errorf("Since = %d messages, %v, want 101", len(listing.Messages), err)
	}
	want := strings.TrimPrefix(proxy.URL, "http://") + "/v1/Services/" + flexsim.ServiceSID + "/Conversations/" + sid + "/Messages"
	if diff := cmp.Diff([]string{want, want}, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	behind.CloseIdleConnections()
}

func TestNamesAreEscaped(t *testing.T) {
	w := newWorld(t)
	_, err := w.State(t.Context(), "../Services?x=#%")
	w.outcome(t, "State", err, bridge.ErrGone)
	if got, want := w.sim.Calls()[0].Path, "/v1/Conversations/../Services?x=#%"; got != want {
		t.Errorf("path is %q, want %q", got, want)
	}
}
