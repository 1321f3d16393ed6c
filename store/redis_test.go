package store_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge"
	"flexbridge/store"
	"flexbridge/store/storetest"
)

func TestOpenRedisRefuses(t *testing.T) {
	for _, url := range []string{
		"", "localhost:6379", "http://localhost", "redis://:hunter2@host:port", "redis://host/notanumber",
		"redis://:hunter2@host?nonsense=1", "redis://:hunter2@a:1,b:2/5?addr=x", "unix://", "redis://a,b?pool_size=x",
	} {
		r, err := store.OpenRedis(url, store.Config{})
		if err == nil {
			_ = r.Close()
			t.Errorf("OpenRedis(%q): no error", url)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("OpenRedis(%q) = %v, which tells the password", url, err)
		}
	}
}

func TestOpenRedisTakes(t *testing.T) {
	for _, url := range []string{
		"redis://localhost", "rediss://user:a,b@localhost:6380/2?pool_size=4", "unix:///run/redis.sock",
		"redis://:p,w@a:1,b:2,c:3", "rediss://a:1,b:2?read_timeout=1s", "redis://a:1?addr=b:2",
		"redis://a:1,b:2/3?master_name=m&username=u&password=p&route_randomly=true",
	} {
		r, err := store.OpenRedis(url, store.Config{})
		if err != nil {
			t.Errorf("OpenRedis(%q) = %v", url, err)
			continue
		}
		check(t, r.Close())
		check(t, r.Close())
	}
}

// TestRedisUser: a user who may touch nothing but ours, with a password that must be
// escaped, and a database.
func TestRedisUser(t *testing.T) {
	s := storetest.StartRedis(t)
	s.Do("ACL", "SETUSER", "bridge", "on", ">p@ss,word", "~flexbridge:*", "~rate:flexbridge:*", "&flexbridge:*", "+@all")
	r := open(t, "redis://bridge:p%40ss,word@"+s.Addr+"/3", store.Config{})
	wakes(t, r, watch(t, r, "CH1"), "CH1", 0)
	_, _, err := r.Spend(t.Context(), "b", 1)
	check(t, err)
	if keys, _ := s.Do("INFO", "keyspace").(string); !strings.Contains(keys, "db3:keys=2") || strings.Contains(keys, "db0:") {
		t.Errorf("INFO keyspace = %q, want both keys in database 3", keys)
	}
	if err := open(t, "redis://bridge:wrong@"+s.Addr, store.Config{}).Ping(t.Context()); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("Ping with a wrong password = %v, want an error without it", err)
	}
}

// Every key has a lifetime; package comment, Keys and lifetimes.
func TestRedisLifetimes(t *testing.T) {
	s := storetest.StartRedis(t)
	r := open(t, s.URL, store.Config{Retention: time.Hour})
	ctx := t.Context()
	bob := bridge.Customer("bob")
	saying := bridge.Saying{Conversation: "CH1", Nonce: "n", Hold: time.Second, Life: 2 * time.Minute}

	_, err := r.Keep(ctx, "CH1", hello)
	check(t, err)
	_, err = r.Claim(ctx, "CH2", time.Second)
	check(t, err)
	check(t, r.Tell(ctx, ana, bridge.At(0, "CH1", 0)))
	check(t, r.Enter(ctx, ana, nil))
	check(t, r.Enter(ctx, bob, nil))
	_, _, err = r.Lease(ctx, ana, "a", time.Second)
	check(t, err)
	_, _, err = r.Begin(ctx, ana, "k", saying)
	check(t, err)
	for range 20 {
		_, _, err = r.Spend(ctx, "b", 20)
		check(t, err)
	}
	_, err = r.Adopt(ctx, "id", "v", 3*time.Minute)
	check(t, err)

	want := map[string]time.Duration{
		"flexbridge:{id}:adopted":                 3 * time.Minute,
		"flexbridge:{CH1}":                        time.Hour,
		"flexbridge:{CH2}":                        time.Hour,
		"flexbridge:{" + string(ana) + "}":        time.Hour,
		"flexbridge:{bob}":                        time.Minute,
		"flexbridge:{" + string(ana) + "}:open":   10 * time.Minute,
		"flexbridge:{" + string(ana) + "}:said:k": 2 * time.Minute,
		"rate:flexbridge:{b}":                     time.Minute,
	}
	keys, _ := s.Do("KEYS", "*").([]any)
	if len(keys) != len(want) {
		t.Errorf("keys = %v, want %d", keys, len(want))
	}
	for key, life := range want {
		left, _ := s.Do("PTTL", key).(int64)
		if d := time.Duration(left) * time.Millisecond; d > life || d < life-20*time.Second {
			t.Errorf("%s lives for %v, want %v", key, d, life)
		}
	}

	s.Do("HSET", "flexbridge:{bob}", "nothing", "1")
	if d, err := r.Directory(ctx, bob); err != nil || d.Known {
		t.Errorf("Directory = %+v, %v, want the minute to be over", d, err)
	}
}

