package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"flexbridge/store"
)

const otherSecret = "IDENTITY_SECRET is not the one that was last used with this Redis: every caller is a new customer now, " +
	"and conversations that are open end by their timers. If this was not meant, give all replicas the secret they had before and restart them"

// compareIdentity warns of an identity secret other than the one before. It does
// so in the background, as soon as Redis answers; end gives up and waits.
func compareIdentity(redis *store.Redis, fingerprint string, logger *slog.Logger) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		before, err := backoff.Retry(ctx,
			func() (string, error) { return redis.SwapIdentity(ctx, fingerprint) },
			backoff.WithBackOff(&backoff.ExponentialBackOff{
				InitialInterval: 100 * time.Millisecond, Multiplier: 2, MaxInterval: 5 * time.Second,
			}),
			backoff.WithMaxElapsedTime(0)) // until end
		if err == nil && before != "" && before != fingerprint {
			logger.Error(otherSecret, "before", before, "now", fingerprint)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
