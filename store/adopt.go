package store

import (
	"context"
	"fmt"
	"time"
)

// Adopt keeps value under id for d, unless a value stands there already, and
// returns the one that stands. Its life is not renewed. It is one atomic step.
func (m *Memory) Adopt(ctx context.Context, id, value string, d time.Duration) (string, error) {
	now, err := m.enter(ctx)
	if err != nil {
		return "", err
	}
	defer m.mu.Unlock()
	if e := m.adopted.at(id, now); e != nil {
		return e.v, nil
	}
	m.adopted.put(id, value, now.Add(d))
	return value, nil
}

// Adopt keeps value under id for d, unless a value stands there already, and
// returns the one that stands. Its life is not renewed. It is one atomic step.
func (r *Redis) Adopt(ctx context.Context, id, value string, d time.Duration) (string, error) {
	key := adoptedKey(id)
	stands, err := adoptScript.Run(ctx, r.scripts, []string{key}, value, ms(d)).Text()
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	return stands, nil
}
