package store_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"flexbridge/bridge"
	"flexbridge/store"
)

// Strangers choose what budgets, customers and repeats are called. What they leave in
// a process does not grow with how many there were.
func TestMadeUpNamesCostNoMemory(t *testing.T) {
	for name, leave := range map[string]func(*store.Memory, string) error{
		"budgets": func(m *store.Memory, name string) error {
			_, _, err := m.Spend(t.Context(), name, 20)
			return err
		},
		"customers without a conversation": func(m *store.Memory, name string) error {
			return m.Enter(t.Context(), bridge.Customer(name), nil)
		},
		"calls without a handle": func(m *store.Memory, name string) error {
			_, err := m.Adopt(t.Context(), name, name, 170*time.Second)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := store.NewMemory(store.Config{})
				few := heap()
				for i := range 300_000 {
					if err := leave(m, fmt.Sprintf("%032x", i)); err != nil {
						t.Fatal(err)
					}
					time.Sleep(50 * time.Millisecond) // four hours of them
				}
				if grown := heap() - few; grown > 8<<20 {
					t.Errorf("it grew by %d MB", grown>>20)
				} else {
					t.Logf("it grew by %d KB", grown>>10)
				}
				runtime.KeepAlive(m)
			})
		})
	}
}

// heap is what is in use, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
