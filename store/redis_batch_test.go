package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"flexbridge/store"
	"flexbridge/store/storetest"
)

// tripCounter counts round trips of batches.
type tripCounter struct{ batches atomic.Int64 }

func (c *tripCounter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *tripCounter) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (c *tripCounter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "evalsha" { // not those with which a connection begins
			c.batches.Add(1)
		}
		return next(ctx, cmds)
	}
}

// What many callers ask while the server is slow goes in few round trips, in which
// each has its own answer, error and context.
func TestRedisBatches(t *testing.T) {
	s := storetest.StartRedis(t)
	options, err := redis.ParseURL(s.URL)
	check(t, err)
	options.ContextTimeoutEnabled = true
	client, trips := redis.NewClient(options), &tripCounter{}
	client.AddHook(trips)
	r := store.NewRedis(client, store.Config{})
	t.Cleanup(func() { _ = r.Close() })
	for i := range 2 {
		_, err := r.Keep(t.Context(), fmt.Sprint("CH", i), hello)
		check(t, err)
	}
	_, err = r.Read(t.Context(), "CH0", -1)
	check(t, err)
	s.Do("SET", "flexbridge:{broken}", "no hash")

	s.Freeze()
	const n = 300
	before := trips.batches.Load()
	var calling, calls sync.WaitGroup
	for i := range n {
		calling.Add(1)
		calls.Go(func() {
			calling.Done()
			in, err := r.Read(t.Context(), fmt.Sprint("CH", i%3), -1)
			if want := min(1, 2-i%3); err != nil || len(in.Messages) != want {
				t.Errorf("Read of CH%d = %d messages, %v, want %d", i%3, len(in.Messages), err, want)
			}
		})
	}
	calls.Go(func() {
		if _, err := r.Read(t.Context(), "broken", -1); !redis.HasErrorPrefix(err, "WRONGTYPE") {
			t.Errorf("Read of a string = %v, want WRONGTYPE", err)
		}
	})
	calling.Wait()
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.Read(short, "CH0", -1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Read = %v while others are waited for, want the context's end", err)
	}
	s.Thaw()
	calls.Wait()
	if got := trips.batches.Load() - before; got > n/10 {
		t.Errorf("%d round trips for %d reads, want few", got, n)
	}
}

// Close ends what is under way, though the server does not answer.
func TestRedisClosedWhileFrozen(t *testing.T) {
	s := storetest.StartRedis(t)
	r, err := store.OpenRedis(s.URL+"?read_timeout=1m", store.Config{})
	check(t, err)
	w, err := r.Watch(t.Context(), "CH1")
	check(t, err)
	defer w.Close()
	_, err = r.Keep(t.Context(), "CH1", hello)
	check(t, err)
	s.Freeze()
	defer s.Thaw()
	kept := make(chan error, 1)
	var calling sync.WaitGroup
	calling.Add(1)
	go func() {
		calling.Done()
		_, err := r.Keep(t.Context(), "CH2", hello)
		kept <- err
	}()
	calling.Wait()
	start := time.Now()
	check(t, r.Close())
	if err := <-kept; err == nil {
		t.Error("Keep while the mailbox closes: no error")
	}
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("Close took %v", d)
	}
}

// Who is cancelled while the server is slow leaves at once, also if nobody waits for it
// as well.
func TestRedisScriptIsCancelled(t *testing.T) {
	s := storetest.StartRedis(t)
	options, err := redis.ParseURL(s.URL)
	check(t, err)
	client, trips := redis.NewClient(options), &tripCounter{}
	client.AddHook(trips)
	r := store.NewRedis(client, store.Config{})
	t.Cleanup(func() { _ = r.Close() })
	_, err = r.Read(t.Context(), "CH0", -1)
	check(t, err)
	s.Freeze()
	defer s.Thaw()
	ctx, cancel := context.WithCancel(t.Context())
	left, before := make(chan error), trips.batches.Load()
	go func() {
		_, err := r.Read(ctx, "CH0", -1)
		left <- err
	}()
	eventually(t, "it is sent", func() bool { return trips.batches.Load() > before })
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("Read = %v, want its context's end", err)
	}
}
