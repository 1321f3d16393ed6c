package flex

import (
	"fmt"
	"strings"
	"time"
)

// The shortest timers that Twilio takes ("States and Timers in Conversations",
// twilio.com/docs/conversations/states-timers).
const (
	MinInactiveAfter = time.Minute
	MinClosedAfter   = 10 * time.Minute
)

// ValidTimer reports whether Twilio takes a timer: whole seconds, at least least; or
// 0, which is none.
func ValidTimer(d, least time.Duration) bool {
	return d == 0 || d >= least && d%time.Second == 0
}

// iso8601 spells a timer.
func iso8601(d time.Duration) string { return "PT" + strings.ToUpper(d.String()) }

func (c Config) validTimers() error {
	switch {
	case !ValidTimer(c.InactiveAfter, MinInactiveAfter):
		return fmt.Errorf("the timer to inactive is neither 0 nor whole seconds from %v on", MinInactiveAfter)
	case !ValidTimer(c.ClosedAfter, MinClosedAfter):
		return fmt.Errorf("the timer to closed is neither 0 nor whole seconds from %v on", MinClosedAfter)
	}
	return nil
}
