package flexsim

import (
	"errors"
	"regexp"
	"strconv"
	"time"
)

// timers turn a conversation that is silent inactive, and one that stays so closed
// ("States and Timers in Conversations", twilio.com/docs/conversations/states-timers).
// 0 is none. Time does not pass for them, see [Sim.FireTimer].
type timers struct{ inactive, closed time.Duration }

var isoForm = regexp.MustCompile(`^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$`)

// readTimers reads what an account's defaults would fill in otherwise; here they are none.
func readTimers(r *request) (t timers, p *problem) {
	for name, timer := range map[string]struct {
		to    *time.Duration
		least time.Duration
	}{
		"Timers.Inactive": {&t.inactive, time.Minute},
		"Timers.Closed":   {&t.closed, 10 * time.Minute},
	} {
		text := r.params.Get(name)
		if text == "" {
			continue
		}
		d, ok := isoDuration(text)
		switch {
		case !ok || d < timer.least:
			return t, invalid(name)
		case !r.params.Has("State"):
			return t, problemTimerWithoutState
		}
		*timer.to = d
	}
	return t, nil
}

func isoDuration(text string) (d time.Duration, ok bool) {
	parts := isoForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, false
	}
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, err := strconv.Atoi(parts[i+1])
		if parts[i+1] == "" {
			continue
		}
		if err != nil {
			return 0, false
		}
		d += time.Duration(n) * unit
	}
	return d, true
}

var errNoTimer = errors.New("no timer runs")

// FireTimer is the time after which the conversation's timer fires: it turns inactive,
// or closed if it is that already. It is an error when no timer runs.
func (s *Sim) FireTimer(conversation string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(conversation)
	if c == nil {
		return problemNoConversation
	}
	byTimer := actor{source: "API"}
	switch {
	case c.State == Active && c.timers.inactive > 0:
		s.become(c, Inactive, "TIMER", byTimer)
	case c.State == Inactive && c.timers.closed > 0:
		s.become(c, Closed, "TIMER", byTimer)
	default:
		return errNoTimer
	}
	return nil
}

// shape is when the timers fire.
func (t timers) shape(c *Conversation) any {
	dates := map[string]any{}
	if t.inactive > 0 && c.State == Active {
		dates["date_inactive"] = restTime(c.Updated.Add(t.inactive))
	}
	if t.closed > 0 && c.State != Closed {
		dates["date_closed"] = restTime(c.Updated.Add(t.closed))
	}
	return dates
}
