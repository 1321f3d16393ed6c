package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flexbridge/bridge"
)

func unknownConversation(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	want := bridge.Inbox{Mark: -1, Top: -1, Own: -1, LookAge: -1, Agent: bridge.AgentWaiting}
	if diff := cmp.Diff(want, read(t, m, c, -1)); diff != "" {
		t.Errorf("Read of an unknown conversation (-want +got):\n%s", diff)
	}
	wantKept(t, keep(t, m, c, bridge.Update{}), bridge.Kept{Mark: -1})
	if diff := cmp.Diff(want, read(t, m, c, -1)); diff != "" {
		t.Errorf("Read after an empty update (-want +got):\n%s", diff)
	}
}

func messageKeptOnce(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	wantKept(t, keep(t, m, c, messages(0)), bridge.Kept{Mark: 0, New: 1})
	other := said(0)
	other.Text = "another spelling"
	wantKept(t, keep(t, m, c, bridge.Update{Messages: []bridge.Message{other, said(1), other}}), bridge.Kept{Mark: 1, New: 1})
	in := read(t, m, c, -1)
	wantIndices(t, in, 0, 1)
	if got := in.Messages[0].Text; got != "reply 0" {
		t.Errorf("text = %q, want the first spelling", got)
	}
}

func ownMessageStripped(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.FixedZone("", 3600))
	keep(t, m, c, bridge.Update{Messages: []bridge.Message{{
		SID: "IM0", Index: 0, Kind: bridge.FromCustomer, Author: "me", Participant: "MB1", Text: "a secret",
		SentAt: at, Nonce: "n", Media: []bridge.Media{{SID: "ME1"}},
	}}})
	in := read(t, m, c, -1)
	want := []bridge.Message{{SID: "IM0", Index: 0, Kind: bridge.FromCustomer, SentAt: at, Nonce: "n"}}
	if diff := cmp.Diff(want, in.Messages); diff != "" {
		t.Errorf("own message (-want +got):\n%s", diff)
	}
	if in.Agent != bridge.AgentWaiting {
		t.Errorf("Agent = %s, want waiting: the customer is no agent", in.Agent)
	}
}

