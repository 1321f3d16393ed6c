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
	due     time.Time // when to read again
	news    *Message  // what the last wake brought
	ended   bool      // the wait has
	result  *Answer   // once there is one
}

// await waits until there is a result. A mailbox that fails meanwhile is asked
// again until the deadline.
func (w *wait) await(ctx context.Context) (err error) {
	defer w.watch.Close()
	if parked := w.b.config.Parked; parked != nil {
		waiting, done := parked(ctx, w.last().conversation)
		defer func() {
			var answer Answer
			if w.result != nil {
				answer = *w.result
			}
			done(answer, err)
		}()
		ctx = waiting
	}
	for {
		apart(func() { err = w.proceed(ctx) })
		if err != nil || w.result != nil {
			return err
		}
		if w.news, w.ended, err = w.seat.pause(ctx, w.watch.C(), w.due); err != nil {
			return err
		}
	}
}

// proceed reads what there is. It finds the result, or when to read again.
func (w *wait) proceed(ctx context.Context) error {
	if w.heard() {
		return nil
	}
	if w.lookout == nil {
		if a, done, err := w.catchUp(ctx, w.seat); done || err != nil {
			w.result = &a
			return err
		}
		w.lookout = w.b.lookout(w.at, w.seat.deadline)
	}
	for {
		w.due = time.Now().Add(w.b.config.LookLimit)
		if news, err := w.read(ctx); err != nil {
			w.b.log.WarnContext(ctx, "a waiting request could not be read for", "error", err)
		} else {
			w.in = news
			in, known := w.in, w.in.Owner != nil && (w.in.Mark >= w.mark)
			switch {
			case slices.ContainsFunc(w.replies, func(p reply) bool { return w.enough(p.place, p.Message) }) || w.full():
				w.replied()
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
			w.due = w.lookout.due(ctx, in, !known)
		}
		if w.ended {
			w.end(Pending)
		}
		return nil
	}
}

// heard reports whether what the wake brought makes reading needless: it is the agent's
// message which is waited for, with nothing between it and what has been read, and so
// the answer; or it is what was read last, which is slept over.
func (w *wait) heard() bool {
	news := w.news
	w.news = nil
	switch {
	case news == nil || w.index != w.mark:
		return false
	case news.Index == w.mark:
		return !w.ended
	case news.Index == w.mark+1 && news.Kind == FromAgent && w.enough(w.at, *news):
		w.replies = append(w.replies, reply{place: w.at, Message: *news})
		w.index, w.mark = news.Index, news.Index
		w.in.Agent = AgentJoined
		w.replied()
		return true
	}
	return false
}

func (w *wait) end(status Status) {
	a := w.answer(status, w.in)
	w.result = &a
}

// replied ends the wait with the replies. Once they have reached the caller, it is told
// how long ago the one that ended the wait was heard of, unless it was there before, or
// was found.
func (w *wait) replied() {
	w.end(Replied)
	i := slices.IndexFunc(w.replies, func(p reply) bool { return w.enough(p.place, p.Message) })
	if i < 0 || w.replies[i].HeardAt.Before(w.seat.since) {
		return
	}
	heard, observer := w.replies[i].HeardAt, w.b.observer
	w.result.written = func() { observer.Woke(max(0, time.Since(heard))) }
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
