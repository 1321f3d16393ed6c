package store_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"flexbridge/bridge"
	"flexbridge/store"
	"flexbridge/store/storetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// go-redis's pool, when its server was gone, ends up to a second after its Close.
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) bridge.Mailbox { return store.NewMemory(store.Config{}) })
	storetest.RunAdopter(t, store.NewMemory(store.Config{}))
}

func TestMemoryLimits(t *testing.T) {
	storetest.RunLimiter(t, func(*testing.T) storetest.Limiter { return store.NewMemory(store.Config{}) })
}

func TestRedis(t *testing.T) {
	for kind, start := range storetest.Fleets {
		t.Run(kind, func(t *testing.T) {
			url := start(t).URL
			storetest.Run(t, func(t *testing.T) bridge.Mailbox { return open(t, url, store.Config{}) })
			storetest.RunLimiter(t, func(t *testing.T) storetest.Limiter { return open(t, url, store.Config{}) })
			storetest.RunAdopter(t, open(t, url, store.Config{}))
		})
	}
}

func TestRedisSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "redis.sock")
	storetest.StartRedis(t, "--unixsocket", socket)
	r := open(t, "unix://"+socket+"?db=2", store.Config{})
	wakes(t, r, watch(t, r, "CH1"), "CH1", 0)
}

func open(t testing.TB, url string, cfg store.Config) *store.Redis {
	t.Helper()
	r, err := store.OpenRedis(url, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return r
}