func messageInFull(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	want := []bridge.Message{
		{SID: "IM0", Kind: bridge.Automatic, Text: "hello\x00 \"ж\" \U0001f600 }{"},
		{
			SID: "IM1", Index: 1, Kind: bridge.FromAgent, Author: "Ana", Participant: "MB1", Text: "see the file", Trace: "00-1-2-01",
			SentAt: time.Date(2026, 11, 22, 10, 0, 0, 5, time.UTC), Nonce: "x",
			Media: []bridge.Media{{SID: "ME1", Name: "a.pdf", Type: "application/pdf", Size: 1 << 40}},
		},
	}
	keep(t, m, c, bridge.Update{Messages: want})
	if diff := cmp.Diff(want, read(t, m, c, -1).Messages); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func markOverRuns(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	steps := []struct {
		keep, read []int
		want       bridge.Kept
		top        int
	}{
		{keep: []int{2}, want: bridge.Kept{Mark: -1, New: 1}, top: 2},
		{keep: []int{0}, read: []int{0}, want: bridge.Kept{Mark: 0, New: 1}, top: 2},
		{keep: []int{5, 4}, read: []int{0}, want: bridge.Kept{Mark: 0, New: 2}, top: 5},
		{keep: []int{1}, read: []int{0, 1, 2}, want: bridge.Kept{Mark: 2, New: 1}, top: 5},
		{keep: []int{4}, read: []int{0, 1, 2}, want: bridge.Kept{Mark: 2}, top: 5},
		{keep: []int{3, 6}, read: []int{0, 1, 2, 3, 4, 5, 6}, want: bridge.Kept{Mark: 6, New: 2}, top: 6},
	}
	for _, s := range steps {
		wantKept(t, keep(t, m, c, messages(s.keep...)), s.want)
		in := read(t, m, c, -1)
		wantIndices(t, in, s.read...)
		if in.Mark != s.want.Mark || in.Top != s.top {
			t.Errorf("Mark, Top = %d, %d, want %d, %d", in.Mark, in.Top, s.want.Mark, s.top)
		}
	}
}

func believe(t *testing.T, m bridge.Mailbox) {
	with := func(u bridge.Update, believe int) bridge.Update {
		u.Believe = believe
		return u
	}
	c := newConversation()
	keep(t, m, c, messages(0, 1, 5, 6, 9))
	wantKept(t, keep(t, m, c, with(bridge.Update{}, 4)), bridge.Kept{Mark: 1})
	wantKept(t, keep(t, m, c, with(bridge.Update{}, 5)), bridge.Kept{Mark: 6})
	wantIndices(t, read(t, m, c, 0), 1, 5, 6)
	wantKept(t, keep(t, m, c, with(bridge.Update{}, 5)), bridge.Kept{Mark: 6})
	wantKept(t, keep(t, m, c, with(messages(7, 11, 20), 15)), bridge.Kept{Mark: 11, New: 3})
	wantKept(t, keep(t, m, c, with(bridge.Update{}, 1000)), bridge.Kept{Mark: 20})
	wantIndices(t, read(t, m, c, 5), 6, 7, 9, 11, 20)
	wantKept(t, keep(t, m, c, messages(21)), bridge.Kept{Mark: 21, New: 1})

	empty := newConversation()
	wantKept(t, keep(t, m, empty, with(bridge.Update{}, 3)), bridge.Kept{Mark: -1})
	wantKept(t, keep(t, m, empty, with(messages(3), 3)), bridge.Kept{Mark: 3, New: 1})
}

func late(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	u := messages(0, 9)
	u.Believe = 9
	wantKept(t, keep(t, m, c, u), bridge.Kept{Mark: 9, New: 2})
	for _, i := range []int{5, 1, 8, 3, 6} {
		wantKept(t, keep(t, m, c, messages(i)), bridge.Kept{Mark: 9, New: 1, Late: 1})
		wantKept(t, keep(t, m, c, messages(i)), bridge.Kept{Mark: 9})
	}
	wantIndices(t, read(t, m, c, -1), 0, 1, 3, 5, 6, 8, 9)
	wantKept(t, keep(t, m, c, messages(2, 4, 7, 10)), bridge.Kept{Mark: 10, New: 4, Late: 3})
	wantIndices(t, read(t, m, c, 0), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
}

func own(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	steps := []struct {
		keep    []bridge.Message
		believe int
		want    int
	}{
		{keep: []bridge.Message{asked(3)}, want: -1},
		{keep: []bridge.Message{asked(0), said(1)}, want: 0},
		{keep: []bridge.Message{said(2)}, want: 3},
		{keep: []bridge.Message{said(4), asked(6), said(8)}, want: 3},
		{believe: 8, want: 6},
		{keep: []bridge.Message{asked(5)}, want: 6},
		{keep: []bridge.Message{asked(7)}, want: 7},
	}
	for i, s := range steps {
		keep(t, m, c, bridge.Update{Messages: s.keep, Believe: s.believe})
		if got := read(t, m, c, 1_000).Own; got != s.want {
			t.Errorf("step %d: Own = %d, want %d", i, got, s.want)
		}
	}
}

// Whatever a webhook says must not keep the mailbox busy.
func absurdIndex(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	const absurd = 999_999_999
	start := time.Now()
	wantKept(t, keep(t, m, c, messages(0, absurd)), bridge.Kept{Mark: 0, New: 2})
	if in := read(t, m, c, -1); in.Top != absurd {
		t.Errorf("Top = %d, want %d", in.Top, absurd)
	}
	wantKept(t, keep(t, m, c, messages(1)), bridge.Kept{Mark: 1, New: 1})
	wantKept(t, keep(t, m, c, bridge.Update{Believe: absurd}), bridge.Kept{Mark: absurd})
	wantKept(t, keep(t, m, c, messages(500_000_000)), bridge.Kept{Mark: absurd, New: 1, Late: 1})
	wantIndices(t, read(t, m, c, -1), 0, 1, 500_000_000, absurd)
	wantIndices(t, read(t, m, c, 2), 500_000_000, absurd)
	if d := time.Since(start); d > time.Second {
		t.Errorf("took %v", d)
	}
}

func refusedIndex(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	for _, i := range []int{-1, 1_000_000_000} {
		if _, err := m.Keep(t.Context(), c, messages(0, i)); err == nil {
			t.Errorf("Keep of Index %d: no error", i)
		}
	}
	if in := read(t, m, c, -1); in.Top != -1 {
		t.Errorf("Top = %d, want nothing kept", in.Top)
	}
}

func gapAge(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	keep(t, m, c, messages(0))
	if age := read(t, m, c, -1).GapAge; age != 0 {
		t.Errorf("GapAge = %v without a gap", age)
	}
	keep(t, m, c, messages(4))
	eventually(t, "the gap ages", func() bool { return read(t, m, c, -1).GapAge >= 60*time.Millisecond })
	keep(t, m, c, messages(5))
	if age := read(t, m, c, -1).GapAge; age < 60*time.Millisecond {
		t.Errorf("GapAge = %v, want the same gap to go on ageing", age)
	}
	keep(t, m, c, messages(1))
	if age := read(t, m, c, -1).GapAge; age >= 60*time.Millisecond {
		t.Errorf("GapAge = %v, want the rest of the gap to be new", age)
	}
	keep(t, m, c, messages(2, 3))
	if age := read(t, m, c, -1).GapAge; age != 0 {
		t.Errorf("GapAge = %v after the gap", age)
	}
}

// More messages than fit one step of a script.
func manyMessages(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	const n = 2_500
	var u bridge.Update
	for i := range n {
		u.Messages = append(u.Messages, said(i))
	}
	wantKept(t, keep(t, m, c, u), bridge.Kept{Mark: n - 1, New: n})
	in := read(t, m, c, -1)
	if len(in.Messages) != n {
		t.Fatalf("Read has %d messages, want %d", len(in.Messages), n)
	}
	for i, message := range in.Messages {
		if message.Index != i {
			t.Fatalf("message %d has Index %d", i, message.Index)
		}
	}
	wantIndices(t, read(t, m, c, n-3), n-2, n-1)
}

func readAfter(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	keep(t, m, c, messages(0, 1, 2, 4))
	wantIndices(t, read(t, m, c, -7), 0, 1, 2)
	wantIndices(t, read(t, m, c, 1), 2)
	wantIndices(t, read(t, m, c, 2))
	wantIndices(t, read(t, m, c, 99))
	wantIndices(t, read(t, m, c, -1), 0, 1, 2)
}

func concurrentKeeps(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	const n = 50
	var wg sync.WaitGroup
	var mu sync.Mutex
	news := 0
	for i := range 2 * n {
		wg.Go(func() {
			kept, err := m.Keep(t.Context(), c, messages((i*7)%n))
			if err != nil {
				t.Errorf("Keep = %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			news += kept.New
		})
	}
	wg.Wait()
	if in := read(t, m, c, -1); news != n || in.Mark != n-1 || len(in.Messages) != n {
		t.Errorf("%d new, mark %d, %d messages, want %d, %d, %d", news, in.Mark, len(in.Messages), n, n-1, n)
	}
}
