package flex_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbridge/bridge/flex"
	"flexbridge/bridge/flex/flexsim"
)

// tries are what a desk told, but for the time, which must be one.
type tries struct {
	t  *testing.T
	mu sync.Mutex
	of []string
}

func (r *tries) note(_ context.Context, try flex.Try) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if try.Took <= 0 || try.Took > time.Minute {
		r.t.Errorf("%s took %v", try.Operation, try.Took)
	}
	r.of = append(r.of, fmt.Sprintf("%s %s %d", try.Operation, try.Outcome, try.Number))
}

func (r *tries) taken() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := strings.Join(r.of, ", ")
	r.of = nil
	return told
}

// Each request of each method is told, under one of Operations.
func TestTellsOfEachTry(t *testing.T) {
	told := &tries{t: t}
	w := newWorld(t, func(c *flex.Config) { c.Tried = told.note })
	for _, m := range methods {
		sid := w.open(t, 0)
		w.fresh()
		told.taken()
		_ = w.do(t.Context(), m, sid)
		got := told.taken()
		if n := strings.Count(got, ", ") + 1; n != w.sim.Count() {
			t.Errorf("%s made %d calls and told of %q", m.name, w.sim.Count(), got)
		}
		for try := range strings.SplitSeq(got, ", ") {
			operation, _, _ := strings.Cut(try, " ")
			if !slices.Contains(flex.Operations(), flex.Operation(operation)) {
				t.Errorf("%s told of %q, which is none of %q", m.name, operation, flex.Operations())
			}
		}
		w.sim.Close()
		w = newWorld(t, func(c *flex.Config) { c.Tried = told.note })
	}
}

func TestTellsWhatBecameOfATry(t *testing.T) {
	for name, row := range map[string]struct {
		fault flexsim.Fault
		want  string
	}{
		"nothing":   {flexsim.Fault{}, "state ok 1"},
		"throttled": {flexsim.Fault{Status: 429}, "state throttled 1, state ok 2"},
		"refused":   {flexsim.Fault{Status: 403}, "state refused 1"},
		"gone":      {flexsim.Fault{Status: 404}, "state refused 1"},
		"failed":    {flexsim.Fault{Status: 500}, "state failed 1, state ok 2"},
		"a page":    {flexsim.Fault{Status: 200, HTML: true}, "state failed 1, state ok 2"},
		"cut":       {flexsim.Fault{Cut: true}, "state unreachable 1, state ok 2"},
	} {
		t.Run(name, func(t *testing.T) {
			told := &tries{t: t}
			w := newWorld(t, func(c *flex.Config) { c.Tried = told.note })
			sid := w.open(t, 0)
			w.fresh()
			told.taken()
			w.sim.Break(flexsim.FetchConversation, 1, row.fault)
			_, _ = w.State(t.Context(), sid)
			if got := told.taken(); got != row.want {
				t.Errorf("it told of %q, want %q", got, row.want)
			}
		})
	}
}
