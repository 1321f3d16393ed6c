package store

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// Spend takes one from a budget, as [Redis.Spend] does, for this process.
func (m *Memory) Spend(ctx context.Context, budget string, perMinute int) (left int, wait time.Duration, err error) {
	now, err := m.enter(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer m.mu.Unlock()
	e := m.budgets.at(budget, now)
	if e == nil {
		e = m.budgets.put(budget, rate.NewLimiter(rate.Limit(perMinute)/60, perMinute), now)
	}
	taken := e.v.ReserveN(now, 1)
	if wait = taken.DelayFrom(now); wait > 0 {
		taken.CancelAt(now)
		return 0, wait, nil
	}
	tokens := e.v.TokensAt(now)
	// A full budget need not be remembered.
	full := (float64(perMinute) - tokens) / float64(perMinute) * float64(time.Minute)
	e.extend(now.Add(time.Duration(full)))
	return int(tokens), 0, nil
}
