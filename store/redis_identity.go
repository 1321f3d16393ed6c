package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// SwapIdentity remembers the fingerprint of the identity secret that is in use,
// and returns the one remembered before, or "" if there was none.
func (r *Redis) SwapIdentity(ctx context.Context, fingerprint string) (before string, err error) {
	before, err = r.client.SetArgs(ctx, identityKey, fingerprint, redis.SetArgs{Get: true}).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("%s: %w", identityKey, err)
	}
	return before, nil
}
