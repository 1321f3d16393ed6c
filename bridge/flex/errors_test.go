package flex_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"flexbridge/bridge"
	"flexbridge/bridge/flex"
	"flexbridge/bridge/flex/flexsim"
)

func TestWhatFailsAndHow(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for _, row := range []struct {
		name         string
		fault        flexsim.Fault
		reads, wrote error // what reads and writes return
	}{
		{"cut before", flexsim.Fault{Cut: true}, bridge.ErrDeskUnavailable, errUnknown},
		{"cut after", flexsim.Fault{Cut: true, Late: true}, bridge.ErrDeskUnavailable, errUnknown},
		{"500", flexsim.Fault{Status: 500}, bridge.ErrDeskUnavailable, errUnknown},
		{"500 after", flexsim.Fault{Status: 500, Late: true}, bridge.ErrDeskUnavailable, errUnknown},
		{"503", flexsim.Fault{Status: 503}, bridge.ErrDeskUnavailable, errUnknown},
		{"502 of a proxy", flexsim.Fault{Status: 502, HTML: true}, bridge.ErrDeskUnavailable, errUnknown},
		{"200 of a proxy", flexsim.Fault{Status: 200, HTML: true, Late: true}, bridge.ErrDeskUnavailable, errUnknown},
		{"redirect", flexsim.Fault{Status: 302, HTML: true}, bridge.ErrDeskUnavailable, errUnknown},
		{"404 of a proxy", flexsim.Fault{Status: 404, HTML: true}, bridge.ErrDeskRefused, bridge.ErrDeskRefused},
		{"400", flexsim.Fault{Status: 400}, bridge.ErrDeskRefused, bridge.ErrDeskRefused},
		{"403", flexsim.Fault{Status: 403}, bridge.ErrDeskRefused, bridge.ErrDeskRefused},
		{"429 for long", flexsim.Fault{Status: 429, RetryAfter: 3600}, bridge.ErrDeskUnavailable, bridge.ErrDeskUnavailable},
		{"429 of a proxy", flexsim.Fault{Status: 429, RetryAfter: 3600, HTML: true}, bridge.ErrDeskUnavailable, bridge.ErrDeskUnavailable},
	} {
		for _, m := range methods {
			w := newWorld(t)
			sid := w.open(t, 0)
			w.fresh()
			w.sim.Break(m.op, -1, row.fault)
			all.Go(func() {
				want, calls := row.wrote, 1
				if m.reads {
					want = row.reads
				}
				if m.reads && row.fault.RetryAfter == 0 && want == bridge.ErrDeskUnavailable {
					calls = 3
				}
				what := m.name + ", " + row.name
				w.outcome(t, what, w.do(t.Context(), m, sid), want)
				calls += m.before
				repeats := m.before > 0 && row.fault.Cut // net/http does, see fresh
				if n := w.sim.Count(); n != calls && !repeats {
					t.Errorf("%s: %d calls, want %d", what, n, calls)
				}
			})
		}
	}
	all.Wait()
}

func TestTwiliosErrors(t *testing.T) {
	const nobody = "CHffffffffffffffffffffffffffffffff"
	w := newWorld(t)
	for _, m := range methods {
		want := bridge.ErrGone
		switch m.name {
		case "Close", "Find", "Create", "OnShift":
			want = nil
		case "Route by Interaction": // or it is the workspace that does not exist
			want = bridge.ErrDeskRefused
		}
		if m.name == "Fetch" {
			continue // asks for a generation
		}
		w.outcome(t, m.name+" in nobody's", w.do(t.Context(), m, nobody), want)
	}
	_, err := w.Fetch(t.Context(), customer, 8)
	w.outcome(t, "Fetch", err, bridge.ErrGone)

	closed := w.open(t, 0)
	_, err = w.Create(t.Context(), customer, 0, bridge.About{})
	w.outcome(t, "Create again", err, bridge.ErrTaken)
	_, err = w.Say(t.Context(), closed, bridge.Utterance{Customer: customer})
	w.outcome(t, "Say nothing", err, bridge.ErrDeskRefused)
	if err := w.Close(t.Context(), closed); err != nil {
		t.Fatal(err)
	}
	for _, m := range methods {
		switch m.name {
		case "Say", "Join", "Hook", "Route", "Route by Interaction":
			w.outcome(t, m.name+" in a closed one", w.do(t.Context(), m, closed), bridge.ErrClosed)
		}
	}
}

