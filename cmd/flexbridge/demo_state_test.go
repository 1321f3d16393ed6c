package main

import (
	"net/http"
	"testing"

	"flexbridge/bridge"
)

// A reply that an answer's cursor passed without bringing it counts as lost.
func TestDemoBalance(t *testing.T) {
	d, r := startDemo(t, true)
	balance := func() counts { return d.tally.balance(d.twilio.Conversations()) }
	if _, err := r.send(t.Context(), "demo", map[string]any{"msg": "anybody?", "wait": 1}); err != nil {
		t.Fatal(err)
	}
	if status := play(t, r, `{"say":"me"}`); status != http.StatusNoContent {
		t.Fatalf("speaking = %d, want %d", status, http.StatusNoContent)
	}
	if got, want := balance(), (counts{Asked: 1, Replies: 1}); got != want {
		t.Errorf("with a reply that nobody read = %+v, want %+v", got, want)
	}
	c := d.twilio.Conversations()[0]
	customer, generation := ownerOf(c.UniqueName)
	d.tally.take(customer, []byte(`{"messages": [], "cursor": "`+bridge.At(generation, c.SID, 1).String()+`"}`))
	if got, want := balance(), (counts{Asked: 1, Replies: 1, Lost: 1}); got != want {
		t.Errorf("with one that was passed = %+v, want %+v", got, want)
	}
	d.tally.take(customer, []byte("event: message\ndata: {\"result\": {\"structuredContent\": {\"messages\": [{\"id\": \""+c.Messages[1].SID+"\"}]}}}\n\n"))
	if got, want := balance(), (counts{Asked: 1, Answered: 1, Replies: 1, Given: 1}); got != want {
		t.Errorf("with one that came through MCP = %+v, want %+v", got, want)
	}
}
