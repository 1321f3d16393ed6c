package bridge

import (
	"context"
	"slices"
	"time"
)

// wait is a call that waits in the last conversation of its reading. Thousands do, and
// sleep nearly all the time, so it has no goroutine of its own: whatever may end it
// rings its bell, and a turn does what there is to do.
type wait struct {
	*reading
	watch  Watch // closed at the end
	seat   *seat
	enough func(place, Message) bool // whether a reply is what is waited for
	told   func(Answer)              // see Answer.Written; nil: nothing

	ctx    context.Context
	over   then
	parked then        // see Config.Parked; may be nil
	bell   bell        // rung by watch and seat, and by these two:
	timer  *time.Timer // at the deadline, or when to read again
	unhook func() bool // from ctx

	lookout *lookout // nil until earlier conversations are read
	in      Inbox
	due     time.Time // when to read again
	news    *Message  // what the last wake brought
	ended   bool      // the wait has
	result  *Answer   // once there is one
}

// then is called once with what a call comes to, on any goroutine, perhaps before the
// call returns.
type then = func(Answer, error)

// begin waits until there is a result. A mailbox that fails meanwhile is asked again
// until the deadline.
func (w *wait) begin(ctx context.Context, over then) {
	w.ctx, w.over, w.bell.answer = ctx, over, w.turn
	if w.finish(shielded(w.first)) {
		return
	}
	w.bell.rung.Add(1) // nobody else answers until all is set up
	ring := w.bell.ring
	w.timer = time.AfterFunc(time.Until(w.seat.nearest(w.due)), ring)
	w.unhook = context.AfterFunc(w.ctx, ring)
	w.seat.onTaken(ring)
	w.watch.Notify(ring)
	w.bell.run() // for what happened before
}

// first tells of the wait, and reads what is there when it begins.
func (w *wait) first() error {
	if parked := w.b.config.Parked; parked != nil {
		w.ctx, w.parked = parked(w.ctx, w.last().conversation)
	}
	return w.proceed(w.ctx)
}

// turn does what there is to do, and reports whether the wait is over.
func (w *wait) turn() bool {
	if w.finish(shielded(w.step)) {
		return true
	}
	w.timer.Reset(time.Until(w.seat.nearest(w.due)))
	return false
}

// step is what a turn does. It may have been rung for what the one before has seen:
// then there is nothing to do.
func (w *wait) step() (err error) {
	woken := false
	select {
	case w.news = <-w.watch.C():
		woken = true
	default:
	}
	if w.ended, err = w.seat.ended(w.ctx); err != nil {
		return err
	}
	if woken || w.ended || !time.Now().Before(w.due) {
		return w.proceed(w.ctx)
	}
	return nil
}

// finish ends the wait if there is a result, or an error.
func (w *wait) finish(err error) (over bool) {
	if err == nil && w.result == nil {
		return false
	}
	if w.timer != nil {
		w.timer.Stop()
		w.unhook()
	}
	w.watch.Close()
	var answer Answer
	if err == nil {
		answer = *w.result
		if w.told != nil {
			answer.written = func() { w.result.Written(); w.told(*w.result) }
		}
	}
	if w.parked != nil {
		w.b.outside(func() { w.parked(answer, err) })
	}
	w.over(answer, err)
	return true
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
