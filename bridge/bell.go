package bridge

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

// bell has somebody answer after each ring, on a goroutine that it starts for that:
// once for all rings that come meanwhile, and never twice at a time. It is safe for
// concurrent use.
type bell struct {
	answer func() (over bool) // over: never to be called again
	rung   atomic.Int64       // and not answered
}

// ring never blocks.
func (b *bell) ring() {
	if b.rung.Add(1) == 1 {
		go b.run()
	}
}

func (b *bell) run() {
	for {
		n := b.rung.Load()
		if b.answer() || b.rung.CompareAndSwap(n, 0) {
			return
		}
	}
}

// shielded runs f, with a panic as an error.
func shielded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return f()
}
