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

// comparison warns, once, of an identity secret other than the one before. It runs
// in the background until Redis has answered.
type comparison struct {
	cancel context.CancelFunc
	over   chan struct{} // closed when it has ended
}

func compareIdentity(redis *store.Redis, fingerprint string, logger *slog.Logger) *comparison {
	ctx, cancel := context.WithCancel(context.Background())
	c := &comparison{cancel: cancel, over: make(chan struct{})}
	go func() {
		defer close(c.over)
		before, err := backoff.Retry(ctx,
			func() (string, error) { return redis.SwapIdentity(ctx, fingerprint) },
			backoff.WithBackOff(&backoff.ExponentialBackOff{
				InitialInterval: 100 * time.Millisecond, Multiplier: 2, MaxInterval: 5 * time.Second,
			}),
			backoff.WithMaxElapsedTime(0)) // until close
		if err == nil && before != "" && before != fingerprint {
			logger.Error(otherSecret, "before", before, "now", fingerprint)
		}
	}()
	return c
}

// close gives up, if it has not ended, and waits for the end.
func (c *comparison) close() {
	c.cancel()
	<-c.over
}
