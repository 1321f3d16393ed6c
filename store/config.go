package store

import (
	"cmp"
	"time"
)

// Config is what can be set; the zero value works.
type Config struct {
	// Retention is how long a conversation and a directory are remembered after
	// their last change. Default 168 hours.
	Retention time.Duration
	// Probe is how often the subscription is tried by a message to ourselves; two
	// that do not come back rebuild it. Default 5 s. Redis only.
	Probe time.Duration
	// Linger is for how long a channel stays subscribed after its last watcher
	// left, in case one comes right back. Default 5 s. Redis only.
	Linger time.Duration
	// Observe is told how long each command took, with its retries and the wait for a
	// connection, and whether the server answered it; nil is nobody. Commands that the
	// caller gave up are not told. Redis only.
	Observe func(took time.Duration, ok bool)
}

func (c Config) withDefaults() Config {
	c.Retention = cmp.Or(c.Retention, 168*time.Hour)
	c.Probe = cmp.Or(c.Probe, 5*time.Second)
	c.Linger = cmp.Or(c.Linger, 5*time.Second)
	return c
}

// Lifetimes that nobody needs to set.
const (
	openingLife  = 10 * time.Minute // of the steps of an opening
	nothingKnown = time.Minute      // of the knowledge that the desk knows of no conversation
)