// What somebody wrote by hand is an error, never a panic.
func TestRedisCorrupt(t *testing.T) {
	s := storetest.StartRedis(t)
	r := open(t, s.URL, store.Config{})
	ctx := t.Context()
	reads := map[string]func() error{
		"flexbridge:{CH1}": func() error { _, err := r.Read(ctx, "CH1", -1); return err },
		"flexbridge:{c}":   func() error { _, err := r.Directory(ctx, "c"); return err },
		"flexbridge:{c}:open": func() error {
			_, _, err := r.Lease(ctx, "c", "a", time.Second)
			return err
		},
		"flexbridge:{c}:said:k": func() error {
			_, _, err := r.Begin(ctx, "c", "k", bridge.Saying{Hold: time.Minute, Life: time.Minute})
			return err
		},
	}
	for _, c := range []struct{ key, field, value string }{
		{"flexbridge:{CH1}", "mark", "x"},
		{"flexbridge:{CH1}", "top", "1.5"},
		{"flexbridge:{CH1}", "own", "x"},
		{"flexbridge:{CH1}", "closed", "x"},
		{"flexbridge:{CH1}", "agents", "x"},
		{"flexbridge:{CH1}", "generation", "x"},
		{"flexbridge:{CH1}", "gap_at", "x"},
		{"flexbridge:{CH1}", "looked", "x"},
		{"flexbridge:{CH1}", "m:0", "{"},
		{"flexbridge:{c}", "told", "x"},
		{"flexbridge:{c}", "one", "CH1"},
		{"flexbridge:{c}", "nothing", "x"},
		{"flexbridge:{c}:open", "until", "x"},
		{"flexbridge:{c}:open", "done", "x"},
		{"flexbridge:{c}:open", "generation", "x"},
		{"flexbridge:{c}:said:k", "generation", "x"},
		{"flexbridge:{c}:said:k", "until", "x"},
		{"flexbridge:{c}:said:k", "after", "x"},
		{"flexbridge:{c}:said:k", "index", "x"},
	} {
		s.Do("FLUSHALL")
		_, err := r.Keep(ctx, "CH1", hello)
		check(t, err)
		check(t, r.Enter(ctx, "c", map[int]string{0: "CH1"}))
		_, _, err = r.Begin(ctx, "c", "k", bridge.Saying{Hold: time.Minute, Life: time.Minute})
		check(t, err)
		s.Do("HSET", c.key, c.field, c.value)
		if err := reads[c.key](); err == nil {
			t.Errorf("%s %s = %q: no error", c.key, c.field, c.value)
		}
	}
	s.Do("SET", "flexbridge:{CH9}", "a string")
	if _, err := r.Keep(ctx, "CH9", hello); err == nil {
		t.Error("Keep over a string: no error")
	}
	s.Do("FLUSHALL")
	s.Do("HSET", "flexbridge:{CH1}", "mark", "x")
	if _, err := r.Keep(ctx, "CH1", hello); err == nil {
		t.Error("Keep with a corrupt mark: no error")
	}
	if n := s.Do("HLEN", "flexbridge:{CH1}"); n != int64(1) {
		t.Errorf("%v fields after a Keep that failed, want nothing written", n)
	}
	s.Do("HSET", "flexbridge:{c}", "told", "x")
	if err := r.Tell(ctx, "c", bridge.At(0, "CH1", 1)); err == nil {
		t.Error("Tell with a corrupt cursor: no error")
	}
}

// What a server knew of the identity secret is told once.
func TestRedisIdentity(t *testing.T) {
	s := storetest.StartRedis(t)
	r := open(t, s.URL, store.Config{})
	for _, row := range []struct{ now, before string }{{"one", ""}, {"one", "one"}, {"two", "one"}, {"one", "two"}} {
		if before, err := r.SwapIdentity(t.Context(), row.now); err != nil || before != row.before {
			t.Errorf("SwapIdentity(%q) = %q, %v, want %q", row.now, before, err, row.before)
		}
	}
	if life := s.Do("PTTL", "flexbridge:identity"); life != int64(-1) {
		t.Errorf("the fingerprint lives for %v ms, want no end", life)
	}
	s.Kill()
	if _, err := r.SwapIdentity(t.Context(), "one"); err == nil {
		t.Error("SwapIdentity without a server: no error")
	}
}

func TestRedisScriptFlush(t *testing.T) {
	s := storetest.StartRedis(t)
	r := open(t, s.URL, store.Config{})
	_, err := r.Keep(t.Context(), "CH1", hello)
	check(t, err)
	s.Do("SCRIPT", "FLUSH")
	if kept, err := r.Keep(t.Context(), "CH1", hello); err != nil || !reflect.DeepEqual(kept, bridge.Kept{Mark: 0}) {
		t.Errorf("Keep = %+v, %v after SCRIPT FLUSH", kept, err)
	}
}

func TestRedisFrozen(t *testing.T) {
	s := storetest.StartRedis(t)
	r := open(t, s.URL, store.Config{})
	w, err := r.Watch(t.Context(), "CH1")
	check(t, err)
	defer w.Close()

	s.Freeze()
	thawed := time.AfterFunc(time.Second, s.Thaw)
	defer thawed.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := r.Read(ctx, "CH1", -1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Read of a frozen server = %v, want the context's end", err)
	}
	if d := time.Since(start); d > 800*time.Millisecond {
		t.Errorf("Read took %v, want its context to be kept to", d)
	}
	_, err = r.Keep(t.Context(), "CH1", hello) // within the patience
	check(t, err)
	awaitWake(t, w)
}

func TestRedisClosed(t *testing.T) {
	s := storetest.StartRedis(t)
	r, err := store.OpenRedis(s.URL, store.Config{})
	check(t, err)
	w, err := r.Watch(t.Context(), "CH1")
	check(t, err)
	check(t, r.Close())
	check(t, r.Close())
	if _, err := r.Keep(t.Context(), "CH1", hello); err == nil {
		t.Error("Keep after Close: no error")
	}
	if _, err := r.Watch(t.Context(), "CH1"); err == nil {
		t.Error("Watch after Close: no error")
	}
	w.Close()
	if n := s.Clients(); n != 0 {
		t.Errorf("%d connections after Close", n)
	}
}

func awaitWake(t testing.TB, w bridge.Watch) {
	t.Helper()
	select {
	case <-w.C():
	case <-time.After(20 * time.Second):
		t.Fatal("never woken")
	}
}
