package store_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"flexbridge/store"
	"flexbridge/store/storetest"
)

func TestExamine(t *testing.T) {
	redis := storetest.StartRedis(t)
	c, err := store.Examine(t.Context(), redis.URL)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(c.Version, strconv.Itoa(c.Major)+".") || c.Major < store.OldestRedis || c.Eviction != "noeviction" || !c.Persistent || c.Used == 0 || c.Max != 0 ||
		c.Latency <= 0 || c.Latency > time.Second || c.Ahead.Abs() > time.Second {
		t.Errorf("Examine = %+v", c)
	}
	if c.Identity != "" {
		t.Errorf("Examine finds the fingerprint %q, want none", c.Identity)
	}
	redis.Do("SET", "flexbridge:identity", "one")
	for _, command := range [][]any{{"maxmemory", "100mb"}, {"maxmemory-policy", "allkeys-lfu"}, {"appendonly", "no"}} {
		redis.Do(append([]any{"CONFIG", "SET"}, command...)...)
	}
	c, err = store.Examine(t.Context(), redis.URL)
	if err != nil || c.Eviction != "allkeys-lfu" || c.Persistent || c.Max != 100<<20 || c.Identity != "one" {
		t.Errorf("Examine = %+v, %v", c, err)
	}
	redis.Do("CONFIG", "SET", "save", "3600 1")
	if c, err := store.Examine(t.Context(), redis.URL); err != nil || !c.Persistent {
		t.Errorf("Examine of one that saves snapshots = %+v, %v", c, err)
	}
	if now := redis.Do("GET", "flexbridge:identity"); now != "one" {
		t.Errorf("Examine made the fingerprint %v", now)
	}
	for _, url := range []string{"redis://:hunter2@127.0.0.1:1", "redis://nobody:hunter2@" + redis.Addr, "hunter2"} {
		if _, err := store.Examine(t.Context(), url); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Examine(%s) = %v, want an error without the password", url, err)
		}
	}
}
