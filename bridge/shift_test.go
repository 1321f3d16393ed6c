package bridge_test

import (
	"testing"
	"time"

	"flexbridge/bridge"
)

// That nobody is on shift is told to who waits, is asked once a minute for all, and
// changes nothing else.
func TestNobodyOnShift(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		on := false
		w.desk.shifts(func() bool { return on })
		pending := func(got outcome, off bool, calls int, when string) bridge.Cursor {
			t.Helper()
			want(t, got, bridge.Pending, "")
			if n := w.desk.counted("shift"); got.OffShift != off || n != calls {
				t.Fatalf("%s: OffShift = %v after %d calls, want %v after %d", when, got.OffShift, n, off, calls)
			}
			return got.Cursor
		}
		asked, other := w.ask(ann, "a?", asking{}), w.ask(bob, "b?", asking{})
		cursor := pending(<-asked, true, 1, "at night")
		pending(<-other, true, 1, "at night, another")
		on = true
		pending(<-w.await(ann, cursor, 40*time.Second), true, 1, "within the minute")
		w.desk.faulty(func(op string) error {
			if op == "shift" {
				return bridge.ErrDeskUnavailable
			}
			return nil
		}, nil)
		pending(<-w.await(ann, cursor, 40*time.Second), false, 1, "while the desk does not tell")
		w.desk.faulty(nil, nil)
		time.Sleep(time.Minute)
		pending(<-w.await(ann, cursor, 40*time.Second), false, 2, "in the morning")
		on = false
		time.Sleep(time.Minute)
		pending(<-w.await(ann, cursor, 40*time.Second), true, 3, "at night again")
		time.Sleep(time.Minute)
		w.deliver(sidOf(ann, 0), w.desk.greets(sidOf(ann, 0), "welcome"))
		got := <-w.await(ann, cursor, 40*time.Second)
		if want(t, got, bridge.Replied, "welcome"); got.OffShift {
			t.Error("OffShift by what the desk told more than a minute ago")
		}
		cursor = pending(<-w.await(ann, got.Cursor, 40*time.Second), true, 4, "and still")
		waiter := w.await(ann, cursor, 40*time.Second)
		w.reply(sidOf(ann, 0), "yes")
		got = <-waiter
		if want(t, got, bridge.Replied, "yes"); got.OffShift {
			t.Error("answered, and nobody on shift")
		}
		time.Sleep(time.Minute)
		pending(<-w.await(ann, got.Cursor, 40*time.Second), false, 4, "while an agent is there")
	})
}
