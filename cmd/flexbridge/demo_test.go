package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// startDemo runs a demo whose agent is quick, until the test ends.
func startDemo(t *testing.T, silent bool) (*demonstration, *replica) {
	t.Helper()
	listener, err := listenLoopback("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDemo(t.Context(), listener.Addr().String(), silent, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d.pause = 10 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx, listener) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("running: %v", err)
		}
		if err := d.close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return d, &replica{service: d.service, url: d.service.config.PublicURL}
}

// play speaks as the agent, through HTTP as a person would.
func play(t *testing.T, r *replica, order string) int {
	t.Helper()
	a, err := call(t.Context(), http.MethodPost, r.url+"/demo/agent", []byte(order))
	if err != nil {
		t.Fatal(err)
	}
	return a.HTTP
}

func TestDemo(t *testing.T) {
	d, r := startDemo(t, false)
	if status := play(t, r, `{"say":"hello?"}`); status != http.StatusConflict {
		t.Errorf("speaking before any question = %d, want %d", status, http.StatusConflict)
	}
	ask := func(text string) answer {
		t.Helper()
		a, err := r.send(t.Context(), "demo", map[string]any{"msg": text})
		if err != nil || a.Status != "replied" || !strings.Contains(a.texts(), fmt.Sprintf("%q", text)) {
			t.Fatalf("send = %+v, %v, want the agent's reply to %q", a, err, text)
		}
		return a
	}
	ask("first")
	second := ask("second")
	if n := len(d.twilio.Conversations()); n != 1 {
		t.Errorf("two questions opened %d conversations, want 1", n)
	}
	if status := play(t, r, `{"say":"Anything else?"}`); status != http.StatusNoContent {
		t.Errorf("speaking = %d, want %d", status, http.StatusNoContent)
	}
	more, err := r.replies(t.Context(), "demo", second.Cursor, 20)
	if err != nil || more.Status != "replied" || more.texts() != "Anything else?" {
		t.Errorf("replies = %+v, %v, want what was said through /demo/agent", more, err)
	}
	if status := play(t, r, `{}`); status != http.StatusConflict {
		t.Errorf("an order to do nothing = %d, want %d", status, http.StatusConflict)
	}
	if status := play(t, r, `{"close":true}`); status != http.StatusNoContent {
		t.Errorf("closing = %d, want %d", status, http.StatusNoContent)
	}
	ask("third")
	if n := len(d.twilio.Conversations()); n != 2 {
		t.Errorf("after a close there are %d conversations, want 2", n)
	}
}

func TestSilentDemo(t *testing.T) {
	_, r := startDemo(t, true)
	a, err := r.send(t.Context(), "demo", map[string]any{"msg": "anybody?", "wait": 1})
	if err != nil || a.Status != "pending" || len(a.Messages) != 0 {
		t.Fatalf("send = %+v, %v, want pending from a silent agent", a, err)
	}
	if status := play(t, r, `{"say":"me"}`); status != http.StatusNoContent {
		t.Fatalf("speaking = %d, want %d", status, http.StatusNoContent)
	}
	a, err = r.replies(t.Context(), "demo", a.Cursor, 20)
	if err != nil || a.texts() != "me" {
		t.Errorf("replies = %+v, %v, want what the agent was told to say", a, err)
	}
}

func TestDemoListensOnLoopbackOnly(t *testing.T) {
	for _, addr := range []string{":5002", "0.0.0.0:5002", "[::]:5002", "192.0.2.1:5002", "example.com:5002", "5002", ""} {
		err := command().Run(t.Context(), []string{"flexbridge", "demo", "--addr", addr})
		if err == nil || !strings.Contains(err.Error(), "--addr") {
			t.Errorf("demo --addr %q = %v, want an error that names it", addr, err)
		}
	}
	for _, addr := range []string{"127.0.0.1:0", "localhost:0"} {
		l, err := listenLoopback(addr)
		if err != nil {
			t.Errorf("listenLoopback(%q) = %v", addr, err)
			continue
		}
		if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
			t.Errorf("listenLoopback(%q) listens on %v", addr, ip)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// README and the demo tell the same commands.
func TestDemoTellsWhatREADMETells(t *testing.T) {
	readme := readFile(t, "README.md")
	for line := range strings.Lines(fmt.Sprintf(story, "http://127.0.0.1:5002")) {
		if curl := strings.TrimSpace(line); strings.HasPrefix(curl, "curl ") && !strings.Contains(readme, "\n"+curl+"\n") {
			t.Errorf("README does not have the demo's\n%s", curl)
		}
	}
}
