package api_test

import (
	"net/http"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"flexbridge/api"
)

// A closed listener still notices who hangs up, and holds no file once nobody waits.
func TestListenerLeavesNoFile(t *testing.T) {
	newLot(t, 1, nil).stop() // Go's own poller has its files from now on
	before := openFiles(t)
	for range 3 {
		l := newLot(t, 1, nil)
		c, idle := l.dial(), l.dial()
		l.park(idle, sending)
		l.answer <- come(replied, nil)
		idle.response()
		ctx := l.park(c, sending)
		if err := l.listener.Close(); err != nil {
			t.Fatal(err)
		}
		idle.ended()
		_, _ = idle.Close(), c.Close()
		<-ctx.Done()
		l.stop()
	}
	for late := time.Now().Add(10 * time.Second); openFiles(t) > before; runtime.Gosched() {
		if time.Now().After(late) {
			t.Fatalf("%d files are open, before there were %d", openFiles(t), before)
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// Where no more files can be opened to watch callers with, they wait in their handlers.
func TestNotParkedWithoutEpoll(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	set := func(n syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &n); err != nil {
			t.Fatal(err)
		}
	}
	defer set(limit)
	l := newLot(t, 1, func(*api.Config, *http.Server) { set(syscall.Rlimit{Cur: 0, Max: limit.Max}) })
	set(limit)
	c := l.dial()
	for range 50 { // of which some would be parked before the answer
		l.stays(c, sending)
	}
}
