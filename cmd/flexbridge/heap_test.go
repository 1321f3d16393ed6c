package main

import (
	"runtime"
	runtimemetrics "runtime/metrics"
	"testing"
	"time"
)

// Garbage is bounded more tightly while the heap is large.
func TestBoundGarbage(t *testing.T) {
	percent := func() uint64 {
		sample := []runtimemetrics.Sample{{Name: "/gc/gogc:percent"}}
		runtimemetrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	usual := percent()
	boundGarbage()
	wait := func(want uint64) {
		t.Helper()
		for late := time.Now().Add(20 * time.Second); percent() != want; runtime.Gosched() {
			runtime.GC()
			if time.Now().After(late) {
				t.Fatalf("GOGC is %d, want %d", percent(), want)
			}
		}
	}
	held := make([][]byte, 4)
	for i := range held {
		held[i] = make([]byte, largeHeap)
	}
	wait(usual / 2)
	runtime.KeepAlive(held)
	held = nil
	runtime.GC()
	if live := func() uint64 {
		sample := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
		runtimemetrics.Read(sample)
		return sample[0].Value.Uint64()
	}(); live > largeHeap {
		t.Skipf("the tests before hold %d bytes", live)
	}
	wait(usual)
}
