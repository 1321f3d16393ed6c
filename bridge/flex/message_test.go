package flex_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flexbridge/bridge"
	"flexbridge/bridge/flex"
	"flexbridge/bridge/flex/flexsim"
)

func TestSayAndSince(t *testing.T) {
	w := newWorld(t)
	sid := w.open(t, 0)
	ann := w.sim.Agent("ann.veal@example.com")

	said, err := w.Say(t.Context(), sid, bridge.Utterance{Customer: customer, Text: "hello", Nonce: "n0"})
	if err != nil {
		t.Fatal(err)
	}
	studio, err1 := w.sim.StudioSay(sid, "please wait")
	w.sim.SkipIndex(sid, 2)
	reply, err2 := ann.Say(sid, "hi & <welcome> ✓")
	file, err3 := ann.SendMedia(sid, "a.pdf", "application/pdf", 1234)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			t.Fatal(err)
		}
	}
	second := func(m flexsim.Message) time.Time { return m.Created.Truncate(time.Second) }
	want := []bridge.Message{
		{SID: said.SID, Index: 0, Kind: bridge.FromCustomer, SentAt: said.SentAt, Nonce: "n0"},
		{SID: studio.SID, Index: 1, Kind: bridge.Automatic, Author: "Bot", Text: "please wait", SentAt: second(studio)},
		{SID: reply.SID, Index: 4, Kind: bridge.FromAgent, Author: "Ann Veal", Participant: reply.Participant,
			Text: "hi & <welcome> ✓", SentAt: second(reply)},
		{SID: file.SID, Index: 5, Kind: bridge.FromAgent, Author: "Ann Veal", Participant: file.Participant,
			SentAt: second(file),
			Media:  []bridge.Media{{SID: file.Media[0].SID, Name: "a.pdf", Type: "application/pdf", Size: 1234}}},
	}
	listing, err := w.Since(t.Context(), sid, -1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, listing.Messages); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[0], said); diff != "" || said.SentAt.IsZero() {
		t.Errorf("Say (-want +got):\n%s", diff)
	}
	if age := time.Since(listing.At); age < 0 || age > time.Minute || listing.At.Nanosecond() != 0 {
		t.Errorf("Since's time is %v, want now in whole seconds", listing.At)
	}
}

func TestSinceFollowsPagesUntilItHasEnough(t *testing.T) {
	w := newWorld(t)
	sid := w.open(t, 0)
	const total = 250
	for i := range total {
		if _, err := w.sim.StudioSay(sid, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ after, calls int }{
		{-1, 3}, {0, 3}, {48, 3}, {49, 2}, {50, 2}, {148, 2}, {149, 1}, {150, 1}, {248, 1}, {249, 1}, {300, 1},
	} {
		w.sim.Reset()
		listing, err := w.Since(t.Context(), sid, row.after)
		if err != nil {
			t.Fatal(err)
		}
		if n := max(0, total-1-row.after); len(listing.Messages) != n {
			t.Errorf("after %d: %d messages, want %d", row.after, len(listing.Messages), n)
		}
		for i, m := range listing.Messages {
			if want := row.after + 1 + i; m.Index != want || m.Text != fmt.Sprint(want) {
				t.Fatalf("after %d: message %d is %+v, want Index %d", row.after, i, m, want)
			}
		}
		if n := w.sim.Count(); n != row.calls {
			t.Errorf("after %d: %d calls, want %d", row.after, n, row.calls)
		}
		if listing.At.IsZero() {
			t.Errorf("after %d: no time", row.after)
		}
	}
}

// A message that comes between two pages pushes another one to the next page.
func TestSinceWhileMessagesCome(t *testing.T) {
	w := newWorld(t)
	sid := w.open(t, 0)
	for i := range 150 {
		if _, err := w.sim.StudioSay(sid, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	hold := make(chan struct{})
	w.sim.Break(flexsim.ListMessages, 1, flexsim.Fault{})
	w.sim.Break(flexsim.ListMessages, 1, flexsim.Fault{Hold: hold})
	go func() {
		defer close(hold)
		if w.sim.Until(within(t, 5*time.Second), func() bool { return w.sim.Count(flexsim.ListMessages) == 2 }) == nil {
			_, _ = w.sim.StudioSay(sid, "late")
		}
	}()
	listing, err := w.Since(t.Context(), sid, -1)
	if err != nil || len(listing.Messages) != 150 {
		t.Fatalf("Since = %d messages, %v, want 150", len(listing.Messages), err)
	}
	for i, m := range listing.Messages {
		if m.Index != i {
			t.Fatalf("message %d has Index %d", i, m.Index)
		}
	}
}

// What Twilio may send one day is not a reason to lose a message.
func TestSinceReadsOddMessages(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"meta": {"key": "messages"}, "new": 1, "messages": [
			{"sid": "IM3", "index": 3, "author": "` + customer.Identity() + `", "attributes": "no JSON", "participant_sid": "MB1"},
			{"sid": "IM2", "index": 2, "author": null, "body": null, "media": [
				{"sid": "ME1", "size": "12"}, {"sid": "ME2", "size": null, "filename": null}, "?"]},
			{"sid": "IM1", "index": 1, "author": "bot", "body": "beep", "participant_sid": "", "attributes": "{\"flexbridge_nonce\":\"forged\"}"},
			{"sid": "IM0", "author": "ann_40example_2Ecom", "body": "hi", "participant_sid": "MB2", "media": null}]}`))
	}))
	defer server.Close()
	w := newWorld(t, func(c *flex.Config) { c.APIURL = server.URL })
	defer w.CloseIdleConnections()
	want := []bridge.Message{
		{SID: "IM0", Index: 0, Kind: bridge.FromAgent, Author: "Ann", Participant: "MB2", Text: "hi"},
		{SID: "IM1", Index: 1, Kind: bridge.Automatic, Author: "bot", Text: "beep"},
		{SID: "IM2", Index: 2, Kind: bridge.Automatic, Media: []bridge.Media{{SID: "ME1", Size: 12}, {SID: "ME2"}}},
		{SID: "IM3", Index: 3, Kind: bridge.FromCustomer},
	}
	listing, err := w.Since(t.Context(), "CH1", -1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, listing.Messages); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}
