package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	tripsAtOnce = 2               // round trips under way: while one hangs the other goes on
	batchSize   = 100             // scripts in one round trip, at most
	batchLimit  = 5 * time.Second // of a round trip; a client's timeouts end it sooner
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
	ctx  context.Context // ends when they are closed
	stop context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	trips   int        // under way
	waiting []*batched // for one of them to end
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
	b := &batches{UniversalClient: client}
	b.ctx, b.stop = context.WithCancel(context.Background())
	return b, b.stop, b.work.Wait
}

// EvalSha runs a script: at once, or in the batch that follows a round trip under way.
// What the server refuses there, though it knows the script, is tried once more by itself,
// as go-redis knows which refusals are the connection's fault.
func (b *batches) EvalSha(ctx context.Context, digest string, keys []string, args ...any) *redis.Cmd {
	if ctx.Err() != nil { // of cases that are ready, select takes any
		return failed(ctx, context.Cause(ctx))
	}
	c := b.queue(ctx, digest, keys, args)
	if c == nil {
		defer b.follow()
		return b.UniversalClient.EvalSha(ctx, digest, keys, args...)
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

// queue has a script wait for a round trip to end. It is nil, and counts a trip that
// follow is to end, if another may be under way.
func (b *batches) queue(ctx context.Context, digest string, keys []string, args []any) *batched {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.trips < tripsAtOnce {
		b.trips++
		return nil
	}
	c := &batched{ctx: ctx, digest: digest, keys: keys, args: args, done: make(chan struct{})}
	b.waiting = append(b.waiting, c)
	return c
}

// follow sends, after a round trip, batch after batch while scripts wait.
func (b *batches) follow() {
	if next := b.next(); next != nil {
		b.work.Go(func() {
			for ; next != nil; next = b.next() {
				b.run(next)
			}
		})
	}
}

// next is the batch that may be sent after a round trip. If it is nil the trip is no
// longer counted.
func (b *batches) next() (batch []*batched) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.waiting) > 0 && len(batch) < batchSize {
		if c := b.waiting[0]; c.ctx.Err() == nil { // or else its caller left
			batch = append(batch, c)
		}
		b.waiting[0], b.waiting = nil, b.waiting[1:]
	}
	if batch == nil {
		b.trips--
	}
	return batch
}

// run runs a batch. Who follows requests finds the round trip with the first of its
// callers.
func (b *batches) run(batch []*batched) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(batch[0].ctx), batchLimit)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	pipe := b.Pipeline()
	for _, c := range batch {
		c.answer = pipe.EvalSha(c.ctx, c.digest, c.keys, c.args...)
	}
	_, _ = pipe.Exec(ctx) // each has its own error
	for _, c := range batch {
		close(c.done)
	}
}
