package store

import (
	"sync"

	"flexbridge/bridge"
)

// watch is one watcher of a channel.
type watch struct {
	c     chan *bridge.Message
	once  sync.Once
	leave func(*watch)

	mu     *sync.Mutex // the owner's
	notify func()      // may be nil
}

func newWatch(mu *sync.Mutex, leave func(*watch)) *watch {
	return &watch{c: make(chan *bridge.Message, 1), leave: leave, mu: mu}
}

func (w *watch) C() <-chan *bridge.Message { return w.c }

func (w *watch) Notify(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notify = f
}

func (w *watch) Close() { w.once.Do(func() { w.leave(w) }) }

// watchers are those of one channel. They are guarded by their owner's mutex.
type watchers map[*watch]struct{}

// wake never blocks: to a watcher that has not noticed the last wake yet, this one
// tells of both.
func (ws watchers) wake(news *bridge.Message) {
	for w := range ws {
		w.wake(news)
	}
}

func (w *watch) wake(news *bridge.Message) {
	w.put(news)
	if w.notify != nil {
		w.notify()
	}
}

func (w *watch) put(news *bridge.Message) {
	select {
	case w.c <- news:
		return
	case last := <-w.c:
		// Of two messages the later is enough: who has read the one before it has read
		// the earlier, and everybody else will read. Only of a mailbox that was emptied, or
		// a server that stood still, an earlier one comes later.
		if last == nil || news != nil && news.Index <= last.Index {
			news = nil
		}
	}
	w.c <- news // there is room, for nobody else sends
}

// signal sets a flag, and drain clears one, that is a channel of capacity 1.
func signal(flag chan struct{}) {
	select {
	case flag <- struct{}{}:
	default:
	}
}

func drain[T any](flag chan T) {
	select {
	case <-flag:
	default:
	}
}
