package store

import (
	"context"
	"fmt"
	"time"

	"github.com/go-redis/redis_rate/v10"
)

// Spend takes one from a budget that holds perMinute and refills evenly, for all
// replicas together. It returns how many are left, and a wait above 0 when there
// was none to take: then nothing was taken, and one will be there after that wait.
func (r *Redis) Spend(ctx context.Context, budget string, perMinute int) (left int, wait time.Duration, err error) {
	got, err := r.limits.Allow(ctx, budgetKey(budget), redis_rate.PerMinute(perMinute))
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", budgetKey(budget), err)
	}
	if got.Allowed == 0 {
		return 0, max(got.RetryAfter, time.Microsecond), nil // its clock has microseconds
	}
	return got.Remaining, 0, nil
}
