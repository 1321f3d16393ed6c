package bridge_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge"
)

var errCut = errors.New("connection cut")

// once fails the nth call of an operation.
func once(op string, n int, err error) func(string) error {
	return func(got string) error {
		if got == op {
			if n--; n == 0 {
				return err
			}
		}
		return nil
	}
}

func wantAsked(t *testing.T, w *world, sid string, texts ...string) {
	t.Helper()
	if got := w.desk.questions(sid); !slices.Equal(got, texts) {
		t.Fatalf("the agent saw %q, want %q", got, texts)
	}
}

// wantOneOpened fails unless one conversation was opened, and every step done once.
func wantOneOpened(t *testing.T, w *world) conversation {
	t.Helper()
	all := w.desk.opened()
	if len(all) != 1 || !all[0].joined || all[0].hooked != 1 || all[0].routed != 1 {
		t.Fatalf("opened %+v, want one conversation, joined, hooked and routed once", all)
	}
	return all[0]
}

func TestTwoFirstMessagesOpenOneConversation(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		other := w.replica()
		w.desk.faulty(func(string) error { time.Sleep(50 * time.Millisecond); return nil }, nil)
		a, b := w.ask(ann, "a?", asking{}), w.ask(ann, "b?", asking{b: other})
		time.Sleep(5 * time.Second)
		c := wantOneOpened(t, w)
		if asked := w.desk.questions(c.sid); len(asked) != 2 {
			t.Fatalf("the agent saw %q, want both", asked)
		}
		w.reply(c.sid, "to both")
		want(t, <-a, bridge.Replied, "to both")
		want(t, <-b, bridge.Replied, "to both")
	})
}

func TestOpeningIsFinishedAfterACrash(t *testing.T) {
	crash := errors.New("crash")
	for _, op := range []string{"create", "join", "hook", "route", "say"} {
		for _, when := range []string{"before", "after"} {
			t.Run(when+" "+op, func(t *testing.T) {
				run(t, func(t *testing.T, w *world) {
					fault := once(op, 1, crash)
					if when == "before" {
						w.desk.faulty(fault, nil)
					} else {
						w.desk.faulty(nil, fault)
					}
					// The opener dies: it neither goes on nor gives back its lease.
					opener := bridge.New(w.desk, dying{w.mail}, keys, bridge.Config{SayLimit: time.Millisecond})
					first := <-w.ask(ann, "a?", asking{b: opener, wait: time.Millisecond})
					if first.err == nil {
						t.Fatal("the opener got through")
					}
					w.desk.faulty(nil, nil)
					second := w.ask(ann, "b?", asking{})
					time.Sleep(16 * time.Second)
					c := wantOneOpened(t, w)
					w.reply(c.sid, "here")
					want(t, <-second, bridge.Replied, "here")
				})
			})
		}
	}
}

func TestConversationThatEndedIsReplaced(t *testing.T) {
	for _, how := range []string{"closed", "deleted"} {
		t.Run(how, func(t *testing.T) {
			run(t, func(t *testing.T, w *world) {
				asked := w.ask(ann, "a?", asking{})
				sid := sidOf(ann, 0)
				w.reply(sid, "one")
				cursor := (<-asked).Cursor
				unread := ""
				w.desk.agentSays(sid, "two") // neither report arrives
				if how == "closed" {
					w.desk.closes(sid)
					unread = "two|"
				} else {
					w.desk.drop(sid)
				}
				next := w.ask(ann, "b?", asking{after: cursor})
				w.reply(sidOf(ann, 1), "three")
				want(t, <-next, bridge.Replied, unread+"three")
				wantAsked(t, w, sidOf(ann, 1), "b?")
			})
		})
	}
}

func TestDeskRefusesBecauseTheConversationEnded(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		asked := w.ask(ann, "a?", asking{})
		w.reply(sidOf(ann, 0), "one")
		got := <-asked
		got.Written()
		w.desk.closes(sidOf(ann, 0))
		w.desk.faulty(once("say", 1, bridge.ErrDeskRefused), nil)
		next := w.ask(ann, "b?", asking{})
		w.reply(sidOf(ann, 1), "two")
		want(t, <-next, bridge.Replied, "two")
	})
}

