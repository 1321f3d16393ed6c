package main

import (
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
)

// largeHeap is from where on garbage may be half of what is in use, in bytes. Go lets
// it be as much again, which is cheapest while that is little; but thousands of
// requests that wait are little garbage and much memory.
const largeHeap = 16 << 20

// boundGarbage sees to that from now on, with large in place of largeHeap. GOGC, if it
// is set, counts while the heap is small; off stays off.
func boundGarbage(large uint64) {
	usual := debug.SetGCPercent(-1)
	debug.SetGCPercent(usual)
	if usual < 0 {
		return
	}
	live := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	halved := false
	var collected func(struct{})
	collected = func(struct{}) {
		runtimemetrics.Read(live)
		if is := live[0].Value.Uint64() > large; is != halved {
			if halved = is; halved {
				debug.SetGCPercent(max(usual/2, 1))
			} else {
				debug.SetGCPercent(usual)
			}
		}
		// Each collection finds the next one of these, and calls back.
		runtime.AddCleanup(&struct{ _ [32]byte }{}, collected, struct{}{})
	}
	collected(struct{}{})
}
