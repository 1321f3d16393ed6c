package bridge

import (
	"context"
	"time"
)

// begin refuses a cursor of the newest conversation beyond everything that was ever
// said there. What it reads is the first that is read for the answer, too.
func (r *reading) begin(ctx context.Context, newest place) error {
	if r.after.Generation != newest.generation {
		return nil
	}
	in, err := r.b.state(ctx, r.at, r.index)
	if err != nil {
		return err
	}
	looked, err := r.b.check(ctx, r.at, r.after, in)
	if err == nil && !looked {
		r.fresh = &in
	}
	return err
}

// next is what begin has read, once, or else read anew.
func (r *reading) next(ctx context.Context) (Inbox, error) {
	if in := r.fresh; in != nil {
		r.fresh = nil
		return *in, nil
	}
	return r.b.read(ctx, r.at, r.index)
}

// pause waits for a wake, at most until t. It reports whether that brought the agent's
// message which is waited for, and nothing lies between it and what has been read. If
// not, there may be anything to read, unless the wake told of what was read last.
func (r *reading) pause(ctx context.Context, w Watch, seat *seat, t time.Time, enough func(place, Message) bool) (heard, ended bool, err error) {
	for {
		news, ended, err := seat.pause(ctx, w.C(), t)
		switch {
		case err != nil || news == nil || r.index != r.mark:
			return false, ended, err
		case news.Index == r.mark && !ended:
			continue
		case news.Index == r.mark+1 && news.Kind == FromAgent && enough(r.at, *news):
			r.replies = append(r.replies, reply{place: r.at, Message: *news})
			r.index, r.mark = news.Index, news.Index
			return true, ended, nil
		}
		return false, ended, nil
	}
}
