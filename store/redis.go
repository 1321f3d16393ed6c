package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"flexbridge/bridge"
)

var _ bridge.Mailbox = (*Redis)(nil)

// Redis is the Mailbox of any number of replicas. It holds a pool of connections
// for commands and one more for the subscription, however many are watching. It
// is safe for concurrent use.
type Redis struct {
	cfg    Config
	client redis.UniversalClient
	sub    *subscription
	limits *redis_rate.Limiter

	scripts    redis.Scripter
	stop, wait func() // of scripts
}

// OpenRedis returns the Mailbox at a URL:
//
//	redis://user:password@host:port/db            one server; rediss:// with TLS
//	unix://user:password@/path                    one server, on a socket
//	redis://host:port,host:port                   Cluster; also redis://host:port?addr=host:port
//	redis://host:port,host:port?master_name=name  Sentinels; username= and password= are the server's
//
// go-redis's options may follow as parameters, such as pool_size=32. OpenRedis
// does not wait for the server, so that its only errors are those of the URL.
func OpenRedis(url string, cfg Config) (*Redis, error) {
	client, err := dial(url)
	if err != nil {
		return nil, err
	}
	if cfg.Instrument != nil {
		if err := cfg.Instrument(client); err != nil {
			return nil, errors.Join(fmt.Errorf("adding hooks: %w", err), client.Close())
		}
	}
	return NewRedis(client, cfg), nil
}

// NewRedis returns the Mailbox behind a client, which it owns from then on.
func NewRedis(client redis.UniversalClient, cfg Config) *Redis {
	cfg = cfg.withDefaults()
	if cfg.Observe != nil {
		client.AddHook(stopwatch(cfg.Observe))
	}
	scripts, stop, wait := batching(client)
	return &Redis{
		cfg: cfg, client: client, sub: subscribe(client, cfg),
		limits: redis_rate.NewLimiter(scripts), scripts: scripts, stop: stop, wait: wait,
	}
}

// Close ends every connection and waits for the goroutines. Watches end waking;
// every later call fails. It may be called twice.
func (r *Redis) Close() error {
	if r.sub.close() {
		r.stop()
		defer r.wait()
		return r.client.Close()
	}
	return nil
}

// Watch tells of the conversation's changes from the moment it returns. While
// Redis cannot be reached it waits, at most until ctx ends.
func (r *Redis) Watch(ctx context.Context, conversation string) (bridge.Watch, error) {
	return r.sub.watch(ctx, wakeChannel(conversation))
}

// WatchCustomer tells of the customer's changes, as Watch does of a conversation's.
func (r *Redis) WatchCustomer(ctx context.Context, c bridge.Customer) (bridge.Watch, error) {
	return r.sub.watch(ctx, wakeChannel(string(c)))
}

// Ping asks the server.
func (r *Redis) Ping(ctx context.Context) error { return r.client.Ping(ctx).Err() }

// run runs a script that returns an array.
func (r *Redis) run(ctx context.Context, s *redis.Script, key string, args ...any) (*reply, error) {
	values, err := s.Run(ctx, r.scripts, []string{key}, args...).Slice()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return &reply{values: values}, nil
}

// change runs a script that returns whether it changed something.
func (r *Redis) change(ctx context.Context, s *redis.Script, key string, args ...any) (bool, error) {
	changed, err := s.Run(ctx, r.scripts, []string{key}, args...).Bool()
	if err != nil {
		return false, fmt.Errorf("%s: %w", key, err)
	}
	return changed, nil
}