func TestRefusalLeavesNothing(t *testing.T) {
	for _, target := range []error{bridge.ErrDeskRefused, bridge.ErrDeskUnavailable} {
		run(t, func(t *testing.T, w *world) {
			w.desk.faulty(once("say", 1, target), nil)
			wantErr(t, <-w.ask(ann, "a?", asking{}), target)
			w.desk.taken()
			again := w.ask(ann, "a?", asking{})
			w.wantCalls("say")
			w.reply(sidOf(ann, 0), "yes")
			want(t, <-again, bridge.Replied, "yes")
		})
	}
}

func TestUnknownOutcomeIsSaidOnce(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			run(t, func(t *testing.T, w *world) {
				fault := once("say", 1, errCut)
				if when == "before" {
					w.desk.faulty(fault, nil)
				} else {
					w.desk.faulty(nil, fault)
				}
				asked := w.ask(ann, "a?", asking{})
				time.Sleep(4 * time.Second)
				wantAsked(t, w, sidOf(ann, 0), "a?")
				w.reply(sidOf(ann, 0), "yes")
				want(t, <-asked, bridge.Replied, "yes")
			})
		})
	}
}

func TestUnsureQuestionIsFoundByRepeating(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.desk.faulty(nil, func(op string) error {
			if op == "say" || op == "since" {
				return errCut
			}
			return nil
		})
		wantErr(t, <-w.ask(ann, "a?", asking{wait: time.Second}), bridge.ErrUnsure)
		w.desk.faulty(nil, nil)
		w.desk.taken()
		again := w.ask(ann, "a?", asking{})
		w.wantCalls("since")
		wantAsked(t, w, sidOf(ann, 0), "a?")
		w.reply(sidOf(ann, 0), "yes")
		want(t, <-again, bridge.Replied, "yes")
	})
}

func TestSameTextAttachesUntilItsAnswerWasWritten(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		sid := sidOf(ann, 0)
		first := w.ask(ann, "a?", asking{})
		second := w.ask(ann, "a?", asking{b: w.replica()})
		want(t, <-first, bridge.Pending, "")
		want(t, <-second, bridge.Pending, "")
		third := w.ask(ann, "a?", asking{})
		w.reply(sid, "yes")
		got := <-third
		want(t, got, bridge.Replied, "yes") // and the caller is cut off before it has it
		got = <-w.ask(ann, "a?", asking{})
		want(t, got, bridge.Replied, "yes")
		wantAsked(t, w, sid, "a?")
		got.Written()
		w.ask(ann, "a?", asking{wait: time.Nanosecond})
		wantAsked(t, w, sid, "a?", "a?")
		time.Sleep(121 * time.Second) // nobody repeats that any more
		w.ask(ann, "a?", asking{wait: time.Nanosecond})
		wantAsked(t, w, sid, "a?", "a?", "a?")
	})
}

func TestSecondCallWaitsWhileTheFirstIsSaying(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.desk.faulty(func(op string) error {
			if op == "say" {
				time.Sleep(2 * time.Second)
			}
			return nil
		}, nil)
		a, b := w.ask(ann, "a?", asking{}), w.ask(ann, "a?", asking{b: w.replica()})
		time.Sleep(3 * time.Second)
		wantAsked(t, w, sidOf(ann, 0), "a?")
		w.reply(sidOf(ann, 0), "yes")
		want(t, <-a, bridge.Replied, "yes")
		want(t, <-b, bridge.Replied, "yes")
	})
}

func TestKeyBindsItsText(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		sid := sidOf(ann, 0)
		first := w.ask(ann, "a?", asking{key: "k1"})
		w.reply(sid, "yes")
		got := <-first
		want(t, got, bridge.Replied, "yes")
		got.Written()
		time.Sleep(time.Hour)
		w.desk.taken()
		want(t, <-w.ask(ann, "a?", asking{key: "k1"}), bridge.Replied, "yes")
		wantErr(t, <-w.ask(ann, "b?", asking{key: "k1"}), bridge.ErrKeyReused)
		w.wantCalls("")
		time.Sleep(24 * time.Hour)
		w.ask(ann, "b?", asking{key: "k1", wait: time.Nanosecond})
		wantAsked(t, w, sid, "a?", "b?")
	})
}

