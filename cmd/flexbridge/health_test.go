package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"flexbridge/bridge/flex/flexsim"
)

func TestHealth(t *testing.T) {
	w := newWorld(t, nil, flexsim.Config{})
	r := w.start(nil)
	setEnviron(t, map[string]string{"LISTEN_ADDR": strings.TrimPrefix(r.url, "http://")})
	if err := command().Run(t.Context(), []string{"flexbridge", "health"}); err != nil {
		t.Errorf("health of a running service = %v, want nil", err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if err := command().Run(t.Context(), []string{"flexbridge", "health"}); err == nil {
		t.Error("health of a stopped service = nil, want an error")
	}
}

// A command that is mistyped is not the service.
func TestUnknownCommand(t *testing.T) {
	setEnviron(t, map[string]string{})
	for _, args := range [][]string{{"docter"}, {"serve", "now"}, {"health", "--", "x"}} {
		err := command().Run(t.Context(), append([]string{"flexbridge"}, args...))
		if err == nil || !strings.Contains(err.Error(), "is neither a command nor an option") {
			t.Errorf("flexbridge %q = %v, want that it is unknown", args, err)
		}
	}
}

func TestHealthOfAnotherAnswer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, listen := range []string{":" + port, "0.0.0.0:" + port, "127.0.0.1:" + port} {
		setEnviron(t, map[string]string{"LISTEN_ADDR": listen})
		if err := health(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("health at %s = %v, want the status", listen, err)
		}
	}
}

func TestLocalAddress(t *testing.T) {
	for listen, want := range map[string]string{
		":5002":           "127.0.0.1:5002",
		"0.0.0.0:5002":    "127.0.0.1:5002",
		"[::]:5002":       "127.0.0.1:5002",
		"[::1]:5002":      "[::1]:5002",
		"10.1.2.3:5002":   "10.1.2.3:5002",
		"localhost:5002":  "localhost:5002",
		"bridge.lan:5002": "bridge.lan:5002",
	} {
		if got, err := localAddress(listen); err != nil || got != want {
			t.Errorf("localAddress(%q) = %q, %v, want %q", listen, got, err, want)
		}
	}
	if _, err := localAddress("5002"); err == nil {
		t.Error("localAddress without a colon = nil error")
	}
}
