package store

import "sync"

// watch is one watcher of a channel.
type watch struct {
	c     chan struct{}
	once  sync.Once
	leave func(*watch)
}

func newWatch(leave func(*watch)) *watch {
	return &watch{c: make(chan struct{}, 1), leave: leave}
}

func (w *watch) C() <-chan struct{} { return w.c }

func (w *watch) Close() { w.once.Do(func() { w.leave(w) }) }

// watchers are those of one channel. They are guarded by their owner's mutex.
type watchers map[*watch]struct{}

// wake never blocks: a watcher that has been woken and has not read yet will
// read this change, too.
func (ws watchers) wake() {
	for w := range ws {
		signal(w.c)
	}
}

// signal sets a flag, and drain clears one, that is a channel of capacity 1.
func signal(flag chan struct{}) {
	select {
	case flag <- struct{}{}:
	default:
	}
}

func drain(flag chan struct{}) {
	select {
	case <-flag:
	default:
	}
}
