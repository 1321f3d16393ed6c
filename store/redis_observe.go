package store

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// PoolStats tells of the connections for commands. It may be called at any time.
func (r *Redis) PoolStats() *redis.PoolStats { return r.client.PoolStats() }

// stopwatch times commands; see Config.Observe.
type stopwatch func(took time.Duration, ok bool)

var _ redis.Hook = stopwatch(nil)

func (stopwatch) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook leaves out what go-redis greets each new connection with.
func (s stopwatch) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if name := cmd.Name(); name == "hello" || name == "auth" {
			return next(ctx, cmd)
		}
		began := time.Now()
		err := next(ctx, cmd)
		s.stop(began, err)
		return err
	}
}

// ProcessPipelineHook times the scripts of a batch, each of which takes as long as all.
// The only other pipeline is the rest of the greeting, of which older servers do not
// know all.
func (s stopwatch) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() != "evalsha" {
			return next(ctx, cmds)
		}
		began := time.Now()
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			s.stop(began, cmd.Err())
		}
		return err
	}
}

func (s stopwatch) stop(began time.Time, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	// That a key or a script is not there is an answer; scripts are sent then.
	s(time.Since(began), err == nil || errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "NOSCRIPT"))
}
