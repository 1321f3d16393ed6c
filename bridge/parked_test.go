package bridge_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"flexbridge/bridge"
)

type parkedKey struct{}

// lookedDesk tells of the context of each look.
type lookedDesk struct {
	bridge.Desk
	looked func(context.Context)
}

func (d lookedDesk) State(ctx context.Context, conversation string) (bool, error) {
	d.looked(ctx)
	return d.Desk.State(ctx, conversation)
}

// Each request that waits is told of when its wait begins, after its question was
// said, and once when it is over; what it does meanwhile is done in its context.
func TestParkedIsToldOf(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		var told []string
		desk := lookedDesk{w.desk, func(ctx context.Context) { told = append(told, fmt.Sprint("looks ", ctx.Value(parkedKey{}))) }}
		b := bridge.New(desk, w.mail, keys, bridge.Config{
			Parked: func(ctx context.Context, conversation string) (context.Context, func(bridge.Answer, error)) {
				told = append(told, "waits in "+conversation)
				return context.WithValue(ctx, parkedKey{}, true), func(a bridge.Answer, err error) {
					told = append(told, fmt.Sprint(a.Status, " ", err))
				}
			},
		})
		defer b.Close()
		expect := func(want ...string) {
			t.Helper()
			if !slices.Equal(told, want) {
				t.Fatalf("told %q, want %q", told, want)
			}
			told = nil
		}
		first := w.ask(ann, "a?", asking{b: b})
		sid := sidOf(ann, 0)
		expect("waits in " + sid)
		w.reply(sid, "one")
		want(t, <-first, bridge.Replied, "one")
		expect("replied <nil>")

		want(t, <-w.ask(ann, "b?", asking{b: b}), bridge.Pending, "one")
		expect("waits in "+sid, "looks true", "pending <nil>")

		ctx, hangUp := context.WithCancel(t.Context())
		third := w.ask(ann, "c?", asking{b: b, ctx: ctx})
		hangUp()
		wantErr(t, <-third, context.Canceled)
		expect("waits in "+sid, " context canceled")
	})
}

// Who waits holds no goroutine, and is answered all the same.
func TestWaitingTakesNoGoroutine(t *testing.T) {
	runWith(t, bridge.Config{LooksPerSecond: 1000}, func(t *testing.T, w *world) {
		before, replies := runtime.NumGoroutine(), make(chan outcome, 100)
		over := func(a bridge.Answer, err error) { replies <- outcome{Answer: a, err: err} }
		for i := range cap(replies) {
			c := keys.Customer("username", fmt.Sprint("customer ", i))
			if deadline := time.Now().Add(time.Minute); i%2 == 0 {
				w.AskThen(t.Context(), bridge.Question{Customer: c, Text: "a?", Deadline: deadline}, over)
			} else {
				cursor := w.asked(c, "a?")
				w.AwaitThen(t.Context(), c, cursor, deadline, over)
			}
		}
		synctest.Wait()
		if n := w.Parked(); n != cap(replies) {
			t.Fatalf("%d wait, want %d", n, cap(replies))
		}
		if n := runtime.NumGoroutine(); n > before+cap(replies)/10 { // with room for the runtime's own
			t.Errorf("%d goroutines, %d before", n, before)
		}
		for i := range cap(replies) {
			w.reply(sidOf(keys.Customer("username", fmt.Sprint("customer ", i)), 0), "one")
			want(t, <-replies, bridge.Replied, "one")
		}
	})
}
