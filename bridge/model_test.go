package bridge_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"flexbridge/bridge"
	"flexbridge/store"
)

// step is one thing that happens; what, to whom and how much follow from a and b.
type step struct {
	op   string
	a, b int
}

var stepsOf = func(ops ...string) *rapid.Generator[[]step] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{rapid.SampledFrom(ops).Draw(t, "op"), rapid.IntRange(0, 999).Draw(t, "a"), rapid.IntRange(0, 999).Draw(t, "b")}
	}), 30, 80)
}

var everything = []string{
	"ask", "ask", "ask", "follow", "follow", "again", "again", "keyed", "await", "await", "end",
	"speak", "speak", "speak", "greet", "skip", "deliver", "deliver", "deliver", "deliver", "double", "lose report",
	"close", "abandon", "abandon", "delete", "lose store", "lose inside", "fault", "fault", "crash", "crash", "hang up", "drain", "time", "time", "time",
}

// playInMemory plays in synctest's time.
func playInMemory(t *testing.T, program []step) (err error) {
	synctest.Test(t, func(t *testing.T) {
		mail := store.NewMemory(store.Config{})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		c := bridge.Config{LooksPerSecond: 1000}
		p := newPlay(ctx, "", mail, mail.Lose, c)
		p.settle = synctest.Wait
		p.time = func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		err = p.happens(program, c)
		cancel()
		p.close()
		time.Sleep(time.Minute) // what is late at the desk
	})
	return err
}

func TestModel(t *testing.T) {
	for _, row := range []struct {
		name string
		ops  []string
	}{
		{"everything", everything},
		{"saying", []string{"ask", "ask", "again", "again", "keyed", "fault", "fault", "crash", "crash", "close", "abandon", "time", "lose store", "speak", "deliver"}},
		{"nobody comes", []string{"ask", "ask", "again", "keyed", "follow", "await", "await", "end", "abandon", "abandon", "abandon", "speak", "greet", "deliver", "lose report", "fault", "crash", "lose store", "time", "time", "time"}},
		{"reading", []string{"follow", "follow", "ask", "await", "end", "speak", "speak", "greet", "skip", "deliver", "deliver", "double", "lose report", "close", "lose store", "lose inside", "lose inside", "time", "drain"}},
		{"no loss", slices.DeleteFunc(slices.Clone(everything), func(op string) bool { return op == "lose store" || op == "lose inside" })},
	} {
		t.Run(row.name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				program := stepsOf(row.ops...).Draw(rt, "program")
				if err := playInMemory(t, program); err != nil {
					rt.Fatal(err)
				}
			})
		})
	}
}
