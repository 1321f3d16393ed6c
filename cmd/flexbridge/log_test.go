package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"flexbridge/bridge/flex/flexsim"
)

// TestLogTellsWhatHappened: every line that was written for a question has the name
// that its caller was told, and the exchange's tells which conversation it was.
func TestLogTellsWhatHappened(t *testing.T) {
	w := newWorld(t, nil, flexsim.Config{})
	w.tune = append(w.tune, parkAtOnce)
	var log lockedBuffer
	w.log = slog.New(slog.NewJSONHandler(&log, nil)).With("at", "home")
	r := w.start(nil)
	w.twilio.Break(flexsim.CreateMessage, 1, flexsim.Fault{Status: 429})
	asked := w.asking(r, "ann", "hello")
	conversation := w.asked("hello")
	w.reply(conversation, "hi")
	id := w.want(<-asked, "replied", "hi").Header.Get("X-Request-Id")

	w.until(func() bool { return strings.Contains(log.String(), `"outcome":"replied"`) }) // the answer comes first

	var lines []map[string]any
	for line := range strings.Lines(log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if fields["at"] != "home" {
			t.Errorf("%q has lost what stands in each line", line)
		}
		if fields["request_id"] == id {
			lines = append(lines, fields)
		}
	}
	if len(lines) != 2 || lines[0]["msg"] != "Twilio is asked again" || lines[1]["msg"] != "exchange" {
		t.Fatalf("of request %q the log has %v, want the retry and the exchange", id, lines)
	}
	calls := float64(w.twilio.Count())
	for name, want := range map[string]any{"conversation": conversation, "messages": 1.0, "outcome": "replied", "twilio_calls": calls} {
		if got := lines[1][name]; got != want {
			t.Errorf("the exchange has %s = %v, want %v", name, got, want)
		}
	}
	if !strings.Contains(log.String(), `"route":"/twilio/webhook"`) || !strings.Contains(log.String(), `"message":"IM`) {
		t.Errorf("no webhook's line has its message:\n%s", log.String())
	}
}

func TestLabelledKeepsGroups(t *testing.T) {
	var log bytes.Buffer
	slog.New(labelled{slog.NewTextHandler(&log, nil)}).WithGroup("g").With("a", 1).Info("hello")
	if !strings.Contains(log.String(), "msg=hello g.a=1") || strings.Contains(log.String(), "request_id") {
		t.Errorf("log = %s", &log)
	}
}
