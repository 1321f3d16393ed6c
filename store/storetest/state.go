package storetest

import (
	"testing"
	"time"

	"flexbridge/bridge"
)

func agents(t *testing.T, m bridge.Mailbox) {
	message := func(i int, kind bridge.Kind, participant string) bridge.Update {
		return bridge.Update{Messages: []bridge.Message{{Index: i, Kind: kind, Participant: participant}}}
	}
	c := newConversation()
	steps := []struct {
		what string
		u    bridge.Update
		want bridge.AgentState
	}{
		{"the customer writes", message(0, bridge.FromCustomer, "MB0"), bridge.AgentWaiting},
		{"the flow greets", message(1, bridge.Automatic, "MB9"), bridge.AgentWaiting},
		{"an agent writes, nobody knows as whom", message(2, bridge.FromAgent, ""), bridge.AgentWaiting},
		{"one joins", bridge.Update{Joined: []string{"MB1"}}, bridge.AgentJoined},
		{"another writes", message(3, bridge.FromAgent, "MB2"), bridge.AgentJoined},
		{"the one leaves", bridge.Update{Left: []string{"MB1"}}, bridge.AgentJoined},
		{"the one leaves again", bridge.Update{Left: []string{"MB1"}}, bridge.AgentJoined},
		{"the other leaves", bridge.Update{Left: []string{"MB2"}}, bridge.AgentLeft},
		{"who left joins late", bridge.Update{Joined: []string{"MB1"}}, bridge.AgentLeft},
		{"who left wrote before", message(4, bridge.FromAgent, "MB2"), bridge.AgentLeft},
		{"nobody joins", bridge.Update{Joined: []string{""}, Left: []string{""}}, bridge.AgentLeft},
		{"a third joins and leaves", bridge.Update{Joined: []string{"MB3"}, Left: []string{"MB3"}}, bridge.AgentLeft},
		{"a fourth's leaving overtakes", bridge.Update{Left: []string{"MB4"}}, bridge.AgentLeft},
		{"the fourth joins late", bridge.Update{Joined: []string{"MB4"}}, bridge.AgentLeft},
		{"a fifth joins twice", bridge.Update{Joined: []string{"MB5", "MB5"}}, bridge.AgentJoined},
		{"the fifth leaves", bridge.Update{Left: []string{"MB5"}}, bridge.AgentLeft},
	}
	for _, s := range steps {
		keep(t, m, c, s.u)
		if got := read(t, m, c, -1).Agent; got != s.want {
			t.Errorf("%s: Agent = %s, want %s", s.what, got, s.want)
		}
	}

	overtaken := newConversation()
	keep(t, m, overtaken, bridge.Update{Left: []string{"MB1"}})
	if got := read(t, m, overtaken, -1).Agent; got != bridge.AgentLeft {
		t.Errorf("Agent = %s after one left whose joining was lost, want left", got)
	}
}

func abandoned(t *testing.T, m bridge.Mailbox) {
	none := bridge.Update{Abandoned: true}
	agent := []bridge.Message{{Index: 5, Kind: bridge.FromAgent}} // nobody knows as whom, and beyond a gap
	for _, row := range []struct {
		what string
		came bridge.Update
	}{
		{"one joins", bridge.Update{Joined: []string{"MB1"}}},
		{"one leaves whose joining was lost", bridge.Update{Left: []string{"MB1"}}},
		{"one writes", bridge.Update{Messages: agent}},
		{"one writes at that moment", bridge.Update{Messages: agent, Abandoned: true}},
	} {
		c, never := newConversation(), newConversation()
		wants := func(c string, want bool, when string) {
			t.Helper()
			if in := read(t, m, c, -1); in.Abandoned != want {
				t.Errorf("%s: Abandoned = %v %s, want %v", row.what, in.Abandoned, when, want)
			}
		}
		keep(t, m, c, bridge.Update{Messages: []bridge.Message{{Index: 0, Kind: bridge.FromCustomer, Participant: "MB0"}}})
		wants(c, false, "at first")
		keep(t, m, c, none)
		wants(c, true, "once it was found")
		keep(t, m, c, bridge.Update{Joined: []string{""}, Left: []string{""}, Messages: []bridge.Message{{Index: 1, Kind: bridge.Automatic}}})
		wants(c, true, "after a greeting")
		for _, c := range []string{c, never} {
			keep(t, m, c, row.came)
			wants(c, false, "once an agent came")
			keep(t, m, c, none)
			wants(c, false, "when it is found after that")
		}
	}
	unowned := newConversation()
	keep(t, m, unowned, bridge.Update{Abandoned: true, OwnedOnly: true})
	if read(t, m, unowned, -1).Abandoned {
		t.Error("a conversation without an owner is abandoned")
	}
}

func closingRises(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	for _, s := range []struct{ given, want bridge.Closing }{
		{bridge.NotClosed, bridge.NotClosed},
		{bridge.CloseHeard, bridge.CloseHeard},
		{bridge.NotClosed, bridge.CloseHeard},
		{bridge.CloseLooked, bridge.CloseLooked},
		{bridge.CloseHeard, bridge.CloseLooked},
	} {
		keep(t, m, c, bridge.Update{Closed: s.given})
		if got := read(t, m, c, -1).Closed; got != s.want {
			t.Errorf("Closed = %d after %d, want %d", got, s.given, s.want)
		}
	}
}

