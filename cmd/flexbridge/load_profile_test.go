package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"syscall"
)

// profileVariable is where the service writes profiles, in a process of its own.
const profileVariable = "FLEXBRIDGE_TEST_PROFILE"

// profileAsTold writes goroutines and heap at SIGUSR1, and what needs the CPU from
// then to SIGUSR2.
func profileAsTold() {
	dir := os.Getenv(profileVariable)
	if dir == "" {
		return
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range told {
			if err := writeProfiles(dir, s == syscall.SIGUSR1); err != nil {
				fmt.Fprintln(os.Stderr, "profiling:", err)
			}
		}
	}()
}

func writeProfiles(dir string, begin bool) error {
	if !begin {
		pprof.StopCPUProfile()
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"goroutine", "heap"} {
		file, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := pprof.Lookup(name).WriteTo(file, 0); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	file, err := os.Create(filepath.Join(dir, "cpu"))
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(file)
}
