package main

import (
	"flag"
	"testing"

	"flexbridge/store/storetest"
)

var redisFlag = flag.String("redis", "single", "the Redis of tests in which something goes wrong: single, cluster or sentinel")

// startRedis starts the Redis that -redis names.
func startRedis(t *testing.T) *storetest.Fleet {
	t.Helper()
	start := storetest.Fleets[*redisFlag]
	if start == nil {
		t.Fatalf("-redis %s is none of single, cluster and sentinel", *redisFlag)
	}
	return start(t)
}
