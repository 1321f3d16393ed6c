package bridge

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// wait is a call that waits in the last conversation of its reading. Thousands do, and
// sleep nearly all the time, so that what they keep is all they cost: it stands here,
// and not on the stack.
type wait struct {
	*reading
	watch  Watch // closed by await
	seat   *seat
	enough func(place, Message) bool // whether a reply is what is waited for
	told   func(Answer)              // see Answer.Written; nil: nothing

	lookout *lookout // nil until earlier conversations are read
	in      Inbox
	ended   bool      // the wait has
	next    time.Time // when to read again
	result  *Answer   // once there is one
}

// await waits until there is an answer. A mailbox that fails meanwhile is asked
// again until the deadline.
func (w *wait) await(ctx context.Context) (Answer, error) {
	defer w.watch.Close()
	for {
		var err error
		apart(func() { err = w.proceed(ctx) })
		if err != nil {
			return Answer{}, err
		}
		if w.result != nil {
			return *w.result, nil
		}
		if w.ended, err = w.seat.pause(ctx, w.watch.C(), w.next); err != nil {
			return Answer{}, err
		}
	}
}

// proceed reads what there is. It finds the answer, or when to read again.
func (w *wait) proceed(ctx context.Context) error {
	if w.lookout == nil {
		if a, done, err := w.catchUp(ctx, w.seat); done || err != nil {
			w.result = &a
			return err
		}
		w.lookout = w.b.lookout(w.at, w.seat.deadline)
	}
	for {
		w.next = time.Now().Add(w.b.config.LookLimit)
		if news, err := w.read(ctx); err != nil {
			w.b.log.WarnContext(ctx, "a waiting request could not be read for", "error", err)
		} else {
			w.in = news
			in, known := w.in, w.in.Owner != nil && (w.in.Mark >= w.mark)
			switch {
			case slices.ContainsFunc(w.replies, func(p reply) bool { return w.enough(p.place, p.Message) }) || w.full():
				w.end(Replied)
				return nil
			case known && in.Closed == CloseLooked:
				w.end(Closed)
				return nil
			case known && in.Abandoned && in.Top <= in.Mark:
				if !w.lookAgain(ctx, in) {
					w.end(Unavailable)
					return nil
				}
				continue
			}
			w.next = w.lookout.due(ctx, in, !known)
		}
		if w.ended {
			w.end(Pending)
		}
		return nil
	}
}

func (w *wait) end(status Status) {
	a := w.answer(status, w.in)
	w.result = &a
}

// apart runs f, which is deep, on a stack of its own. The stack of one who waits
// would have to grow for it, and hardly shrinks again: Go halves one only while less
// than a quarter of it is used (runtime.shrinkstack).
func apart(f func()) {
	var panicked any
	returned, done := false, make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if panicked = recover(); panicked != nil {
				panicked = fmt.Sprintf("%v\n%s", panicked, debug.Stack())
			}
		}()
		f()
		returned = true
	}()
	<-done
	switch {
	case panicked != nil:
		panic(panicked)
	case !returned:
		runtime.Goexit()
	}
}
