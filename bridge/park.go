package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// parking counts the requests that wait. A customer who asks again and again,
// because a proxy hides that its calls were cut, loses the oldest of them.
type parking struct {
	max, each int

	mu    sync.Mutex
	total int
	seats map[Customer][]*seat
}

// seat is a waiting request's place.
type seat struct {
	lot      *parking
	customer Customer
	taken    chan struct{} // closed when a later request takes the seat
	notify   func()        // called then, too; may be nil
	since    time.Time     // when it was taken
	deadline time.Time     // of the wait
}

// take finds a seat, or fails with ErrBusy when the process is full.
func (p *parking) take(c Customer, deadline time.Time) (*seat, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	mine := p.seats[c]
	if len(mine) >= p.each {
		p.free(mine[0])
		close(mine[0].taken)
		if notify := mine[0].notify; notify != nil {
			notify()
		}
	} else if p.total >= p.max {
		return nil, fmt.Errorf("%w: %d requests wait already", ErrBusy, p.total)
	}
	s := &seat{lot: p, customer: c, taken: make(chan struct{}), since: time.Now(), deadline: deadline}
	if p.seats == nil {
		p.seats = map[Customer][]*seat{}
	}
	p.seats[c] = append(p.seats[c], s)
	p.total++
	return s, nil
}

// pause waits for a wake, at most until t. What it returns is that of ended.
func (s *seat) pause(ctx context.Context, wake <-chan *Message, t time.Time) (ended bool, err error) {
	timer := time.NewTimer(time.Until(s.nearest(t)))
	defer timer.Stop()
	select {
	case <-wake:
	case <-timer.C:
	case <-s.taken:
	case <-ctx.Done():
	}
	return s.ended(ctx)
}

// nearest is when to wake one that waits until t.
func (s *seat) nearest(t time.Time) time.Time {
	if s.deadline.Before(t) {
		return s.deadline
	}
	return t
}

// ended reports whether the wait has: the deadline has passed, the seat was taken or
// the process drains. A caller who left is an error.
func (s *seat) ended(ctx context.Context) (ended bool, err error) {
	if isClosed(s.taken) {
		return true, nil
	}
	if ctx.Err() != nil {
		if cause := context.Cause(ctx); !errors.Is(cause, ErrDraining) {
			return true, cause
		}
		return true, nil
	}
	return !time.Now().Before(s.deadline), nil
}

// onTaken has f called when a later request takes the seat. f must not block.
func (s *seat) onTaken(f func()) {
	s.lot.mu.Lock()
	defer s.lot.mu.Unlock()
	s.notify = f
}

// leave gives the seat back, unless it was taken.
func (s *seat) leave() {
	s.lot.mu.Lock()
	defer s.lot.mu.Unlock()
	s.lot.free(s)
}

// free removes a seat. The caller holds the lock.
func (p *parking) free(s *seat) {
	mine := p.seats[s.customer]
	i := slices.Index(mine, s)
	if i < 0 {
		return
	}
	p.total--
	if mine = slices.Delete(slices.Clone(mine), i, i+1); len(mine) > 0 {
		p.seats[s.customer] = mine
	} else {
		delete(p.seats, s.customer)
	}
}

func (p *parking) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}
