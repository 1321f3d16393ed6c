package bridge_test

import (
	"context"
	"errors"
	"sync/atomic"

	"flexbridge/bridge"
	"flexbridge/store"
)

// flaky is a mailbox that can be switched off.
type flaky struct {
	*store.Memory
	off atomic.Bool
}

var errOff = errors.New("switched off")

func newFlaky() *flaky { return &flaky{Memory: store.NewMemory(store.Config{})} }

func (f *flaky) fail(off bool) { f.off.Store(off) }

func (f *flaky) Keep(ctx context.Context, conversation string, u bridge.Update) (bridge.Kept, error) {
	if f.off.Load() {
		return bridge.Kept{}, errOff
	}
	return f.Memory.Keep(ctx, conversation, u)
}

func (f *flaky) Read(ctx context.Context, conversation string, after int) (bridge.Inbox, error) {
	if f.off.Load() {
		return bridge.Inbox{}, errOff
	}
	return f.Memory.Read(ctx, conversation, after)
}
