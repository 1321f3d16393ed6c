package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// OldestRedis is the oldest major version that everything is tested with.
const OldestRedis = 7

// Checkup is how a Redis is doing; of a Cluster, one of its masters.
type Checkup struct {
	Version    string
	Major      int
	Eviction   string        // maxmemory-policy
	Persistent bool          // it keeps its data over a restart, as far as it tells
	Used, Max  uint64        // memory, in bytes; Max 0 is no limit
	Latency    time.Duration // median of 20 pings, one after the other
	Ahead      time.Duration // its clock before ours
	Identity   string        // the fingerprint that SwapIdentity left there; empty: none
}

// Examine looks at the Redis of a URL as [OpenRedis] takes it, and changes nothing.
// Its errors hold no secret.
func Examine(ctx context.Context, url string) (c Checkup, err error) {
	client, err := dial(url)
	if err != nil {
		return c, err
	}
	defer func() { _ = client.Close() }()
	var laps []time.Duration
	for range 21 {
		start := time.Now()
		if err := client.Ping(ctx).Err(); err != nil {
			return c, err
		}
		laps = append(laps, time.Since(start))
	}
	laps = laps[1:] // the first has connected
	slices.Sort(laps)
	c.Latency = laps[len(laps)/2]

	info, err := client.Info(ctx).Result()
	if err != nil {
		return c, fmt.Errorf("INFO: %w", err)
	}
	facts := make(map[string]string)
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		facts[name] = value
	}
	c.Version, c.Eviction = facts["redis_version"], facts["maxmemory_policy"]
	major, _, _ := strings.Cut(c.Version, ".")
	c.Major, _ = strconv.Atoi(major)
	c.Used, _ = strconv.ParseUint(facts["used_memory"], 10, 64)
	c.Max, _ = strconv.ParseUint(facts["maxmemory"], 10, 64)
	c.Persistent = facts["aof_enabled"] == "1" || snapshots(ctx, client)

	at, err := client.Time(ctx).Result()
	if err != nil {
		return c, fmt.Errorf("TIME: %w", err)
	}
	c.Ahead = time.Until(at)

	if err := wakes(ctx, client); err != nil {
		return c, err
	}

	c.Identity, err = client.Get(ctx, identityKey).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return c, fmt.Errorf("%s: %w", identityKey, err)
	}
	return c, nil
}

// wakes tries what a wake takes, as a user may be allowed to read, and neither to
// run scripts nor to use channels.
func wakes(ctx context.Context, client redis.UniversalClient) error {
	if err := client.Eval(ctx, "return 1", []string{identityKey}).Err(); err != nil {
		return fmt.Errorf("EVAL: %w", err)
	}
	channel := wakeChannel("checkup")
	heard := client.Subscribe(ctx, channel)
	defer func() { _ = heard.Close() }()
	if _, err := heard.Receive(ctx); err != nil {
		return fmt.Errorf("SUBSCRIBE: %w", err)
	}
	if err := client.Publish(ctx, channel, "").Err(); err != nil {
		return fmt.Errorf("PUBLISH: %w", err)
	}
	return nil
}

// snapshots reports whether Redis saves itself from time to time. A managed one
// may not say, and is believed to.
func snapshots(ctx context.Context, client redis.UniversalClient) bool {
	save, err := client.ConfigGet(ctx, "save").Result()
	return err != nil || save["save"] != ""
}
