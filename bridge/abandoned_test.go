package bridge_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge"
)

// TestNobodyIsComing: a look at an open conversation without an agent asks
// whether one is on the way, and an operator hears when none is.
func TestNobodyIsComing(t *testing.T) {
	nothing := func(*world, string) {}
	for name, row := range map[string]struct {
		before    func(w *world, sid string)
		abandoned bool
		calls     string
		status    bridge.Status
		logged    string // empty: nothing
	}{
		"none is":      {nothing, true, "state since abandoned", bridge.Unavailable, "no agent is coming"},
		"one is":       {nothing, false, "state since abandoned", bridge.Pending, ""},
		"one has come": {func(w *world, sid string) { w.reply(sid, "hello") }, true, "state since", bridge.Pending, ""},
		"it is closed": {func(w *world, sid string) { w.desk.closes(sid) }, true, "state since", bridge.Closed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			runWith(t, bridge.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, func(t *testing.T, w *world) {
				w.asked(ann, "a?")
				sid := sidOf(ann, 0)
				row.before(w, sid)
				time.Sleep(31 * time.Second) // since the look of the question
				w.desk.knows(func(string) bool { return row.abandoned })
				w.desk.taken()
				got := <-w.await(ann, bridge.At(0, sid, len(w.desk.opened()[0].messages)-1), 40*time.Second)
				want(t, got, row.status, "")
				w.wantCalls(row.calls)
			})
			if got := log.String(); row.logged == "" && got != "" || !strings.Contains(got, row.logged) {
				t.Errorf("the log is %q, want %q", got, row.logged)
			}
		})
	}
}

// TestAskingForTheAgentFails: what the look found is kept before.
func TestAskingForTheAgentFails(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		cursor := w.asked(ann, "a?")
		time.Sleep(31 * time.Second)
		w.desk.knows(func(string) bool { return true })
		w.desk.faults = map[string][]fault{"abandoned": {{slow: time.Hour}}}
		waiter := w.await(ann, cursor, 40*time.Second)
		w.desk.agentSays(sidOf(ann, 0), "found") // and its webhook is lost
		got := <-waiter
		want(t, got, bridge.Replied, "found")
		if got.after > 38*time.Second {
			t.Errorf("it came after %v, want it not to wait for the desk", got.after)
		}
	})
}
