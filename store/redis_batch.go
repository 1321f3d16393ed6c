package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	senders    = 2               // round trips under way at once: while one hangs the other goes on
	batchSize  = 100             // scripts in one round trip, at most
	batchLimit = 5 * time.Second // of a round trip; a client's timeouts end it sooner
)

// batches is a client that sends the scripts of many callers in few round trips: each
// takes along what came while those before it were under way, and waits for nobody.
// That costs half of what a round trip for each does, here and in Redis. Every script
// may be repeated, so that a batch may, too.
//
// go-redis's AutoPipeline is not used: it does not heed the context of a command that
// is queued.
type batches struct {
	redis.UniversalClient
	waiting chan *batched
	ctx     context.Context // ends when they are closed
	stop    context.CancelFunc
	work    sync.WaitGroup
}

// batched is a script that is to be run.
type batched struct {
	ctx    context.Context // the caller's
	digest string
	keys   []string
	args   []any
	answer *redis.Cmd
	done   chan struct{} // closed once there is an answer
}

// batching returns a client that batches scripts, and what ends that, before the client
// is closed, and then waits until it has. In a Cluster scripts go one by one: a node that
// hangs would delay all that share a batch with one of its scripts.
func batching(client redis.UniversalClient) (scripts redis.UniversalClient, stop, wait func()) {
	if _, cluster := client.(*redis.ClusterClient); cluster {
		return client, func() {}, func() {}
	}
	b := &batches{UniversalClient: client, waiting: make(chan *batched, batchSize)}
	b.ctx, b.stop = context.WithCancel(context.Background())
	for range senders {
		b.work.Go(b.send)
	}
	return b, b.stop, b.work.Wait
}

// EvalSha runs a script in the next batch. What the server refuses, though it knows the
// script, is tried once more by itself, as go-redis knows which refusals are the
// connection's fault.
func (b *batches) EvalSha(ctx context.Context, digest string, keys []string, args ...any) *redis.Cmd {
	c := &batched{ctx: ctx, digest: digest, keys: keys, args: args, done: make(chan struct{})}
	if ctx.Err() != nil { // of cases that are ready, select takes any
		return failed(ctx, context.Cause(ctx))
	}
	select {
	case b.waiting <- c:
	case <-ctx.Done():
		return failed(ctx, context.Cause(ctx))
	case <-b.ctx.Done():
		return failed(ctx, errClosed)
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		return failed(ctx, context.Cause(ctx))
	case <-b.ctx.Done():
		return failed(ctx, errClosed)
	}
	err, refusal := c.answer.Err(), redis.Error(nil)
	if !errors.As(err, &refusal) || errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "NOSCRIPT") {
		return c.answer
	}
	return b.UniversalClient.EvalSha(ctx, digest, keys, args...)
}

func failed(ctx context.Context, err error) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	cmd.SetErr(err)
	return cmd
}

// send sends one batch after the other.
func (b *batches) send() {
	for {
		select {
		case first := <-b.waiting:
			b.run(first)
		case <-b.ctx.Done():
			return
		}
	}
}

// run runs a script and those that wait behind it, but for those whose callers left.
// Who follows requests finds the round trip with the first of its callers.
func (b *batches) run(first *batched) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(first.ctx), batchLimit)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	var all []*batched
	for c := first; c != nil; c = b.next(len(all)) {
		if c.ctx.Err() == nil {
			all = append(all, c)
		}
	}
	if len(all) == 1 {
		c := all[0]
		c.answer = b.UniversalClient.EvalSha(ctx, c.digest, c.keys, c.args...)
	} else {
		pipe := b.Pipeline()
		for _, c := range all {
			c.answer = pipe.EvalSha(c.ctx, c.digest, c.keys, c.args...)
		}
		_, _ = pipe.Exec(ctx) // each has its own error
	}
	for _, c := range all {
		close(c.done)
	}
}

// next is another script that waits for a batch of so many, or nil.
func (b *batches) next(n int) *batched {
	if n == batchSize {
		return nil
	}
	select {
	case c := <-b.waiting:
		return c
	default:
		return nil
	}
}