func TestToldStandsInForTheCursor(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		sid := sidOf(ann, 0)
		first := w.ask(ann, "a?", asking{})
		w.reply(sid, "one")
		got := <-first
		want(t, got, bridge.Replied, "one")
		w.reply(sid, "one and a half")
		got.Written()
		second := w.ask(ann, "b?", asking{})
		w.reply(sid, "two")
		want(t, <-second, bridge.Replied, "one and a half|two") // cut off before it was written
		third := w.ask(ann, "c?", asking{})
		w.reply(sid, "three")
		want(t, <-third, bridge.Replied, "one and a half|two|three")
		fourth := w.ask(ann, "d?", asking{after: bridge.At(0, sid, 5)}) // "two" has Index 4, "c?" 5
		w.reply(sid, "four")
		want(t, <-fourth, bridge.Replied, "three|four")
		want(t, <-w.await(ann, bridge.Cursor{}, 0), bridge.Replied, "three|four")
	})
}

func TestCursors(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		for g, text := range []string{"one", "two", "three"} {
			asked := w.ask(ann, text+"?", asking{})
			w.reply(sidOf(ann, g), text)
			<-asked
			if _, err := w.End(t.Context(), ann, bridge.Cursor{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, row := range []struct {
			after bridge.Cursor
			texts string
		}{
			{bridge.At(0, sidOf(ann, 0), -1), "one|two|three"},
			{bridge.At(0, sidOf(ann, 0), 1), "two|three"},
			{bridge.At(0, "CHother", 1), "one|two|three"}, // another's tag: from the start
			{bridge.At(1, sidOf(ann, 1), 1), "three"},
		} {
			want(t, <-w.await(ann, row.after, 0), bridge.Replied, row.texts)
		}
		got := <-w.await(ann, bridge.At(2, sidOf(ann, 2), 1), 0)
		want(t, got, bridge.Closed, "")
		if got.Cursor != bridge.At(2, sidOf(ann, 2), 1) {
			t.Fatalf("cursor = %v", got.Cursor)
		}
		for _, ahead := range []bridge.Cursor{bridge.At(2, sidOf(ann, 2), 2), bridge.At(3, sidOf(ann, 3), 0)} {
			wantErr(t, <-w.await(ann, ahead, 0), bridge.ErrCursorAhead)
			wantErr(t, <-w.ask(ann, "x?", asking{after: ahead}), bridge.ErrCursorAhead)
		}
		if n := strings.Count(strings.Join(w.desk.taken(), " "), "say"); n != 3 {
			t.Fatalf("%d questions were said, want 3", n)
		}
	})
}

func TestCursorBeforeTheFirstMessageIsNotAhead(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		start := bridge.At(0, "CHlost", -1) // of a conversation that was never opened whole
		want(t, <-w.await(ann, start, 0), bridge.Closed, "")
		asked := w.ask(ann, "a?", asking{after: start})
		w.reply(sidOf(ann, 0), "yes")
		want(t, <-asked, bridge.Replied, "yes")
		later := bridge.At(1, "CHlater", -1)
		wantErr(t, <-w.ask(ann, "b?", asking{after: later}), bridge.ErrCursorAhead)
		w.desk.closes(sidOf(ann, 0))
		w.mail.Lose() // and with it that the next one was being opened
		next := w.ask(ann, "b?", asking{after: later})
		w.reply(sidOf(ann, 1), "no")
		want(t, <-next, bridge.Replied, "no")
	})
}

func TestUnknownGenerationsAreLookedAtOneByOne(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		for g := range 3 {
			w.ask(ann, "?", asking{wait: time.Nanosecond})
			w.desk.agentSays(sidOf(ann, g), string(rune('a'+g)))
			w.desk.closes(sidOf(ann, g))
			w.reportClosed(sidOf(ann, g))
			time.Sleep(200 * time.Second)
		}
		w.mail.Lose()
		w.desk.taken()
		cursor := bridge.At(0, sidOf(ann, 0), 0)
		for i, calls := range []string{"find state since", "state since", "state since"} {
			got := <-w.await(ann, cursor, time.Second)
			want(t, got, bridge.Replied, string(rune('a'+i)))
			w.wantCalls(calls)
			cursor = got.Cursor
		}
	})
}

// dying is the mailbox of a process that dies at its first fault: nothing that it
// would tidy up afterwards is written.
type dying struct{ bridge.Mailbox }

func (d dying) Record(ctx context.Context, c bridge.Customer, token string, o bridge.Opening, life time.Duration) (bool, error) {
	if life == 0 {
		return true, nil
	}
	return d.Mailbox.Record(ctx, c, token, o, life)
}

func (dying) Release(context.Context, bridge.Customer, string) error { return nil }

func (dying) Move(context.Context, bridge.Customer, string, bridge.Saying) error { return nil }

func (dying) Forget(context.Context, bridge.Customer, string, bridge.Saying) error { return nil }