func TestWrongCredentialsAndService(t *testing.T) {
	w := newWorld(t, func(c *flex.Config) { c.AuthToken = token + "wrong" })
	elsewhere := newWorld(t, func(c *flex.Config) { c.ServiceSID = "IS9" })
	for _, m := range methods {
		err := w.do(t.Context(), m, "CH1")
		w.outcome(t, m.name, err, bridge.ErrDeskRefused)
		if err != nil && (!strings.Contains(err.Error(), "credentials") || !strings.Contains(err.Error(), "20003")) {
			t.Errorf("%s = %q, want it to tell of credentials and the code", m.name, err)
		}
	}
	_, err := elsewhere.Find(t.Context(), customer)
	elsewhere.outcome(t, "Find", err, bridge.ErrDeskRefused)
	_, err = elsewhere.Create(t.Context(), customer, 0, bridge.About{})
	elsewhere.outcome(t, "Create", err, bridge.ErrDeskRefused)
}

// Nothing listens, so nothing was sent.
func TestNotSentIsUnavailable(t *testing.T) {
	t.Parallel()
	const closed = "http://127.0.0.1:1" // no free port, which another test might take
	var (
		all    sync.WaitGroup
		worlds []*world
	)
	for _, url := range []string{closed, "http://flexbridge.invalid"} {
		w := newWorld(t, func(c *flex.Config) { c.APIURL = url })
		worlds = append(worlds, w)
		for _, m := range methods {
			all.Go(func() {
				err := w.do(t.Context(), m, "CH1")
				w.outcome(t, m.name+" at "+url, err, bridge.ErrDeskUnavailable)
				if err != nil && !strings.Contains(err.Error(), strings.TrimPrefix(url, "http://")) {
					t.Errorf("%s = %q does not tell who was called", m.name, err)
				}
			})
		}
	}
	all.Wait()
	for _, w := range worlds {
		reads := 0
		for _, m := range methods {
			if m.reads {
				reads++
			}
		}
		if got := strings.Count(w.log.String(), "level=WARN"); got != 2*reads {
			t.Errorf("%d calls were tried again, want %d, of the %d reads", got, 2*reads, reads)
		}
	}
	w := newWorld(t)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, m := range methods {
		w.outcome(t, m.name, w.do(over, m, "CH1"), bridge.ErrDeskUnavailable)
	}
	if n := w.sim.Count(); n != 0 {
		t.Errorf("%d calls with a context that was over, want none", n)
	}
}

// A success without a SID leaves unknown what was done.
func TestIncompleteAnswers(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte("{}"))
	}))
	defer server.Close()
	w := newWorld(t, func(c *flex.Config) { c.APIURL = server.URL })
	defer w.CloseIdleConnections()
	for _, m := range methods {
		switch m.name {
		case "Create", "Say", "Route by Interaction":
			w.outcome(t, m.name, w.do(t.Context(), m, "CH1"), errUnknown)
		case "Fetch", "State", "Abandoned":
			w.outcome(t, m.name, w.do(t.Context(), m, "CH1"), bridge.ErrDeskUnavailable)
		}
	}
}

// An answer that ends in its middle was given all the same.
func TestAnswerCutInTheMiddle(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"sid":"CH1"`))
	}))
	defer server.Close()
	w := newWorld(t, func(c *flex.Config) { c.APIURL = server.URL })
	defer w.CloseIdleConnections()
	_, err := w.Create(t.Context(), customer, 0, bridge.About{})
	w.outcome(t, "Create", err, errUnknown)
}
