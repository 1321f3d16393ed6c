package bridge

import (
	"context"
	"sync"
	"time"
)

// shiftLasts is for how long it counts whether anybody is on shift, and how far
// apart the desk is asked.
const shiftLasts = time.Minute

// shift is what the desk told this process last.
type shift struct {
	mu     sync.Mutex
	asked  time.Time
	nobody bool
}

// due reports whether the caller is the one to ask.
func (s *shift) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.asked.IsZero() && now.Sub(s.asked) < shiftLasts {
		return false
	}
	s.asked, s.nobody = now, false
	return true
}

func (s *shift) off() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nobody = true
}

// isOff reports whether nobody was on shift within the last minute.
func (s *shift) isOff() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nobody && time.Since(s.asked) < shiftLasts
}

// askShift asks the desk, if it is due.
func (b *Bridge) askShift(ctx context.Context) {
	if !b.shift.due() {
		return
	}
	b.background(ctx, b.config.LookLimit, func(ctx context.Context) {
		on, err := b.desk.OnShift(ctx)
		switch {
		case err != nil:
			b.log.WarnContext(ctx, "the desk did not tell whether anybody is on shift", "error", err)
		case !on:
			b.shift.off()
		}
	})
}
