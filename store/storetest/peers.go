package storetest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// peer is the user as whom a server's replicas log in, and service that of a
// sentinel's clients, so that some can be kept out while others go on.
var peer = []string{
	"--user", "peer", "on", "nopass", "~*", "&*", "+@all", "--masteruser", "peer", "--masterauth", "none",
	"--user", "service", "on", ">secret", "~*", "&*", "+@all",
	"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
}

// Isolate keeps the server's replicas and sentinels out, as a broken network
// between them would, until it starts again. It still serves its clients.
func (s *Server) Isolate() {
	s.t.Helper()
	s.Do("ACL", "SETUSER", "peer", "off")
	s.Do("ACL", "SETUSER", "default", "-ping", "-info") // a sentinel's questions
	s.Do("CLIENT", "KILL", "USER", "peer")
}

// IsMaster reports whether the server takes itself for a master.
func (s *Server) IsMaster() bool {
	s.t.Helper()
	role, _ := s.Do("ROLE").([]any)
	return role[0] == "master"
}

// synced reports whether the server is a replica that has all its master has.
func (s *Server) synced() bool {
	info, _ := s.Do("INFO", "replication").(string)
	return strings.Contains(info, "master_link_status:up")
}

func (s *Server) hostPort() (host, port string) {
	host, port, _ = strings.Cut(s.Addr, ":")
	return host, port
}

// Sentinel is a master and its replica with a sentinel over them, which sees a
// master's death after a second.
type Sentinel struct {
	*Fleet
	Master, Replica *Server // as they were at the start
	Watcher         *Server // the sentinel
}

// StartSentinel starts them, as [StartRedis] does one server. The master's name is
// in the URL.
func StartSentinel(t testing.TB) *Sentinel {
	t.Helper()
	s := &Sentinel{Master: StartRedis(t, peer...)}
	host, port := s.Master.hostPort()
	s.Replica = StartRedis(t, append(slices.Clone(peer), "--replicaof", host, port)...)
	config := filepath.Join(t.TempDir(), "sentinel.conf") // it writes there itself
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Watcher = launch(t, config, "--sentinel")
	for _, command := range [][]any{
		{"MONITOR", "flexbridge", host, port, 1},
		{"SET", "flexbridge", "down-after-milliseconds", 1000},
		{"SET", "flexbridge", "failover-timeout", 3000},
	} {
		s.Watcher.Do(append([]any{"SENTINEL"}, command...)...)
	}
	s.Fleet = &Fleet{
		URL:     "redis://" + s.Watcher.Addr + "?master_name=flexbridge&username=service&password=secret",
		Servers: []*Server{s.Master, s.Replica},
		ready: func() bool {
			info, _ := s.Watcher.Do("INFO", "sentinel").(string)
			return strings.Contains(info, "status=ok") && strings.Contains(info, "slaves=1") &&
				(s.Replica.synced() || s.Master.synced())
		},
	}
	eventually(t, "the sentinel knows both", s.ready)
	return s
}
