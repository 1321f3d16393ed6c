package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

// TestWhatIsKeptOfPeople holds that no log, Redis key or Twilio record has a
// username, a caller's key or a secret, and no log a text, whatever goes wrong.
func TestWhatIsKeptOfPeople(t *testing.T) {
	redis := storetest.StartRedis(t)
	w := newWorld(t, redis, flexsim.Config{})
	w.redisURL, w.tune = redis.URL+quickRedis, append(w.tune, quick)
	var log lockedBuffer
	w.log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	short := func(c *Config) { c.AuthTokenSecondary = "nexttokensecret" }
	r := w.start(nil, short)
	other := w.start(r, short)

	// All goes well, and what is asked on one replica is read on the other.
	asked := later(func() (answer, error) {
		return r.send(t.Context(), "ann", map[string]any{"msg": "question of ann", "key": "key-of-ann",
			"context": map[string]string{"topic": "context of ann"}})
	})
	w.reply(w.asked("question of ann"), "reply to ann")
	cursor := w.want(<-asked, "replied", "reply to ann").Cursor
	w.want(now(other.replies(t.Context(), "ann", cursor, 0)), "pending", "")

	// Everything a caller can do wrong, and everything that can go wrong behind it.
	code := func(want string, a answer, err error) {
		t.Helper()
		if err != nil || a.Code != want {
			t.Errorf("answer = %d %q %s (%v), want %s", a.HTTP, a.Code, a.Detail, err, want)
		}
	}
	send := func(want string, body map[string]any) {
		t.Helper()
		a, err := r.send(t.Context(), "ann", body)
		code(want, a, err)
	}
	send("invalid", map[string]any{"msg": "question of ann", "wrong-field-of-ann": 1})
	send("invalid", map[string]any{"msg": "question of ann", "key": "key-of-ann\n"})
	send("key_reused", map[string]any{"msg": "other question of ann", "key": "key-of-ann"})
	send("cursor_ahead", map[string]any{"msg": "next question of ann", "after": strings.Replace(cursor, "0-", "0-99", 1)})
	a, err := call(t.Context(), http.MethodGet, r.url+"/nothing/"+username("ann"), nil)
	code("not_found", a, err)
	a, err = call(t.Context(), http.MethodPost, r.url+"/replies/"+username("ann"), nil)
	code("method_not_allowed", a, err)
	a, err = call(t.Context(), http.MethodPost, r.url+"/send/short-of-ann", []byte(`{"msg":"question of ann"}`))
	code("invalid", a, err)
	w.twilio.Break(flexsim.CreateMessage, 1, flexsim.Fault{Status: 400})
	send("desk_refused", map[string]any{"msg": "refused question of ann"})
	w.twilio.Break(flexsim.AnyOp, -1, flexsim.Fault{Cut: true})
	a, err = r.send(t.Context(), "bob", map[string]any{"msg": "question of bob", "wait": 0})
	code("desk_unavailable", a, err)
	w.twilio.Mend()
	p := process{replica: r}
	if got := p.forge(1); got != "403" {
		t.Errorf("a forged webhook was answered %s", got)
	}
	hungUp, hangUp := context.WithCancel(t.Context())
	parked := later(func() (answer, error) { return r.send(hungUp, "cleo", map[string]any{"msg": "question of cleo"}) })
	sid := w.asked("question of cleo")
	hangUp()
	<-parked
	w.reply(sid, "reply to cleo")
	w.want(now(other.replies(t.Context(), "cleo", "", 10)), "replied", "reply to cleo")

	keys, values := contents(redis)
	redis.Kill()
	a, err = r.send(t.Context(), "dora", map[string]any{"msg": "question of dora", "wait": 0})
	code("mailbox_unavailable", a, err)
	if a, err := r.replies(t.Context(), "cleo", "", 0); err != nil || a.Code != "mailbox_unavailable" {
		t.Errorf("answer = %q (%v), want mailbox_unavailable", a.Code, err)
	}
	redis.Restart(true)

	var names []string
	for _, name := range []string{"ann", "bob", "cleo", "dora"} {
		names = append(names, username(name))
	}
	secrets := append(names, "key-of-ann", "short-of-ann", flexsim.AuthToken, "nexttokensecret", string(testConfig("").IdentitySecret))
	texts := []string{"question of", "context of", "reply to", "invented", "wrong-field"}
	nowhere(t, "the log", log.String(), append(secrets, texts...)...)
	nowhere(t, "Redis' keys", keys, append(secrets, texts...)...)
	// Replies are what Redis is there for; questions are none of its business.
	nowhere(t, "Redis' values", values, append(secrets, "question of", "context of")...)
	if !strings.Contains(values, "reply to cleo") || !strings.Contains(log.String(), `"outcome":"replied"`) {
		t.Errorf("nothing was looked at: %q %q", keys, log.String())
	}
	var records strings.Builder
	for _, c := range w.twilio.Calls() {
		fmt.Fprintln(&records, c.Method, c.Path, c.Params, c.Header)
	}
	fmt.Fprintf(&records, "%+v", w.twilio.Conversations())
	nowhere(t, "Twilio's records", records.String(), secrets...)
}

func nowhere(t *testing.T, where, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("%q is in %s: …%s…", secret, where, text[max(0, i-200):min(len(text), i+100)])
		}
	}
}

// contents are all keys of Redis, and what is under them.
func contents(redis *storetest.Server) (keys, values string) {
	var k, v strings.Builder
	for _, key := range redis.Do("KEYS", "*").([]any) {
		fmt.Fprintln(&k, key)
		switch kind := redis.Do("TYPE", key); kind {
		case "hash":
			fmt.Fprintln(&v, redis.Do("HGETALL", key))
		case "string":
			fmt.Fprintln(&v, redis.Do("GET", key))
		case "none": // it has expired since
		default:
			panic(fmt.Sprintf("%v is a %v", key, kind))
		}
	}
	return k.String(), v.String()
}

// lockedBuffer may be written to by many at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
