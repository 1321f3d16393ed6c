package main

import (
	"flag"
	"net/http"
	"strings"
	"testing"

	"flexbridge/bridge/flex/flexsim"
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

// TestRedisOverTLS: a private authority's certificate is trusted as told to Go.
func TestRedisOverTLS(t *testing.T) {
	certificate := trustedCertificate(t)
	address := freeAddr(t)
	_, port, _ := strings.Cut(address, ":")
	storetest.StartRedis(t, "--tls-port", port, "--tls-auth-clients", "no",
		"--tls-cert-file", certificate, "--tls-key-file", certificate, "--tls-ca-cert-file", certificate)
	w := newWorld(t, nil, flexsim.Config{})
	w.redisURL = "rediss://" + address
	for _, row := range []struct {
		trusted string
		ready   int
	}{{"", http.StatusServiceUnavailable}, {certificate, http.StatusOK}} {
		t.Setenv("SSL_CERT_FILE", row.trusted)
		f := newFront(t)
		p := w.startProcess(f)
		if got := status(t, p.url+"/readyz"); got != row.ready {
			t.Errorf("/readyz with SSL_CERT_FILE=%q = %d, want %d", row.trusted, got, row.ready)
		}
		p.kill()
	}
}
