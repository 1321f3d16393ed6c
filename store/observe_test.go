package store_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"flexbridge/store"
	"flexbridge/store/storetest"
)

// Each command is told of once it is over: not what is missing as a failure, and
// nothing of a caller who gave up.
func TestRedisTellsOfCommands(t *testing.T) {
	s := storetest.StartRedis(t)
	var ok, failed atomic.Int64
	r := open(t, s.URL+"?dial_timeout=500ms&max_retries=-1", store.Config{Probe: time.Hour, Observe: func(took time.Duration, well bool) {
		if took <= 0 || took > time.Minute {
			t.Errorf("a command took %v", took)
		}
		if well {
			ok.Add(1)
		} else {
			failed.Add(1)
		}
	}})
	told := func(what string, wantOK, wantFailed int64) {
		t.Helper()
		if a, b := ok.Swap(0), failed.Swap(0); a != wantOK || b != wantFailed {
			t.Errorf("%s: told of %d that went well and %d that failed, want %d and %d", what, a, b, wantOK, wantFailed)
		}
	}
	check(t, r.Ping(t.Context()))
	told("Ping", 1, 0)
	_, found, err := r.Find(t.Context(), "CH1", "nonce")
	if found || err != nil {
		t.Fatalf("Find = %v, %v", found, err)
	}
	told("Find of nothing", 1, 0)
	_, err = r.Keep(t.Context(), "CH1", hello)
	check(t, err)
	told("the first Keep", 2, 0) // the script is not there, and is sent
	_, err = r.Keep(t.Context(), "CH1", hello)
	check(t, err)
	told("the next Keep", 1, 0)
	left, leave := context.WithCancel(t.Context())
	leave()
	_ = r.Ping(left)
	told("a caller who left", 0, 0)
	if r.PoolStats().TotalConns == 0 {
		t.Error("PoolStats knows of no connection")
	}
	s.Kill()
	_ = r.Ping(t.Context())
	told("no server", 0, 1)
}
