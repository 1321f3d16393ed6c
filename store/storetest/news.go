package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flexbridge/bridge"
)

// A wake brings the message that moved the mark by one, and everything else only
// wakes.
func news(t *testing.T, m bridge.Mailbox) {
	conv := newConversation()
	fence := conv + "}" // in a Cluster on the same node: what two nodes tell has no order
	w, err := m.Watch(t.Context(), conv)
	check(t, err)
	defer w.Close()
	fenced, err := m.Watch(t.Context(), fence)
	check(t, err)
	defer fenced.Close()

	from := func(participant string, index int) bridge.Message {
		m := said(index)
		m.Participant = participant
		return m
	}
	bot := said(3)
	bot.Kind = bridge.Automatic
	one := func(m bridge.Message) []bridge.Update {
		return []bridge.Update{{Messages: []bridge.Message{m}}}
	}
	for i, s := range []struct {
		what    string
		updates []bridge.Update
		want    int // Index of what is brought, or none
	}{
		{"an agent's, while none is in", one(said(0)), none},
		{"the customer's", one(asked(1)), 1},
		{"an agent's", one(from("MB1", 2)), 2},
		{"a bot's", one(bot), 3},
		{"one beyond a gap", one(said(5)), none},
		{"one that fills it", one(said(4)), none},
		{"two at once", []bridge.Update{messages(6, 7)}, none},
		{"two, one after the other", []bridge.Update{messages(8), messages(9)}, 9},
		{"one, and a change", []bridge.Update{messages(10), {Joined: []string{"MB2"}}}, none},
		{"a change, and one", []bridge.Update{{Left: []string{"MB2"}}, messages(11)}, none},
		{"one that ends the belief in a gap", []bridge.Update{{Messages: messages(13).Messages, Believe: 13}}, none},
		{"a late one", one(said(12)), none},
		{"one who leaves", []bridge.Update{{Left: []string{"MB1"}}}, none},
		{"an agent's who has left", one(from("MB1", 14)), none},
		{"one, with the owner", []bridge.Update{{Messages: []bridge.Message{from("MB3", 15)}, Owner: &bridge.Owner{Customer: "c"}}}, none},
		{"one, with the end", []bridge.Update{{Messages: []bridge.Message{asked(16)}, Closed: bridge.CloseLooked}}, none},
		{"one after the end", one(asked(17)), 17},
	} {
		for _, u := range s.updates {
			keep(t, m, conv, u)
		}
		keep(t, m, fence, messages(i))
		awaitWake(t, fenced)
		var got *bridge.Message
		select {
		case got = <-w.C():
		default:
			t.Errorf("%s does not wake", s.what)
		}
		var want *bridge.Message
		if s.want != none {
			want = &read(t, m, conv, s.want-1).Messages[0]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s brings (-want +got):\n%s", s.what, diff)
		}
	}
}

const none = -1

// Who asked for it is told of each wake, once it can be taken.
func notices(t *testing.T, m bridge.Mailbox) {
	conv := newConversation()
	w, err := m.Watch(t.Context(), conv)
	check(t, err)
	defer w.Close()
	waiting := make(chan int, 1)
	w.Notify(func() { waiting <- len(w.C()) })
	for i := range 3 {
		keep(t, m, conv, messages(i))
		select {
		case n := <-waiting:
			if n != 1 {
				t.Fatalf("told of wake %d when C has %d values, want 1", i, n)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("never told of wake %d", i)
		}
		<-w.C()
	}
}
