package webhook_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"flexbridge/bridge"
	"flexbridge/webhook"
)

// vector is a webhook that Twilio's library for Node signed, see testdata/vectors.js.
type vector struct {
	Public, Target, Token, Body, Signature string
	Text                                   *string // of the message; nil for JSON
}

// tampering changes a vector after it was signed.
type tampering struct {
	name       string
	change     func(*vector)
	form, json webhook.Outcome
}

var tamperings = []tampering{
	{"nothing", func(*vector) {}, webhook.MessageAdded, webhook.JSONEvent},
	{"another order", func(v *vector) { v.fields(slices.Reverse) }, webhook.MessageAdded, webhook.JSONEvent},
	{"a value", func(v *vector) { v.field("Body=", func(s string) string { return s + "x" }) }, webhook.Forged, webhook.Forged},
	{"a name", func(v *vector) { v.field("Source=", func(s string) string { return "x" + s }) }, webhook.Forged, webhook.Forged},
	{"a field more", func(v *vector) { v.Body += "&Media=%5B%5D" }, webhook.Forged, webhook.Forged},
	{"no body", func(v *vector) { v.Body = "" }, webhook.Forged, webhook.Forged},
	{"a second Body", func(v *vector) { v.Body += "&Body=evil" }, webhook.RepeatedName, webhook.Forged},
	{"the host", func(v *vector) { v.Public = strings.Replace(v.Public, "://", "://x", 1) }, webhook.Forged, webhook.Forged},
	{"the path", func(v *vector) { v.Public += "/x" }, webhook.Forged, webhook.Forged},
	{"the query", func(v *vector) { v.Target += "?&x=1" }, webhook.Forged, webhook.Forged},
	{"the signature's end", func(v *vector) { v.Signature = v.Signature[:len(v.Signature)-1] }, webhook.Forged, webhook.Forged},
	{"the signature's case", func(v *vector) { v.Signature = strings.ToLower(v.Signature) }, webhook.Forged, webhook.Forged},
	{"a signature more", func(v *vector) { v.Signature += "," + v.Signature }, webhook.Forged, webhook.Forged},
	{"no signature", func(v *vector) { v.Signature = "" }, webhook.Unsigned, webhook.Unsigned},
	{"another token", func(v *vector) { v.Token += "x" }, webhook.Forged, webhook.Forged},
}

var statuses = map[webhook.Outcome]int{
	webhook.MessageAdded: http.StatusNoContent,
	webhook.JSONEvent:    http.StatusNoContent,
	webhook.RepeatedName: http.StatusBadRequest,
	webhook.Forged:       http.StatusForbidden,
	webhook.Unsigned:     http.StatusForbidden,
}

// fields changes a form's fields; JSON has none.
func (v *vector) fields(change func([]string)) {
	if v.Text != nil {
		fields := strings.Split(v.Body, "&")
		change(fields)
		v.Body = strings.Join(fields, "&")
	}
}

// field changes the field that begins so, or a JSON body.
func (v *vector) field(begins string, change func(string) string) {
	if v.Text == nil {
		v.Body = change(v.Body)
	}
	v.fields(func(fields []string) {
		for i, field := range fields {
			if strings.HasPrefix(field, begins) {
				fields[i] = change(field)
			}
		}
	})
}

// TestVectors sends each vector over HTTP, as it is and tampered with in every way.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) < 300 {
		t.Fatalf("Unmarshal = %d vectors, %v, want 300 or more", len(vectors), err)
	}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	defer server.Close()
	for i, v := range vectors {
		for _, row := range tamperings {
			want := row.form
			if v.Text == nil {
				want = row.json
			}
			changed := v
			row.change(&changed)
			d := &desk{}
			cfg := config(t)
			cfg.PublicURL, cfg.AuthTokens = changed.Public, []string{changed.Token}
			var h *webhook.Handler
			h, handler = newHandler(t, cfg, d)
			if got := changed.post(t, server); got != statuses[want] || h.Counts()[want] != 1 {
				t.Errorf("vector %d, %s: POST = %d %v, want %d %q\n%+v", i, row.name, got, h.Counts(), statuses[want], want, changed)
			}
			if want == webhook.MessageAdded != (len(d.events) == 1) || len(d.events) == 1 && !v.is(d.events[0]) {
				t.Errorf("vector %d, %s: delivered %+v, want the message of\n%+v", i, row.name, d.events, v)
			}
		}
	}
}

func (v vector) is(e bridge.Event) bool {
	return e.Conversation == conversation && e.Message != nil && e.Message.Text == *v.Text && e.Ours == strings.Contains(v.Target, "o=8f")
}

func (v vector) post(t *testing.T, server *httptest.Server) (status int) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, server.URL+v.Target, strings.NewReader(v.Body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if v.Text == nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("X-Twilio-Signature", v.Signature)
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}
