package main

import (
	"strconv"
	"strings"
	"testing"

	"flexbridge/store/storetest"
)

// system is what is measured.
type system struct {
	t       *testing.T
	name    string
	addr    string // of callers and webhooks
	callers []asker
	service []int // its processes
	redis   *storetest.Server
	calls   func() int64 // to Twilio, so far
	profile func(begin bool)
}

// asker is one caller and who answers it. The requests are whole, as they are
// written to the connection.
type asker interface {
	// ask is the request that will wait. It is answered after reply was sent.
	ask() []byte
	// asked waits until a reply may come.
	asked() error
	// reply are the requests that bring the answer.
	reply() [][]byte
	// answered checks the answer, and asks after it from then on.
	answered(answer []byte) error
}

// usage is what a system has used so far, or uses now.
type usage struct {
	calls    int64            // to Twilio
	pss      [2]int64         // bytes, of the service and of Redis
	cpu      [2]float64       // seconds, of the service and of Redis
	clients  int              // connections to Redis
	commands map[string]int64 // of Redis, also within scripts
}

func (s *system) usage() usage {
	u := usage{calls: s.calls(), clients: s.redis.Clients(), commands: map[string]int64{}}
	for i, pids := range s.processes() {
		for _, pid := range pids {
			u.pss[i] += pss(s.t, pid)
			u.cpu[i] += cpu(s.t, pid)
		}
	}
	stats, _ := s.redis.Do("INFO", "commandstats").(string)
	for line := range strings.Lines(stats) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		number, _, _ := strings.Cut(rest, ",")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			u.commands[name] = n
		}
	}
	return u
}

// processes are those of the service and those of Redis.
func (s *system) processes() [2][]int {
	var redis []int
	info, _ := s.redis.Do("INFO", "server").(string)
	for line := range strings.Lines(info) {
		if pid, found := strings.CutPrefix(line, "process_id:"); found {
			n, _ := strconv.Atoi(strings.TrimSpace(pid))
			redis = append(redis, n)
		}
	}
	return [2][]int{s.service, redis}
}
