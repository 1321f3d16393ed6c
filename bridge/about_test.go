package bridge_test

import (
	"reflect"
	"testing"
	"time"

	"flexbridge/bridge"
)

// TestAboutOpensAConversation: the desk is told of what the question is about that
// opens one, and of no other.
func TestAboutOpensAConversation(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		returns := bridge.About{Channel: bridge.ByMCP, Locale: "pt", Context: map[string]string{"topic": "returns"}}
		billing := bridge.About{Channel: bridge.ByAPI, Context: map[string]string{"topic": "billing"}}
		for _, q := range []bridge.Question{
			{Customer: ann, Text: "a?", About: returns}, {Customer: ann, Text: "b?", About: billing},
		} {
			q.Deadline = time.Now()
			if _, err := w.Ask(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		c := w.desk.opened()[0]
		if !reflect.DeepEqual(c.created, returns) || !reflect.DeepEqual(c.routedAs, returns) {
			t.Errorf("it was created for %v and routed for %v, want both for %v", c.created, c.routedAs, returns)
		}
	})
}
