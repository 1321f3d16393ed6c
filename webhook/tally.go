package webhook

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// tally counts requests with one outcome. Anybody may send any number of them, so
// the log gets the first ten, and then one every ten seconds.
type tally struct {
	count      atomic.Uint64
	sometimes  rate.Sometimes
	suppressed atomic.Uint64
}

func newTally() *tally {
	return &tally{sometimes: rate.Sometimes{First: 10, Interval: 10 * time.Second}}
}

// sparingly calls write, or not, with how many calls were suppressed since the last.
func (t *tally) sparingly(write func(suppressed uint64)) {
	written := false
	t.sometimes.Do(func() {
		write(t.suppressed.Swap(0))
		written = true
	})
	if !written {
		t.suppressed.Add(1)
	}
}
