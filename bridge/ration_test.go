package bridge_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"flexbridge/bridge"
)

// Who only reads, under names made up by the hundred, leaves look-ups to who asks.
func TestReadersLeaveLookUpsToWhoAsks(t *testing.T) {
	runWith(t, bridge.Config{LooksPerSecond: 6}, func(t *testing.T, w *world) {
		read := 0
		for i := range 100 {
			_, err := w.Await(t.Context(), keys.Customer("username", fmt.Sprint("reader ", i)), bridge.Cursor{}, time.Now())
			if err == nil {
				read++
			} else if !errors.Is(err, bridge.ErrBusy) {
				t.Fatalf("Await = %v, want busy", err)
			}
		}
		if read != 3 {
			t.Errorf("%d readers were looked up in a second, want half of 6", read)
		}
		var asked []<-chan outcome
		for i := range 3 { // in the same second
			asked = append(asked, w.ask(keys.Customer("username", fmt.Sprint("asker ", i)), "?", asking{}))
		}
		for _, o := range asked {
			want(t, <-o, bridge.Pending, "")
		}
	})
}
