package main

import (
	"runtime"
	runtimemetrics "runtime/metrics"
	"testing"
	"time"
)

// Garbage may take so many bytes while little is in use, and half of that when it is much.
func TestBoundGarbage(t *testing.T) {
	t.Setenv("GOGC", "")
	measure := func(name string) uint64 {
		sample := []runtimemetrics.Sample{{Name: name}}
		runtimemetrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	least := measure("/gc/heap/live:bytes") + 64<<20 // with room for what other tests hold
	boundGarbage(least)
	wait := func(as string, want func(percent uint64) bool) {
		t.Helper()
		percent := func() uint64 { return measure("/gc/gogc:percent") }
		for late := time.Now().Add(20 * time.Second); !want(percent()); runtime.Gosched() {
			runtime.GC()
			if time.Now().After(late) {
				t.Fatalf("GOGC is %d, want %s", percent(), as)
			}
		}
	}
	wait("more than 100", func(percent uint64) bool { return percent > 100 })
	held := make([]byte, 3*least)
	wait("50", func(percent uint64) bool { return percent == 50 })
	runtime.KeepAlive(held)
	wait("more than 100", func(percent uint64) bool { return percent > 100 })
}

// Before the first collection nothing is known to be in use.
func TestGarbagePercent(t *testing.T) {
	const mb = 1 << 20
	for live, want := range map[uint64]int{0: 1600, 1 * mb: 1600, 4 * mb: 1600, 64 * mb: 100, 128 * mb: 50, 1000 * mb: 50} {
		if got := garbagePercent(live, 64*mb); got != want {
			t.Errorf("with %d MB in use: %d, want %d", live/mb, got, want)
		}
	}
}
