package main

import (
	"os"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
)

// Garbage may take leastGarbage, in bytes, or half of what is in use if that is more. Go
// lets it be as much as what is in use: little while few wait, so that collections are
// frequent, and slow who is answered meanwhile; and much once thousands do.
const leastGarbage = 64 << 20

// boundGarbage sees to that from now on, unless GOGC is set in the environment.
func boundGarbage(least uint64) {
	if os.Getenv("GOGC") != "" {
		return
	}
	used := []runtimemetrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}
	var collected func(struct{})
	collected = func(struct{}) {
		runtimemetrics.Read(used)
		var live uint64
		for _, u := range used {
			live += u.Value.Uint64()
		}
		debug.SetGCPercent(garbagePercent(live, least))
		// Each collection finds the next one of these, and calls back.
		runtime.AddCleanup(&struct{ _ [32]byte }{}, collected, struct{}{})
	}
	collected(struct{}{})
}

// garbagePercent is the GOGC with which garbage is bounded. Go takes for live what was so
// at the last collection, which is nothing before the first, but at least 4 MB (heapMinimum
// in its runtime/mgcpacer.go), so that no GOGC may be higher than fits those.
func garbagePercent(live, least uint64) int {
	return int(max(50, 100*least/max(live, 4<<20)))
}
