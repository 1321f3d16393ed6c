package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"flexbridge/bridge"
)

func directory(t *testing.T, m bridge.Mailbox) {
	c := newCustomer()
	want := func(want bridge.Directory) {
		t.Helper()
		got, err := m.Directory(t.Context(), c)
		check(t, err)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(sameCursor)); diff != "" {
			t.Errorf("Directory (-want +got):\n%s", diff)
		}
	}
	want(bridge.Directory{})
	cursor := bridge.At(0, "CH0", 4)
	check(t, m.Tell(t.Context(), c, cursor))
	want(bridge.Directory{Told: cursor})
	check(t, m.Enter(t.Context(), c, nil))
	want(bridge.Directory{Known: true, Told: cursor})
	check(t, m.Enter(t.Context(), c, map[int]string{0: "CH0", 2: "CH2"}))
	want(bridge.Directory{Known: true, Told: cursor, Conversations: map[int]string{0: "CH0", 2: "CH2"}})
	check(t, m.Enter(t.Context(), c, map[int]string{2: "CHnew", 3: "CH3"}))
	check(t, m.Enter(t.Context(), c, nil))
	want(bridge.Directory{Known: true, Told: cursor, Conversations: map[int]string{0: "CH0", 2: "CHnew", 3: "CH3"}})
}

func sameCursor(a, b bridge.Cursor) bool { return a == b }

func told(t *testing.T, m bridge.Mailbox) {
	c := newCustomer()
	for _, s := range []struct{ tell, want bridge.Cursor }{
		{bridge.Cursor{}, bridge.Cursor{}},
		{bridge.At(0, "CH0", -1), bridge.At(0, "CH0", -1)},
		{bridge.At(0, "CH0", 10), bridge.At(0, "CH0", 10)},
		{bridge.At(0, "CH0", 9), bridge.At(0, "CH0", 10)},
		{bridge.At(2, "CH2", 1), bridge.At(2, "CH2", 1)},
		{bridge.At(1, "CH1", 99), bridge.At(2, "CH2", 1)},
		{bridge.At(2, "CH2", -1), bridge.At(2, "CH2", 1)},
		{bridge.Cursor{}, bridge.At(2, "CH2", 1)},
		{bridge.At(10, "CH10", 0), bridge.At(10, "CH10", 0)},
	} {
		check(t, m.Tell(t.Context(), c, s.tell))
		d, err := m.Directory(t.Context(), c)
		check(t, err)
		if d.Told != s.want {
			t.Errorf("Told = %q after %q, want %q", d.Told, s.tell, s.want)
		}
	}
}

// hour is a lease that does not lapse in a test.
const hour = time.Hour

func lease(t *testing.T, m bridge.Mailbox) {
	c := newCustomer()
	take := func(token string, wantHeld bool, want bridge.Opening) {
		t.Helper()
		got, held, err := m.Lease(t.Context(), c, token, hour)
		check(t, err)
		if taken := got.Taken > 0; taken == held || got.Taken > hour {
			t.Errorf("Taken = %v, held = %v", got.Taken, held)
		}
		got.Taken = 0
		if held != wantHeld || got != want {
			t.Errorf("Lease(%s) = %+v, %v, want %+v, %v", token, got, held, want, wantHeld)
		}
	}
	record := func(token string, o bridge.Opening, want bool) {
		t.Helper()
		held, err := m.Record(t.Context(), c, token, o, hour)
		check(t, err)
		if held != want {
			t.Errorf("Record(%s) = %v, want %v", token, held, want)
		}
	}
	steps := bridge.Opening{Generation: 2, Conversation: "CH2", Done: bridge.Joined}
	record("a", steps, false)
	take("a", true, bridge.Opening{})
	take("a", true, bridge.Opening{})
	take("b", false, bridge.Opening{})
	record("b", steps, false)
	record("a", bridge.Opening{Generation: 1, Taken: time.Hour}, true)
	record("a", steps, true)
	record("a", steps, true)
	take("b", false, steps)
	take("a", true, steps)
	check(t, m.Release(t.Context(), c, "b"))
	take("b", false, steps)
	check(t, m.Release(t.Context(), c, "a"))
	check(t, m.Release(t.Context(), c, "a"))
	record("a", steps, false)
	take("b", true, bridge.Opening{})
}

func leaseAskedFor(t *testing.T, m bridge.Mailbox) {
	c := newCustomer()
	ask := func(token string, wantFree bool, want bridge.Opening) {
		t.Helper()
		got, free, err := m.Lease(t.Context(), c, token, 0)
		check(t, err)
		if taken := got.Taken > 0; taken == free {
			t.Errorf("Taken = %v, free = %v", got.Taken, free)
		}
		got.Taken = 0
		if free != wantFree || got != want {
			t.Errorf("Lease(%q, 0) = %+v, %v, want %+v, %v", token, got, free, want, wantFree)
		}
	}
	steps := bridge.Opening{Generation: 2, Conversation: "CH2", Done: bridge.Joined}
	ask("", true, bridge.Opening{})
	if _, held, err := m.Lease(t.Context(), c, "a", hour); err != nil || !held {
		t.Fatalf("Lease = %v, %v", held, err)
	}
	held, err := m.Record(t.Context(), c, "a", steps, hour)
	if check(t, err); !held {
		t.Fatal("Record = false")
	}
	ask("", false, steps)
	ask("a", true, steps)
	held, err = m.Record(t.Context(), c, "a", steps, hour)
	if check(t, err); !held {
		t.Error("asking has ended the lease")
	}
}

func leaseLapses(t *testing.T, m bridge.Mailbox) {
	c := newCustomer()
	const short = 60 * time.Millisecond
	steps := bridge.Opening{Conversation: "CH0", Done: bridge.Created}
	_, held, err := m.Lease(t.Context(), c, "a", hour)
	if check(t, err); !held {
		t.Fatal("Lease is not held")
	}
	held, err = m.Record(t.Context(), c, "a", steps, short) // what Record renews is shorter
	if check(t, err); !held {
		t.Fatal("Record = false")
	}
	eventually(t, "another takes over", func() bool {
		got, held, err := m.Lease(t.Context(), c, "b", hour)
		check(t, err)
		if held && got != steps {
			t.Errorf("Lease = %+v, want the steps so far", got)
		}
		return held
	})
	if held, err = m.Record(t.Context(), c, "a", steps, hour); err != nil || held {
		t.Errorf("Record = %v, %v by who lost the lease", held, err)
	}
	check(t, m.Release(t.Context(), c, "a"))
	if got, held, err := m.Lease(t.Context(), c, "b", time.Millisecond); err != nil || !held || got != steps {
		t.Errorf("Lease = %+v, %v, %v, want renewed", got, held, err)
	}
	eventually(t, "a lapsed lease is not held", func() bool {
		held, err := m.Record(t.Context(), c, "b", steps, time.Millisecond)
		check(t, err)
		return !held
	})
}

func twoOpeners(t *testing.T, m bridge.Mailbox) {
	c := newCustomer()
	var held atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, ok, err := m.Lease(t.Context(), c, string(rune('a'+i)), hour)
			if err != nil {
				t.Errorf("Lease = %v", err)
			}
			if ok {
				held.Add(1)
			}
		})
	}
	wg.Wait()
	if n := held.Load(); n != 1 {
		t.Errorf("%d hold the lease, want 1", n)
	}
}
