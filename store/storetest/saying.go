package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"flexbridge/bridge"
)

func saying() bridge.Saying {
	return bridge.Saying{
		Generation: 1, Conversation: newConversation(), Nonce: "nonce", TextHash: "hash",
		After: bridge.At(0, "CH0", 7), Hold: hour, Life: hour,
	}
}

// begin wants progress and the record that stands, but for hold and life.
func begin(t *testing.T, m bridge.Mailbox, c bridge.Customer, id string, s, want bridge.Saying, progress bridge.Progress) bridge.Saying {
	t.Helper()
	got, p, err := m.Begin(t.Context(), c, id, s)
	check(t, err)
	if p != progress {
		t.Errorf("Begin = %d, want %d", p, progress)
	}
	rest := cmpopts.IgnoreFields(bridge.Saying{}, "Hold", "Life")
	if diff := cmp.Diff(want, got, rest, cmp.Comparer(sameCursor)); diff != "" {
		t.Errorf("Begin (-want +got):\n%s", diff)
	}
	return got
}

func beginAndSaid(t *testing.T, m bridge.Mailbox) {
	c, s := newCustomer(), saying()
	begin(t, m, c, "k", s, s, bridge.Started)
	other := bridge.Saying{Conversation: "CHother", Nonce: "other", TextHash: "other", Hold: time.Minute, Life: time.Minute}
	got := begin(t, m, c, "k", other, s, bridge.Busy)
	if got.Hold <= time.Minute || got.Hold > hour || got.Life <= time.Minute || got.Life > hour {
		t.Errorf("Hold, Life = %v, %v, want what is left of the first's", got.Hold, got.Life)
	}
	begin(t, m, c, "another", other, other, bridge.Started)
	begin(t, m, newCustomer(), "k", other, other, bridge.Started)

	other.Index = 99
	check(t, m.Said(t.Context(), c, "k", other))
	begin(t, m, c, "k", s, s, bridge.Busy)
	s.Index, s.After = 8, bridge.At(1, s.Conversation, 7)
	check(t, m.Said(t.Context(), c, "k", s))
	if got := begin(t, m, c, "k", other, s, bridge.Done); got.Hold != 0 {
		t.Errorf("Hold = %v when it is said, want none", got.Hold)
	}
	again := s
	again.Index, again.Generation = 9, 5
	check(t, m.Said(t.Context(), c, "k", again))
	check(t, m.Move(t.Context(), c, "k", again))
	begin(t, m, c, "k", other, s, bridge.Done)

	first := saying()
	begin(t, m, c, "zero", first, first, bridge.Started)
	check(t, m.Said(t.Context(), c, "zero", first)) // Index 0 is said, too
	begin(t, m, c, "zero", first, first, bridge.Done)
	check(t, m.Said(t.Context(), c, "nothing there", s))
	begin(t, m, c, "nothing there", first, first, bridge.Started)
}

func takenOver(t *testing.T, m bridge.Mailbox) {
	c, s := newCustomer(), saying()
	s.Hold = 40 * time.Millisecond
	begin(t, m, c, "k", s, s, bridge.Started)
	next := s
	next.Hold, next.Conversation = hour, "CHother"
	eventually(t, "the hold lapses", func() bool {
		got, p, err := m.Begin(t.Context(), c, "k", next)
		check(t, err)
		if got.Conversation != s.Conversation || p != bridge.TakenOver && p != bridge.Busy {
			t.Fatalf("Begin = %+v, %d", got, p)
		}
		return p == bridge.TakenOver
	})
	begin(t, m, c, "k", s, s, bridge.Busy) // only one takes over
	s.Index = 4
	check(t, m.Said(t.Context(), c, "k", s)) // the one who was slow has said it after all
	begin(t, m, c, "k", s, s, bridge.Done)
}

func move(t *testing.T, m bridge.Mailbox) {
	c, s := newCustomer(), saying()
	begin(t, m, c, "k", s, s, bridge.Started)
	moved := s
	moved.Generation, moved.Conversation = 2, newConversation()
	stranger := moved
	stranger.Nonce = "other"
	check(t, m.Move(t.Context(), c, "k", stranger))
	begin(t, m, c, "k", s, s, bridge.Busy)

	moved.TextHash, moved.After = "another", bridge.At(2, "CH2", 5)
	short := moved
	short.Index, short.Hold = 99, time.Millisecond
	check(t, m.Move(t.Context(), c, "k", short))
	eventually(t, "the hold of Move lapses", func() bool {
		got, p, err := m.Begin(t.Context(), c, "k", bridge.Saying{Hold: hour})
		check(t, err)
		got.Hold, got.Life = s.Hold, s.Life
		if got != moved {
			t.Fatalf("Begin = %+v, want %+v", got, moved)
		}
		return p == bridge.TakenOver
	})
	short.Hold = 0 // given up: the next may take over at once
	check(t, m.Move(t.Context(), c, "k", short))
	begin(t, m, c, "k", s, moved, bridge.TakenOver)

	check(t, m.Move(t.Context(), c, "nothing there", s))
	begin(t, m, c, "nothing there", s, s, bridge.Started)
}

func forget(t *testing.T, m bridge.Mailbox) {
	c, s := newCustomer(), saying()
	begin(t, m, c, "k", s, s, bridge.Started)
	check(t, m.Forget(t.Context(), c, "k", bridge.Saying{Nonce: "other"}))
	begin(t, m, c, "k", s, s, bridge.Busy)
	check(t, m.Forget(t.Context(), c, "k", bridge.Saying{Nonce: s.Nonce}))
	check(t, m.Forget(t.Context(), c, "k", s))
	begin(t, m, c, "k", s, s, bridge.Started)
	check(t, m.Said(t.Context(), c, "k", s))
	check(t, m.Forget(t.Context(), c, "k", s))
	begin(t, m, c, "k", s, s, bridge.Started)
}

func lifeNeverShortened(t *testing.T, m bridge.Mailbox) {
	c, s := newCustomer(), saying()
	left := func(s bridge.Saying) time.Duration {
		t.Helper()
		got, _, err := m.Begin(t.Context(), c, "k", s)
		check(t, err)
		return got.Life
	}
	s.Life = time.Minute
	left(s)
	s.Life = time.Second
	if life := left(s); life <= time.Second || life > time.Minute {
		t.Errorf("Life = %v after a shorter Begin, want nearly a minute", life)
	}
	check(t, m.Move(t.Context(), c, "k", s))
	if life := left(s); life <= time.Second {
		t.Errorf("Life = %v after a shorter Move, want nearly a minute", life)
	}
	s.Life = hour
	if life := left(s); life <= time.Minute || life > hour {
		t.Errorf("Life = %v after a longer Begin, want nearly an hour", life)
	}
	s.Life = 2 * hour
	check(t, m.Said(t.Context(), c, "k", s))
	if life := left(bridge.Saying{}); life <= hour || life > 2*hour {
		t.Errorf("Life = %v after a longer Said, want nearly two hours", life)
	}
}

func sayingExpires(t *testing.T, m bridge.Mailbox) {
	c, s := newCustomer(), saying()
	s.Life = 40 * time.Millisecond
	begin(t, m, c, "k", s, s, bridge.Started)
	next := s
	next.Nonce, next.Life = "next", time.Millisecond
	eventually(t, "the record expires", func() bool {
		_, p, err := m.Begin(t.Context(), c, "k", next)
		check(t, err)
		return p == bridge.Started
	})
}