func closingWaitsForTheMark(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	for _, s := range []struct {
		u    bridge.Update
		want bridge.Closing
	}{
		{messages(0, 2), bridge.NotClosed},
		{bridge.Update{Closed: bridge.CloseLooked}, bridge.CloseHeard},
		{messages(1), bridge.CloseHeard},
		{bridge.Update{Closed: bridge.CloseLooked}, bridge.CloseLooked},
		{messages(4), bridge.CloseLooked},
	} {
		keep(t, m, c, s.u)
		if got := read(t, m, c, -1).Closed; got != s.want {
			t.Errorf("Closed = %d after %+v, want %d", got, s.u, s.want)
		}
	}
	lost := newConversation()
	keep(t, m, lost, messages(0, 1))
	looked := messages(5)
	looked.Closed, looked.Believe, looked.From = bridge.CloseLooked, 5, 4
	wantKept(t, keep(t, m, lost, looked), bridge.Kept{Mark: 1, New: 1})
	keep(t, m, lost, messages(2, 3, 4))
	keep(t, m, lost, bridge.Update{Closed: bridge.CloseLooked, From: 7})
	if got := read(t, m, lost, -1).Closed; got != bridge.CloseHeard {
		t.Errorf("Closed = %d, want it heard as what stands before the look's first is not known", got)
	}
	keep(t, m, lost, bridge.Update{Closed: bridge.CloseLooked, From: 6})
	if got := read(t, m, lost, -1).Closed; got != bridge.CloseLooked {
		t.Errorf("Closed = %d, want it final as all is known", got)
	}
	gone := newConversation()
	keep(t, m, gone, messages(0, 2))
	keep(t, m, gone, bridge.Update{Closed: bridge.CloseLooked, Believe: 1_000_000_000})
	if got := read(t, m, gone, -1).Closed; got != bridge.CloseLooked {
		t.Errorf("Closed = %d, want it final as the gap is believed", got)
	}
}

func find(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	wants := func(nonce string, want int) {
		t.Helper()
		index, found, err := m.Find(t.Context(), c, nonce)
		check(t, err)
		if !found {
			index = -1
		}
		if index != want {
			t.Errorf("Find(%s) = %d, want %d", nonce, index, want)
		}
	}
	own := func(index int, nonce string) bridge.Update {
		return bridge.Update{Messages: []bridge.Message{{Index: index, Kind: bridge.FromCustomer, Nonce: nonce}}}
	}
	wants("n", -1)
	keep(t, m, c, own(3, "n")) // beyond the mark
	wants("n", 3)
	keep(t, m, c, own(4, "")) // the echo came first
	keep(t, m, c, own(4, "o"))
	wants("o", 4)
	wants("", -1)
	agent := own(5, "p")
	agent.Messages[0].Kind = bridge.FromAgent
	keep(t, m, c, agent)
	wants("p", -1)
	keep(t, m, newConversation(), own(0, "q"))
	wants("q", -1)
	unowned := own(6, "r")
	unowned.OwnedOnly = true
	keep(t, m, c, unowned)
	wants("r", -1)
}

func ownerStays(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	keep(t, m, c, messages(0))
	if in := read(t, m, c, -1); in.Owner != nil {
		t.Errorf("Owner = %v before one was set", *in.Owner)
	}
	first := bridge.Owner{Customer: newCustomer(), Generation: 3}
	for _, o := range []bridge.Owner{first, {Customer: newCustomer(), Generation: 9}} {
		keep(t, m, c, bridge.Update{Owner: &o})
		if in := read(t, m, c, -1); in.Owner == nil || *in.Owner != first {
			t.Errorf("Owner = %v, want %v", in.Owner, first)
		}
	}
}

func ownedOnly(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	u := messages(0, 1)
	u.OwnedOnly, u.Joined, u.Closed = true, []string{"MB1"}, bridge.CloseHeard
	wantKept(t, keep(t, m, c, u), bridge.Kept{Mark: -1})
	if in := read(t, m, c, -1); in.Top != -1 || in.Agent != bridge.AgentWaiting || in.Closed != bridge.NotClosed {
		t.Errorf("Read = %+v, want nothing kept", in)
	}
	keep(t, m, c, messages(0))
	wantKept(t, keep(t, m, c, u), bridge.Kept{Mark: 0})

	keep(t, m, c, bridge.Update{Owner: &bridge.Owner{Customer: newCustomer()}})
	wantKept(t, keep(t, m, c, u), bridge.Kept{Mark: 1, New: 1, Replies: 1})
	if in := read(t, m, c, -1); in.Agent != bridge.AgentJoined || in.Closed != bridge.CloseHeard {
		t.Errorf("Read = %+v, want all of the update kept", in)
	}
}

func claim(t *testing.T, m bridge.Mailbox) {
	c := newConversation()
	claims := func(d time.Duration) bool {
		t.Helper()
		ok, err := m.Claim(t.Context(), c, d)
		check(t, err)
		return ok
	}
	if !claims(time.Minute) {
		t.Error("Claim = false for the first")
	}
	if claims(time.Minute) {
		t.Error("Claim = true for the second")
	}
	in := read(t, m, c, -1)
	if in.LookAge < 0 || in.LookAge > 10*time.Second || in.Owner != nil || in.Top != -1 {
		t.Errorf("Read after Claim = %+v, want no more than a LookAge", in)
	}
	eventually(t, "the claim lapses", func() bool { return claims(50 * time.Millisecond) })
	if claims(time.Minute) {
		t.Error("Claim = true right after another")
	}
	if !claims(0) {
		t.Error("Claim = false, want a look at any time")
	}
}
