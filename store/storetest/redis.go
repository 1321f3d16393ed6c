package storetest

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is a real redis-server of a test's own, on a free port of the loopback
// interface, with its data in a temporary directory. It is not safe for
// concurrent use.
type Server struct {
	Addr string // host:port
	URL  string // redis://host:port

	t      testing.TB
	dir    string
	args   []string
	cmd    *exec.Cmd
	exited chan struct{}
}

// kept makes a server keep what it is told.
var kept = []string{"--save", "", "--appendonly", "yes", "--appendfsync", "no"}

// StartRedis starts a server, with more arguments if there are any, that ends
// with the test. Without redis-server on the PATH the test is skipped, or fails
// if FLEXBRIDGE_REQUIRE_REDIS=1.
func StartRedis(t testing.TB, args ...string) *Server {
	t.Helper()
	return launch(t, append(slices.Clone(kept), args...)...)
}

// launch starts redis-server with these arguments, and those of its place.
func launch(t testing.TB, args ...string) *Server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	switch {
	case err == nil:
	case os.Getenv("FLEXBRIDGE_REQUIRE_REDIS") == "1":
		t.Fatalf("FLEXBRIDGE_REQUIRE_REDIS=1, but: %v", err)
	default:
		t.Skipf("needs a real Redis: %v", err)
	}
	s := &Server{t: t, dir: t.TempDir(), args: args}
	t.Cleanup(func() { s.Kill() })
	// The free port may be taken by somebody else before the server listens.
	for range 5 {
		s.Addr = freeAddr(t)
		if s.start(path) {
			s.URL = "redis://" + s.Addr
			return s
		}
	}
	t.Fatal("redis-server does not start")
	return nil
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// start reports whether the server answers.
func (s *Server) start(path string) bool {
	s.t.Helper()
	_, port, _ := strings.Cut(s.Addr, ":")
	place := []string{"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--logfile", filepath.Join(s.dir, "log")}
	s.cmd = exec.Command(path, append(slices.Clone(s.args), place...)...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("starting redis-server: %v", err)
	}
	cmd, exited := s.cmd, make(chan struct{})
	s.exited = exited
	end := guard(s.t, cmd.Process.Pid)
	go func() {
		defer close(exited)
		_ = cmd.Wait()
		end()
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Second)
	for {
		if s.answers() {
			return true
		}
		select {
		case <-tick.C:
		case <-exited:
			return false
		case <-late:
			s.Kill()
			return false
		}
	}
}

// guard starts a process that kills the server when ours dies without a cleanup,
// as a test that times out does: its end of the pipe closes then.
func guard(t testing.TB, pid int) (end func()) {
	t.Helper()
	cmd := exec.Command("sh", "-c", `read _ || kill -9 "$0"`, strconv.Itoa(pid))
	pipe, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("guarding redis-server: %v", err)
	}
	return func() {
		_, _ = pipe.Write([]byte("\n")) // the server has gone by itself
		_ = cmd.Wait()
	}
}

// answers asks whether this very server answers: the port may have been taken by
// another, of a test in another process. It asks without go-redis, which logs every
// server that is not there yet.
func (s *Server) answers() bool {
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\nINFO server\r\n")); err != nil {
		return false
	}
	lines := bufio.NewScanner(conn)
	if !lines.Scan() || lines.Text() != "+PONG" {
		return false
	}
	for lines.Scan() {
		if pid, there := strings.CutPrefix(lines.Text(), "process_id:"); there {
			return pid == strconv.Itoa(s.cmd.Process.Pid)
		}
	}
	return false
}

// Kill ends the server at once, as a crash would.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// Restart kills the server if it runs, and starts it at the same address, with
// what it knew or empty.
func (s *Server) Restart(keepData bool) {
	s.t.Helper()
	s.Kill()
	if !keepData {
		if err := os.RemoveAll(filepath.Join(s.dir, "appendonlydir")); err != nil {
			s.t.Fatal(err)
		}
	}
	// Somebody's connection may have the port for a while.
	for late := time.Now().Add(10 * time.Second); !s.start(s.cmd.Path); {
		if time.Now().After(late) {
			s.t.Fatal("redis-server does not start again")
		}
	}
}

// Freeze stops the server in its tracks: connections stay, nothing answers.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("signalling redis-server: %v", err)
	}
}

// Clients counts the connections to the server but for its own question.
func (s *Server) Clients() int {
	s.t.Helper()
	list, _ := s.Do("CLIENT", "LIST").(string)
	return strings.Count(list, "\n") - 1
}

// Do runs a command over a connection of its own and returns the reply as
// go-redis does; an error fails the test, but for redis.Nil, which is nil.
func (s *Server) Do(args ...any) any {
	s.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.Addr, Protocol: 2})
	defer func() { _ = client.Close() }()
	v, err := client.Do(context.Background(), args...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		s.t.Fatalf("%v: %v", args, err)
	}
	return v
}
