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
	ctx  context.Context // ends when they are closed, with mu held
	end  context.CancelFunc
	work sync.WaitGroup // the trips

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
	b.ctx, b.end = context.WithCancel(context.Background())
	return b, b.stop, b.work.Wait
}

func (b *batches) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end()
}

// EvalSha runs a script: at once if a round trip may begin, or in the batch that follows
// one. What the server refuses there, though it knows the script, is tried once more by
// itself, as go-redis knows which refusals are the connection's fault.
func (b *batches) EvalSha(ctx context.Context, digest string, keys []string, args ...any) *redis.Cmd {
	if ctx.Err() != nil { // of cases that are ready, select takes any
		return failed(ctx, context.Cause(ctx))
	}
	// go-redis heeds a deadline, but nothing else that ends a context.
	if deadline, any := ctx.Deadline(); any && time.Until(deadline) < batchLimit && b.begin(nil) {
		defer b.follow()
		return b.UniversalClient.EvalSha(ctx, digest, keys, args...)
	}
	c := &batched{ctx: ctx, digest: digest, keys: keys, args: args, done: make(chan struct{})}
	if b.begin(c) {
		go b.send([]*batched{c})
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

// begin counts one more round trip if that may begin, until next is nil. If not, a script
// waits for another to end.
func (b *batches) begin(otherwise *batched) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.ctx.Err() != nil:
		return false
	case b.trips < tripsAtOnce:
		b.trips++
		b.work.Add(1)
		return true
	case otherwise != nil:
		b.waiting = append(b.waiting, otherwise)
	}
	return false
}

// follow has sent, after a round trip, what waits.
func (b *batches) follow() {
	if batch := b.next(); batch != nil {
		go b.send(batch)
	}
}

// send sends batch after batch while scripts wait.
func (b *batches) send(batch []*batched) {
	for ; batch != nil; batch = b.next() {
		b.run(batch)
	}
}

// next is the batch that may be sent after a round trip; nil ends that.
func (b *batches) next() (batch []*batched) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() != nil {
		b.waiting = nil // their callers have left
	}
	for len(b.waiting) > 0 && len(batch) < batchSize {
		if c := b.waiting[0]; c.ctx.Err() == nil { // or else its caller left
			batch = append(batch, c)
		}
		b.waiting[0], b.waiting = nil, b.waiting[1:]
	}
	if batch == nil {
		b.trips--
		b.work.Done()
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
