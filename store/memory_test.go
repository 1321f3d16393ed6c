package store_test

import (
	"testing"
	"testing/synctest"
	"time"

	"flexbridge/bridge"
	"flexbridge/store"
)

var (
	hello = bridge.Update{Messages: []bridge.Message{{SID: "IM0", Kind: bridge.FromAgent, Text: "hello"}}}
	ana   = bridge.Customer("0123456789abcdef0123456789abcdef")
)

// The clock of a bubble stands still but for its sleeps, so every lifetime can
// be seen to the nanosecond.
func TestMemoryLifetimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := store.NewMemory(store.Config{Retention: time.Hour})
		ctx := t.Context()
		mark := func() int {
			in, err := m.Read(ctx, "CH1", -1)
			check(t, err)
			return in.Mark
		}
		keep := func() { _, err := m.Keep(ctx, "CH1", hello); check(t, err) }
		known := func() bool {
			d, err := m.Directory(ctx, ana)
			check(t, err)
			return d.Known
		}

		keep()
		check(t, m.Enter(ctx, ana, nil))
		time.Sleep(time.Minute - 1)
		if !known() {
			t.Error("forgot within a minute that the desk knows of nothing")
		}
		time.Sleep(time.Nanosecond)
		if known() {
			t.Error("the desk still known to know of nothing after a minute")
		}

		keep() // a duplicate is no change
		time.Sleep(time.Hour - time.Minute - 1)
		if mark() != 0 {
			t.Error("a conversation was forgotten within its retention")
		}
		if _, err := m.Claim(ctx, "CH1", time.Minute); err != nil { // a change
			t.Fatal(err)
		}
		time.Sleep(time.Hour - 1)
		if mark() != 0 {
			t.Error("a change did not renew the retention")
		}
		time.Sleep(time.Nanosecond)
		if mark() != -1 {
			t.Error("a conversation outlived its retention")
		}

		check(t, m.Tell(ctx, ana, bridge.At(0, "CH1", 3)))
		check(t, m.Enter(ctx, ana, nil))
		time.Sleep(time.Minute)
		if d, err := m.Directory(ctx, ana); err != nil || d.Known || d.Told.IsZero() {
			t.Errorf("Directory = %+v, %v, want only what was told", d, err)
		}
	})
}

func TestMemoryOpeningLivesTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := store.NewMemory(store.Config{})
		ctx := t.Context()
		if _, _, err := m.Lease(ctx, ana, "a", 10*time.Second); err != nil {
			t.Fatal(err)
		}
		steps := bridge.Opening{Conversation: "CH1", Done: bridge.Hooked}
		if _, err := m.Record(ctx, ana, "a", steps, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		if o, held, _ := m.Lease(ctx, ana, "b", time.Second); held || o.Taken != 10*time.Second {
			t.Errorf("Lease = %+v, %v, want taken for 10s", o, held)
		}
		time.Sleep(10 * time.Second)
		if o, held, _ := m.Lease(ctx, ana, "b", time.Second); !held || o != steps {
			t.Errorf("Lease = %+v, %v, want the steps, held", o, held)
		}
		time.Sleep(10 * time.Minute)
		if o, held, _ := m.Lease(ctx, ana, "c", time.Second); !held || o != (bridge.Opening{}) {
			t.Errorf("Lease = %+v, %v, want no steps after ten minutes", o, held)
		}
	})
}

// A budget refills evenly: to the nanosecond, and never beyond what it holds.
func TestMemoryBudgetRefills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := store.NewMemory(store.Config{})
		spend := func(wantLeft int, wantWait time.Duration) {
			t.Helper()
			left, wait, err := m.Spend(t.Context(), "b", 20)
			if err != nil || left != wantLeft || wait != wantWait {
				t.Errorf("Spend = %d left, wait %v, %v, want %d and %v", left, wait, err, wantLeft, wantWait)
			}
		}
		for left := 19; left >= 0; left-- {
			spend(left, 0)
		}
		spend(0, 3*time.Second)
		time.Sleep(time.Second)
		spend(0, 2*time.Second)
		time.Sleep(2 * time.Second)
		spend(0, 0)
		spend(0, 3*time.Second)
		time.Sleep(30 * time.Second)
		spend(9, 0)
		time.Sleep(time.Hour)
		spend(19, 0)
		m.Lose()
		spend(19, 0)
	})
}

func TestMemoryLose(t *testing.T) {
	m := store.NewMemory(store.Config{})
	ctx := t.Context()
	w, err := m.Watch(ctx, "CH1")
	check(t, err)
	defer w.Close()
	_, err = m.Keep(ctx, "CH1", hello)
	check(t, err)
	<-w.C()
	m.Lose()
	<-w.C()
	if in, err := m.Read(ctx, "CH1", -1); err != nil || in.Mark != -1 {
		t.Errorf("Read = %+v, %v after Lose, want nothing", in, err)
	}
	if _, err := m.Keep(ctx, "CH1", hello); err != nil {
		t.Fatal(err)
	}
	<-w.C()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
