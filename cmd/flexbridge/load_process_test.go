package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// raiseFiles raises the limit of open files as far as it may be, for the processes
// we start, too, and returns it.
func raiseFiles(t *testing.T) int {
	const most = 200_000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	hard := max(limit.Max, most)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: hard, Max: hard}); err == nil {
		return int(min(hard, 1<<30))
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return int(limit.Cur)
}

// pss is a process's memory in bytes, where pages that n processes share count as
// an n-th for each. See proc_pid_smaps(5).
func pss(t *testing.T, pid int) int64 {
	t.Helper()
	text := procFile(t, pid, "smaps_rollup")
	_, rest, _ := strings.Cut(text, "\nPss:")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kb, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		t.Fatalf("the PSS of process %d: %v", pid, err)
	}
	return kb << 10
}

// cpu is a process's time in seconds, in the hundredths that the kernel tells. See
// proc_pid_stat(5).
func cpu(t *testing.T, pid int) float64 {
	t.Helper()
	text := procFile(t, pid, "stat")
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:]) // from the third on
	user, err1 := strconv.Atoi(fields[14-3])
	system, err2 := strconv.Atoi(fields[15-3])
	if err1 != nil || err2 != nil {
		t.Fatalf("the times of process %d: %v, %v", pid, err1, err2)
	}
	return float64(user+system) / 100
}

func procFile(t *testing.T, pid int, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
