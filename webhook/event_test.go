package webhook_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"flexbridge/bridge"
	"flexbridge/webhook"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden is what becomes of a form.
type golden struct {
	Outcome webhook.Outcome
	Event   *bridge.Event `json:",omitempty"`
}

// Each testdata/*.form is a raw body with every field that Twilio's page
// "Conversations Webhooks" names for its event.
func TestForms(t *testing.T) {
	forms, err := filepath.Glob("testdata/*.form")
	if err != nil || len(forms) == 0 {
		t.Fatalf("Glob = %v, %v, want forms", forms, err)
	}
	for _, form := range forms {
		t.Run(strings.TrimSuffix(filepath.Base(form), ".form"), func(t *testing.T) {
			body, err := os.ReadFile(form)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(receive(t, strings.TrimSuffix(string(body), "\n")), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			compare(t, strings.TrimSuffix(form, ".form")+".json", string(got)+"\n")
		})
	}
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// receive posts a signed form and returns what became of it. A date that was
// made up from the clock is checked here and shown as zero.
func receive(t testing.TB, body string) golden {
	t.Helper()
	before := time.Now()
	d := &desk{}
	h, server := newHandler(t, config(t), d)
	w := httptest.NewRecorder()
	server.ServeHTTP(w, post("/twilio/webhook", body))
	var g golden
	for outcome, n := range h.Counts() {
		if n == 1 {
			g.Outcome = outcome
		}
	}
	refused := []webhook.Outcome{webhook.TooLarge, webhook.Malformed, webhook.RepeatedName, webhook.Forged, webhook.OtherAccount}
	if w.Code == http.StatusNoContent == slices.Contains(refused, g.Outcome) {
		t.Errorf("POST = %d as %q", w.Code, g.Outcome)
	}
	if len(d.events) == 1 {
		g.Event = &d.events[0]
		if m := g.Event.Message; m != nil && !m.SentAt.Before(before) && !m.SentAt.After(time.Now()) {
			m.SentAt = time.Time{}
		}
	}
	return g
}

// FuzzForm: no body makes the handler panic, and what is passed on is always signed
// and of its form.
func FuzzForm(f *testing.F) {
	forms, err := filepath.Glob("testdata/*.form")
	if err != nil {
		f.Fatal(err)
	}
	for _, form := range forms {
		body, err := os.ReadFile(form)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(strings.TrimSuffix(string(body), "\n"))
	}
	f.Add(goodForm + "&Body=evil")
	f.Add("a=%zz;&&==&=")
	f.Fuzz(func(t *testing.T, body string) {
		observe(t, body)
		g := receive(t, body)
		e := g.Event
		if e == nil {
			return
		}
		said := 0
		for _, is := range []bool{e.Message != nil, e.Joined != nil, e.Left != nil, e.Closed} {
			if is {
				said++
			}
		}
		if said != 1 || len(e.Conversation) != 34 || e.Ours {
			t.Errorf("event = %+v, want one thing said of a conversation", e)
		}
		if m := e.Message; m != nil && (m.Index < 0 || m.Index >= 1e9 || len(m.SID) != 34 || !utf8.ValidString(m.Text) || !utf8.ValidString(m.Author)) {
			t.Errorf("message = %+v", m)
		}
	})
}
