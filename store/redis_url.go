package store

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// settings are what a client gets unless its URL says otherwise. The pool bounds
// the connections for commands; the subscription has one of its own. One retry
// is safe, as every script may be repeated.
var settings = map[string]string{
	"pool_size":        "16",
	"max_active_conns": "16",
	"max_retries":      "1",
	"dial_timeout":     "2s",
	"read_timeout":     "2s",
	"write_timeout":    "2s",
}

var errURL = errors.New("not a Redis URL")

// dial makes the client that a URL names, without connecting; see [OpenRedis].
// No error contains the URL, which may hold a password.
func dial(text string) (redis.UniversalClient, error) {
	u, err := url.Parse(oneHost(text))
	if err != nil {
		return nil, errURL
	}
	q := u.Query()
	for name, value := range settings {
		if !q.Has(name) {
			q.Set(name, value)
		}
	}
	// With protocol 3 a managed server could move the subscription to another
	// connection behind our back.
	q.Set("protocol", "2")
	u.RawQuery = q.Encode()
	client, err := clientOf(u.String(), q)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", errURL, err)
	}
	return client, nil
}

// clientOf sets what parameters cannot: contexts' deadlines count, a server that
// refuses connections is not asked again and again within one command, and batches
// have no connections of their own.
func clientOf(text string, q url.Values) (redis.UniversalClient, error) {
	switch {
	case q.Has("master_name"):
		o, err := redis.ParseFailoverURL(text)
		if err != nil {
			return nil, err
		}
		o.ContextTimeoutEnabled, o.DialerRetries, o.PipelinePoolSize = true, 1, -1
		// Only the master keeps what it is told.
		o.ReplicaOnly, o.RouteByLatency, o.RouteRandomly = false, false, false
		return redis.NewFailoverClient(o), nil
	case q.Has("addr"):
		o, err := redis.ParseClusterURL(text)
		if err != nil {
			return nil, err
		}
		o.ContextTimeoutEnabled, o.DialerRetries = true, 1
		// A master that is gone answers nobody MOVED, so who took its place is learned
		// by asking the others: go-redis does that on no error, and by itself once a minute.
		o.ClusterStateReloadInterval = time.Second
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(text)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled, o.DialerRetries, o.PipelinePoolSize = true, 1, -1
	return redis.NewClient(o), nil
}

// oneHost moves the hosts after the first to addr parameters, where go-redis
// expects them.
func oneHost(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme == "unix" {
		return text
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	// A comma may stand in a password, too.
	at := strings.LastIndex(authority, "@") + 1
	hosts := strings.Split(authority[at:], ",")
	if len(hosts) == 1 {
		return text
	}
	mark := "?"
	if strings.Contains(tail, "?") {
		mark = "&"
	}
	more := url.Values{"addr": hosts[1:]}
	return scheme + "://" + authority[:at] + hosts[0] + tail + mark + more.Encode()
}
