package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"
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
	part := filepath.Join(dir, "cpu.part")
	if !begin {
		pprof.StopCPUProfile()
		return os.Rename(part, filepath.Join(dir, "cpu")) // it is whole
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	runtime.GC() // the heap's profile is of the last one
	for _, name := range []string{"goroutine", "heap"} {
		var profile bytes.Buffer
		if err := pprof.Lookup(name).WriteTo(&profile, 0); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), profile.Bytes(), 0o600); err != nil {
			return err
		}
	}
	file, err := os.Create(part)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(file)
}

// profile has the process begin or end to write profiles, if it was told where.
func (p *process) profile(begin bool) {
	dir := os.Getenv(profileVariable)
	if dir == "" {
		return
	}
	if begin {
		p.signal(syscall.SIGUSR1)
		return
	}
	p.signal(syscall.SIGUSR2)
	for late := time.Now().Add(10 * time.Second); time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "cpu")); err == nil {
			return
		}
	}
}
