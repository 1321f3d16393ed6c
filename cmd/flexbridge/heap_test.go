package main

import (
	"runtime"
	runtimemetrics "runtime/metrics"
	"testing"
	"time"
)

// Garbage is bounded more tightly while the heap is large. What that is here leaves room
// for what other tests hold.
func TestBoundGarbage(t *testing.T) {
	measure := func(name string) uint64 {
		sample := []runtimemetrics.Sample{{Name: name}}
		runtimemetrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	percent := func() uint64 { return measure("/gc/gogc:percent") }
	usual := percent()
	runtime.GC()
	const room = 64 << 20
	boundGarbage(measure("/gc/heap/live:bytes") + room)
	wait := func(want uint64) {
		t.Helper()
		for late := time.Now().Add(20 * time.Second); percent() != want; runtime.Gosched() {
			runtime.GC()
			if time.Now().After(late) {
				t.Fatalf("GOGC is %d, want %d", percent(), want)
			}
		}
	}
	held := make([]byte, 2*room)
	wait(usual / 2)
	runtime.KeepAlive(held)
	wait(usual)
}
