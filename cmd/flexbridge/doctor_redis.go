package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"flexbridge/bridge"
	"flexbridge/store"
)

const ownMemory = "none: this process's own memory"

func (d *doctor) redisServer(ctx context.Context) finding {
	if d.config.RedisURL == "" {
		return warning("set REDIS_URL to run more than one replica, and to lose nothing in a restart", ownMemory)
	}
	c, err := store.Examine(ctx, string(d.config.RedisURL))
	d.redis = c
	switch {
	case err != nil && strings.Contains(err.Error(), "AUTH"), err != nil && strings.Contains(err.Error(), "WRONGPASS"):
		return bad("set user and password in REDIS_URL", "Redis refuses us: %v", err)
	case err != nil && strings.Contains(err.Error(), "NOPERM"):
		return bad("let that user run all commands, on keys and channels flexbridge:* and keys rate:flexbridge:*", "Redis does not let the user in REDIS_URL do everything: %v", err)
	case err != nil:
		return bad("see that it runs, and that REDIS_URL is right and reachable from here", "Redis does not answer: %v", err)
	case c.Major < store.OldestRedis:
		return bad("upgrade Redis", "Redis is version %s; %d or later is needed", c.Version, store.OldestRedis)
	}
	return ok("version %s", c.Version)
}

// ofRedis is for the checks that need one.
func (d *doctor) ofRedis(f func(store.Checkup) finding) finding {
	if d.config.RedisURL == "" {
		return ok(ownMemory)
	}
	return f(d.redis)
}

func (d *doctor) redisEviction(context.Context) finding {
	return d.ofRedis(func(c store.Checkup) finding {
		if c.Eviction != "noeviction" {
			return bad("CONFIG SET maxmemory-policy noeviction, and the same in its configuration file", "maxmemory-policy is %s: Redis may forget replies that nobody has read", c.Eviction)
		}
		return ok("maxmemory-policy is noeviction")
	})
}

func (d *doctor) redisPersistence(context.Context) finding {
	return d.ofRedis(func(c store.Checkup) finding {
		if !c.Persistent {
			return warning("switch appendonly on: a loss costs no reply, but time and calls to Twilio", "Redis forgets everything in a restart")
		}
		return ok("on")
	})
}

func (d *doctor) redisMemory(context.Context) finding {
	return d.ofRedis(func(c store.Checkup) finding {
		switch {
		case c.Max == 0:
			return ok("%s used, without a limit", size(c.Used))
		case c.Used > c.Max/10*8:
			return warning("raise maxmemory, or lower RETENTION: full, it refuses to keep replies", "%s of %s used", size(c.Used), size(c.Max))
		}
		return ok("%s of %s used", size(c.Used), size(c.Max))
	})
}

// slowRedis is where a question begins to feel its dozen of round trips.
const slowRedis = 5 * time.Millisecond

func (d *doctor) redisLatency(context.Context) finding {
	return d.ofRedis(func(c store.Checkup) finding {
		if c.Latency > d.slow {
			return warning("run Redis in the same region and network", "the median of 20 pings took %v, more than %v", c.Latency.Round(10*time.Microsecond), d.slow)
		}
		return ok("the median of 20 pings took %v", c.Latency.Round(10*time.Microsecond))
	})
}

func (d *doctor) redisClock(context.Context) finding {
	return d.ofRedis(func(c store.Checkup) finding { return skew("Redis's", c.Ahead) })
}

// identity compares our secret with the one that the service used last.
func (d *doctor) identity(context.Context) finding {
	return d.ofRedis(func(c store.Checkup) finding {
		keys, err := bridge.NewKeyring([]byte(d.config.IdentitySecret))
		if err != nil {
			return bad("set another IDENTITY_SECRET", "%v", err)
		}
		switch c.Identity {
		case "":
			return ok("none has been used with this Redis yet")
		case keys.Fingerprint():
			return ok("the one that was last used with this Redis")
		}
		return warning("give doctor and all replicas the secret they had before, unless a new one is meant",
			"not the one that was last used with this Redis: with it every caller is a new customer")
	})
}

// size is a number of bytes, for people.
func size(n uint64) string { return fmt.Sprintf("%d MB", (n+1<<19)>>20) }
