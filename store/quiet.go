package store

import "github.com/redis/go-redis/v9/logging"

// go-redis writes failed dials to standard error by itself, past our log. They
// come back as errors of the calls, too, so nothing is missed.
func init() { logging.Disable() }
