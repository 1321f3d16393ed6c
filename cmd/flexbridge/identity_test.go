package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"flexbridge/store/storetest"
)

// starting is a service at its start, and its log.
type starting struct {
	t   *testing.T
	s   *service
	log *bytes.Buffer
}

func startWith(t *testing.T, redis *storetest.Server, secret string) starting {
	t.Helper()
	var log bytes.Buffer
	c := testConfig("https://bridge.example.com")
	c.RedisURL, c.IdentitySecret = Secret(redis.URL), Secret(strings.Repeat(secret, 32))
	s, err := newService(t.Context(), c, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	return starting{t, s, &log}
}

// warned waits until the comparison is over, and reports whether it was loud.
func (s starting) warned() bool {
	s.t.Helper()
	select {
	case <-s.s.identity.over:
	case <-time.After(20 * time.Second):
		s.t.Fatal("the comparison does not end")
	}
	loud := strings.Contains(s.log.String(), "level=ERROR") && strings.Contains(s.log.String(), "IDENTITY_SECRET")
	if !loud && s.log.Len() > 0 {
		s.t.Errorf("log = %s", s.log)
	}
	if strings.Contains(s.log.String(), string(s.s.config.IdentitySecret)) {
		s.t.Errorf("the log has the secret: %s", s.log)
	}
	return loud
}

func TestAnotherSecretIsLoud(t *testing.T) {
	redis := storetest.StartRedis(t)
	for i, row := range []struct {
		secret string
		loud   bool
	}{
		{"a", false}, // the first ever
		{"a", false}, // a second replica, or a restart
		{"b", true},
		{"b", false}, // told once
		{"a", true},
	} {
		if got := startWith(t, redis, row.secret).warned(); got != row.loud {
			t.Errorf("start %d with the secret %s: loud = %v, want %v", i, row.secret, got, row.loud)
		}
	}
}

// A Redis that is not there at the start is asked once it is.
func TestSecretIsComparedLater(t *testing.T) {
	redis := storetest.StartRedis(t)
	startWith(t, redis, "a").warned()
	redis.Kill()
	late, never := startWith(t, redis, "b"), startWith(t, redis, "b")
	if err := never.s.close(); err != nil { // ends it
		t.Error(err)
	}
	if never.warned() {
		t.Error("it knew of another secret without Redis")
	}
	redis.Restart(true)
	if !late.warned() {
		t.Error("it was silent about another secret")
	}
}
