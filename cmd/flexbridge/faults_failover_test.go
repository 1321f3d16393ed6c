package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

// startSentinel starts what watches over a master, and puts its replica in its place.
func startSentinel(t *testing.T, master *storetest.Server) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	_ = l.Close()
	_, port, _ := strings.Cut(addr, ":")
	_, masterPort, _ := strings.Cut(master.Addr, ":")
	dir := t.TempDir()
	config := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf(`port %s
bind 127.0.0.1
dir %s
logfile %s/log
sentinel monitor flexbridge 127.0.0.1 %s 1
sentinel down-after-milliseconds flexbridge 300
sentinel failover-timeout flexbridge 3000
`, port, dir, dir, masterPort)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-server", config, "--sentinel") // redis-sentinel is this
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return addr
}

// TestRedisFailsOver: the master is gone for good, and Sentinel promotes its replica.
func TestRedisFailsOver(t *testing.T) {
	t.Parallel()
	master := storetest.StartRedis(t)
	host, port, _ := strings.Cut(master.Addr, ":")
	spare := storetest.StartRedis(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	sentinel := startSentinel(t, master)
	s := newSceneAt(t, master, "redis://"+sentinel+quickRedis+"&master_name=flexbridge", flexsim.Config{})
	s.until(func() bool {
		return strings.Contains(fmt.Sprint(spare.Do("INFO", "replication")), "master_link_status:up")
	})
	s.until(func() bool { return sentinelKnows(t, sentinel) })
	s.park()
	master.Do("WAIT", 1, 1000)
	master.Kill()
	s.answer(s.callers[0], 1)
	s.answer(s.callers[1], 1)
	s.until(func() bool { return strings.Contains(fmt.Sprint(spare.Do("INFO", "replication")), "role:master") })
	s.answer(s.callers[1], 1)
	s.answer(s.callers[2], 2)
	s.survived()
	s.goesOn(1)
}

// sentinelKnows reports whether a sentinel knows of the master's replica.
func sentinelKnows(t *testing.T, addr string) bool {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("INFO sentinel\r\n")); err != nil {
		return false
	}
	answer := make([]byte, 4096) // comes in one piece
	n, _ := conn.Read(answer)
	return strings.Contains(string(answer[:n]), "status=ok") && strings.Contains(string(answer[:n]), "slaves=1")
}
