package storetest

import (
	"math/rand/v2"
	"testing"
	"time"

	"flexbridge/bridge"
)

// at is when the message of an index was sent.
func at(index int) time.Time { return time.Date(2026, 11, 22, 10, 0, index, 886e6, time.UTC) }

func sentAs(kind bridge.Kind, indices ...int) []bridge.Message {
	var list []bridge.Message
	for _, i := range indices {
		list = append(list, bridge.Message{SID: "IM", Index: i, Kind: kind, SentAt: at(i)})
	}
	return list
}

func unanswered(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	const none = -1
	for i, s := range []struct {
		keep    []bridge.Message
		believe int
		want    int
	}{
		{keep: sentAs(bridge.Automatic, 0), want: none},
		{keep: sentAs(bridge.FromCustomer, 1, 3), want: 1},
		{keep: sentAs(bridge.Automatic, 2), want: 1},
		{keep: sentAs(bridge.FromAgent, 5), want: 1}, // beyond a gap
		{keep: sentAs(bridge.FromCustomer, 4), want: none},
		{keep: sentAs(bridge.FromCustomer, 4), want: none}, // its echo
		{keep: append(sentAs(bridge.FromCustomer, 7), sentAs(bridge.FromAgent, 6)...), want: 7},
		{keep: sentAs(bridge.FromCustomer, 10, 12), believe: 12, want: 7},
		{keep: sentAs(bridge.FromAgent, 8), want: 10},   // late
		{keep: sentAs(bridge.FromCustomer, 9), want: 9}, // late, too
		{keep: sentAs(bridge.FromAgent, 11), want: 12},  // and this one
		{keep: sentAs(bridge.FromAgent, 13, 14), want: none},
	} {
		keep(t, m, c, bridge.Update{Messages: s.keep, Believe: s.believe})
		want := time.Time{}
		if s.want != none {
			want = at(s.want)
		}
		if got := read(t, m, c, 1_000).Unanswered; !got.Equal(want) {
			t.Errorf("step %d: Unanswered = %v, want %v", i, got, want)
		}
	}
}

// answered tells of each question once, when it has its first reply; and of what an
// update brought, but only in a conversation that was known.
func answered(t *testing.T, m bridge.Mailbox) {
	seconds := func(list ...int) (all []time.Duration) {
		for _, s := range list {
			all = append(all, time.Duration(s)*time.Second)
		}
		return all
	}
	unknown := newConversation()
	wantKept(t, keep(t, m, unknown, bridge.Update{Messages: append(sentAs(bridge.FromCustomer, 0), sentAs(bridge.FromAgent, 1, 3)...), Believe: 3}),
		bridge.Kept{Mark: 3, New: 3})

	c := newConversation()
	keep(t, m, c, bridge.Update{Owner: &bridge.Owner{Customer: newCustomer()}})
	for i, s := range []struct {
		keep    []bridge.Message
		believe int
		want    bridge.Kept
	}{
		{keep: sentAs(bridge.Automatic, 0), want: bridge.Kept{Mark: 0, New: 1, Replies: 1}},
		{keep: sentAs(bridge.FromCustomer, 1, 2), want: bridge.Kept{Mark: 2, New: 2}},
		{keep: sentAs(bridge.FromAgent, 5), want: bridge.Kept{Mark: 2, New: 1, Replies: 1}}, // beyond a gap
		{keep: sentAs(bridge.FromCustomer, 3), want: bridge.Kept{Mark: 3, New: 1}},          // which is still there
		{keep: sentAs(bridge.FromCustomer, 4), want: bridge.Kept{Mark: 5, New: 1, Repaired: 1, Answered: seconds(4, 3, 2, 1)}},
		{keep: sentAs(bridge.FromAgent, 5, 6), want: bridge.Kept{Mark: 6, New: 1, Replies: 1}}, // answered already
		{keep: append(sentAs(bridge.FromCustomer, 7, 9), sentAs(bridge.FromAgent, 8, 11)...), want: bridge.Kept{Mark: 9, New: 4, Replies: 2, Answered: seconds(1)}},
		{believe: 11, want: bridge.Kept{Mark: 11, Skipped: 1, Answered: seconds(2)}},
		{keep: sentAs(bridge.FromCustomer, 10), want: bridge.Kept{Mark: 11, New: 1, Late: 1}}, // below what an agent has said
		{keep: sentAs(bridge.FromCustomer, 12, 15, 18), believe: 15, want: bridge.Kept{Mark: 15, New: 3, Skipped: 1}},
		{keep: append(sentAs(bridge.FromAgent, 13, 16), sentAs(bridge.Automatic, 17)...),
			want: bridge.Kept{Mark: 18, New: 3, Late: 1, Replies: 3, Repaired: 1, Answered: seconds(1, 1)}},
	} {
		t.Logf("step %d", i)
		wantKept(t, keep(t, m, c, bridge.Update{Messages: s.keep, Believe: s.believe}), s.want)
	}
}

// Whatever order messages come in, and whatever was believed meanwhile, what is
// known in the end is the same.
func unansweredInAnyOrder(t *testing.T, m bridge.Mailbox) {
	kinds := []bridge.Kind{bridge.FromCustomer, bridge.FromCustomer, bridge.FromAgent, bridge.Automatic}
	for range 40 {
		c := newConversation()
		var all []bridge.Message
		var want time.Time
		for i := range 8 {
			kind := kinds[rand.IntN(len(kinds))]
			all = append(all, sentAs(kind, i)...)
			switch {
			case kind == bridge.FromAgent:
				want = time.Time{}
			case kind == bridge.FromCustomer && want.IsZero():
				want = at(i)
			}
		}
		var order []int
		for _, i := range rand.Perm(len(all)) {
			order = append(order, i)
			keep(t, m, c, bridge.Update{Messages: all[i : i+1], Believe: rand.IntN(2) * i})
		}
		if got := read(t, m, c, 1_000).Unanswered; !got.Equal(want) {
			t.Errorf("Unanswered = %v, want %v, of %+v in the order %v", got, want, all, order)
		}
	}
}
