// Package storetest holds what every Mailbox has to do as one suite, and starts
// real Redis servers for those that need one.
package storetest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"flexbridge/bridge"
)

// Run holds a Mailbox to the contract of bridge.Mailbox. open returns one for
// each part of the suite; they may share what they remember.
func Run(t *testing.T, open func(t *testing.T) bridge.Mailbox) {
	parts := []struct {
		name string
		run  func(t *testing.T, m bridge.Mailbox)
	}{
		{"unknown conversation", unknownConversation},
		{"message kept once", messageKeptOnce},
		{"own message stripped", ownMessageStripped},
		{"message in full", messageInFull},
		{"mark over runs", markOverRuns},
		{"believe", believe},
		{"late", late},
		{"own", own},
		{"unanswered", unanswered},
		{"unanswered in any order", unansweredInAnyOrder},
		{"answered", answered},
		{"absurd index", absurdIndex},
		{"refused index", refusedIndex},
		{"gap age", gapAge},
		{"many messages", manyMessages},
		{"read after", readAfter},
		{"agents", agents},
		{"abandoned", abandoned},
		{"closing rises", closingRises},
		{"owner stays", ownerStays},
		{"owned only", ownedOnly},
		{"closing waits for the mark", closingWaitsForTheMark},
		{"find", find},
		{"claim", claim},
		{"concurrent keeps", concurrentKeeps},

		{"directory", directory},
		{"told", told},
		{"lease", lease},
		{"lease lapses", leaseLapses},
		{"lease is asked for", leaseAskedFor},
		{"two openers", twoOpeners},

		{"begin and said", beginAndSaid},
		{"taken over", takenOver},
		{"move", move},
		{"forget", forget},
		{"life never shortened", lifeNeverShortened},
		{"saying expires", sayingExpires},

		{"wakes of conversations", wakesOfConversations},
		{"notices of wakes", notices},
		{"wakes of customers", wakesOfCustomers},
		{"news", news},
		{"watchers share", watchersShare},
		{"watch before read", watchBeforeRead},
		{"contexts", contexts},
	}
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) { p.run(t, open(t)) })
	}
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

func newConversation() string { return "CH" + random(16) }

func newCustomer() bridge.Customer { return bridge.Customer(random(16)) }

// said is an agent's message.
func said(index int) bridge.Message {
	return bridge.Message{
		SID: fmt.Sprintf("IM%d", index), Index: index, Kind: bridge.FromAgent,
		Author: "Ana", Text: fmt.Sprintf("reply %d", index),
		SentAt: time.Date(2026, 11, 22, 10, 0, index%60, 0, time.UTC),
	}
}

// asked is the customer's own message.
func asked(index int) bridge.Message {
	return bridge.Message{SID: fmt.Sprintf("IM%d", index), Index: index, Kind: bridge.FromCustomer, Nonce: "n"}
}

func messages(indices ...int) bridge.Update {
	var u bridge.Update
	for _, i := range indices {
		u.Messages = append(u.Messages, said(i))
	}
	return u
}

// keep and read fail the test on an error.
func keep(t *testing.T, m bridge.Mailbox, conversation string, u bridge.Update) bridge.Kept {
	t.Helper()
	kept, err := m.Keep(t.Context(), conversation, u)
	if err != nil {
		t.Fatalf("Keep = %v", err)
	}
	return kept
}

func read(t *testing.T, m bridge.Mailbox, conversation string, after int) bridge.Inbox {
	t.Helper()
	in, err := m.Read(t.Context(), conversation, after)
	if err != nil {
		t.Fatalf("Read = %v", err)
	}
	return in
}

func indices(in bridge.Inbox) []int {
	var list []int
	for _, m := range in.Messages {
		list = append(list, m.Index)
	}
	return list
}

func wantKept(t *testing.T, got, want bridge.Kept) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Keep = %+v, want %+v", got, want)
	}
}

func wantIndices(t *testing.T, in bridge.Inbox, want ...int) {
	t.Helper()
	if got := indices(in); !slices.Equal(got, want) {
		t.Errorf("Read has messages %v, want %v", got, want)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("never: %s", what)
		}
	}
}
