package storetest

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Limiter counts what may be done in a minute.
type Limiter interface {
	Spend(ctx context.Context, budget string, perMinute int) (left int, wait time.Duration, err error)
}

// RunLimiter holds a Limiter to its contract: a budget holds perMinute, refills
// evenly, and lends nothing.
func RunLimiter(t *testing.T, open func(t *testing.T) Limiter) {
	parts := []struct {
		name string
		run  func(t *testing.T, l Limiter)
	}{
		{"burst", burst},
		{"refill", refill},
		{"refused takes nothing", refusedTakesNothing},
		{"budgets apart", budgetsApart},
		{"at once", spentAtOnce},
		{"context", spendContext},
	}
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) { p.run(t, open(t)) })
	}
}

func spend(t *testing.T, l Limiter, budget string, perMinute int) (left int, wait time.Duration) {
	t.Helper()
	left, wait, err := l.Spend(t.Context(), budget, perMinute)
	if err != nil {
		t.Fatalf("Spend = %v", err)
	}
	return left, wait
}

func burst(t *testing.T, l Limiter) {
	const perMinute = 20 // one in 3 s, longer than this takes
	budget := random(16)
	for i := range perMinute {
		if left, wait := spend(t, l, budget, perMinute); left != perMinute-1-i || wait != 0 {
			t.Fatalf("Spend = %d left, wait %v after %d, want %d and none", left, wait, i, perMinute-1-i)
		}
	}
	if left, wait := spend(t, l, budget, perMinute); left != 0 || wait <= 0 || wait > 3*time.Second {
		t.Errorf("Spend = %d left, wait %v of an empty budget, want 0 and up to 3s", left, wait)
	}
}

// refill: one is there after the wait.
func refill(t *testing.T, l Limiter) {
	const perMinute = 240 // one in 250 ms
	budget := random(16)
	var wait time.Duration
	for n := 0; wait == 0; n++ {
		if n > 4*perMinute {
			t.Fatal("the budget is never empty")
		}
		_, wait = spend(t, l, budget, perMinute)
	}
	if wait > 250*time.Millisecond {
		t.Fatalf("wait = %v, want at most 250ms", wait)
	}
	<-time.After(wait + time.Millisecond) // the clocks of both sides are rounded
	if _, wait := spend(t, l, budget, perMinute); wait != 0 {
		t.Errorf("another wait of %v, want one to be there", wait)
	}
}

func refusedTakesNothing(t *testing.T, l Limiter) {
	const perMinute = 2 // one in 30 s
	budget := random(16)
	spend(t, l, budget, perMinute)
	spend(t, l, budget, perMinute)
	_, first := spend(t, l, budget, perMinute)
	if first <= 0 {
		t.Fatal("a third of two was there")
	}
	for range 20 {
		if _, wait := spend(t, l, budget, perMinute); wait <= 0 || wait > first {
			t.Fatalf("wait = %v after a wait of %v, want no longer", wait, first)
		}
	}
}

func budgetsApart(t *testing.T, l Limiter) {
	one, other := random(16), random(16)
	spend(t, l, one, 1)
	if _, wait := spend(t, l, one, 1); wait <= 0 {
		t.Error("two of one were there")
	}
	if left, wait := spend(t, l, other, 1); left != 0 || wait != 0 {
		t.Errorf("Spend = %d left, wait %v of another budget, want its only one", left, wait)
	}
}

// spentAtOnce: however many ask at the same time, no more is given than is there.
func spentAtOnce(t *testing.T, l Limiter) {
	const perMinute = 30 // one in 2 s
	budget := random(16)
	start := time.Now()
	var given atomic.Int64
	var work sync.WaitGroup
	for range 16 {
		work.Go(func() {
			for range 10 {
				_, wait, err := l.Spend(t.Context(), budget, perMinute)
				if err != nil {
					t.Errorf("Spend = %v", err)
				} else if wait == 0 {
					given.Add(1)
				}
			}
		})
	}
	work.Wait()
	most := perMinute + int64(math.Floor(time.Since(start).Minutes()*perMinute))
	if n := given.Load(); n < perMinute || n > most {
		t.Errorf("%d were given, want %d to %d", n, perMinute, most)
	}
}

func spendContext(t *testing.T, l Limiter) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := l.Spend(ctx, random(16), 1); err == nil {
		t.Error("Spend with a context that has ended: no error")
	}
}
