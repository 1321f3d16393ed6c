package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"flexbridge/bridge"
	"flexbridge/store"
	"flexbridge/store/storetest"
)

// The same model over two replicas' connections to a real Redis, where time runs
// by itself: a second of the design is 5 ms here,
// but a lease lasts as long as it may take a busy machine to do a step.
func TestModelOverRedis(t *testing.T) {
	server := storetest.StartRedis(t)
	const unit = 5 * time.Millisecond
	c := bridge.Config{
		Wait: 40 * unit, SayLimit: 200 * unit, Lease: 2 * time.Second, RepeatFor: time.Minute, Doubt: [2]time.Duration{unit, 2 * unit},
		GapWait: unit / 2, GapBelief: time.Nanosecond, LookLimit: time.Second, LookEvery: 30 * unit, LastLook: 3 * unit,
		KeepLimit: 2 * time.Second, LooksPerSecond: 10_000,
	}
	ops := []string{
		"ask", "ask", "follow", "follow", "again", "keyed", "await", "end", "speak", "speak", "speak", "greet",
		"deliver", "deliver", "deliver", "double", "lose report", "close", "abandon", "abandon", "lose store", "crash", "hang up", "drain", "time",
	}
	end, played := time.Now().Add(7*time.Second), 0
	rapid.Check(t, func(rt *rapid.T) {
		programs := rapid.SliceOfN(stepsOf(ops...), databases, databases).Draw(rt, "programs")
		if time.Now().After(end) {
			return
		}
		played += databases
		errs := make([]error, databases)
		var wg sync.WaitGroup
		for db, program := range programs { // a database each
			wg.Go(func() { errs[db] = playInRedis(fmt.Sprintf("%s/%d", server.URL, db), program, c) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			rt.Fatal(err)
		}
	})
	t.Logf("%d programs", played)
}

const databases = 16

func playInRedis(url string, program []step, c bridge.Config) error {
	const unit = 5 * time.Millisecond
	options, err := redis.ParseURL(url)
	if err != nil {
		return err
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	lose := func() { _ = client.FlushDB(ctx).Err() }
	lose()
	var mailboxes [2]*store.Redis
	for i := range mailboxes {
		if mailboxes[i], err = store.OpenRedis(url, store.Config{}); err != nil {
			return err
		}
		defer func() { _ = mailboxes[i].Close() }()
	}
	p := newPlay(ctx, url, mailboxes[0], lose, c)
	p.replicas[1] = bridge.New(p.desk, mailboxes[1], keys, c)
	p.unit, p.patience, p.still = unit, 10*time.Second, 3
	p.settle = func() {}
	p.time = func(d time.Duration) { // passes for those who wait
		time.Sleep(min(d, 5*unit))
	}
	err = p.happens(program, c)
	cancel()
	p.close()
	return err
}
