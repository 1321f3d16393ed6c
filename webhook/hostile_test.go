package webhook_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flexbridge/webhook"
)

// What a hostile internet may send.

// Ten thousand forged webhooks reach nobody, are all counted, and neither fill the
// memory nor the log.
func TestForgedFlood(t *testing.T) {
	const flood = 10_000
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		cfg := config(t)
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		d := &desk{}
		h, server := newHandler(t, cfg, d)
		forge := func() int {
			r := httptest.NewRequest(http.MethodPost, "/twilio/webhook", strings.NewReader(goodForm))
			r.Header.Set("X-Twilio-Signature", "x")
			w := httptest.NewRecorder()
			server.ServeHTTP(w, r)
			return w.Code
		}
		before := inUse()
		for range flood {
			if code := forge(); code != http.StatusForbidden {
				t.Fatalf("POST = %d, want 403", code)
			}
		}
		if grown := inUse() - before; grown > 1<<20 {
			t.Errorf("%d bytes more are in use after %d forged webhooks", grown, flood)
		}
		if len(d.events)+len(d.hints) != 0 || h.Counts()[webhook.Forged] != flood {
			t.Errorf("%d delivered, %d hints, %d counted, want none, none and all", len(d.events), len(d.hints), h.Counts()[webhook.Forged])
		}
		if n := strings.Count(log.String(), "\n"); n != 10 {
			t.Errorf("%d lines in the log, want the first 10", n)
		}
		log.Reset()
		time.Sleep(10 * time.Second)
		forge()
		forge()
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), fmt.Sprintf("suppressed=%d\n", flood-10)) {
			t.Errorf("log = %q, want one line that tells of %d suppressed", &log, flood-10)
		}
		// One reason does not silence another.
		log.Reset()
		server.ServeHTTP(httptest.NewRecorder(), with("&Body=again"))
		if !strings.Contains(log.String(), "outcome=repeated_name") {
			t.Errorf("log = %q, want the other reason", &log)
		}
	})
}

func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A form is read before it is known who sent it: a body may have only so many names.
func TestManyFieldsAreRefusedUnread(t *testing.T) {
	fields := func(n int) string { return goodForm + strings.Repeat("&", n-1-strings.Count(goodForm, "&")) }
	accepted(t, config(t), post("/twilio/webhook", fields(100)))

	h, server := newHandler(t, config(t), &desk{})
	w := httptest.NewRecorder()
	server.ServeHTTP(w, post("/twilio/webhook", fields(101)))
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("POST = %d, want 413", w.Code)
	}
	only(t, h, webhook.TooLarge)
}

// A body that announces too much is refused before any of it is read.
func TestAnnouncedBodyIsNotRead(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/twilio/webhook", unreadable{t})
	r.ContentLength = 256<<10 + 1
	r.Header.Set("X-Twilio-Signature", "x")
	h, server := newHandler(t, config(t), &desk{})
	server.ServeHTTP(httptest.NewRecorder(), r)
	only(t, h, webhook.TooLarge)
}

// Over a connection: in chunks a body has no announced length.
func TestChunkedBody(t *testing.T) {
	for name, row := range map[string]struct {
		more    string
		status  int
		outcome webhook.Outcome
	}{
		"small":   {"", http.StatusNoContent, webhook.MessageAdded},
		"endless": {"&x=" + strings.Repeat("x", 1<<20), http.StatusRequestEntityTooLarge, webhook.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			h, handler := newHandler(t, config(t), &desk{})
			server := httptest.NewServer(handler)
			defer server.Close()
			form := goodForm + row.more
			r, err := http.NewRequest(http.MethodPost, server.URL+"/twilio/webhook", io.MultiReader(strings.NewReader(form)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Twilio-Signature", signForm(primary, public+"/twilio/webhook", form))
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != row.status {
				t.Errorf("POST = %d, want %d", response.StatusCode, row.status)
			}
			only(t, h, row.outcome)
		})
	}
}

// Nothing is unpacked: a small body stays small.
func TestCompressedBodyIsNotUnpacked(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, goodForm)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r := altered(func(r *http.Request) { r.Body = io.NopCloser(&packed) }) // signed as it is unpacked
	r.Header.Set("Content-Encoding", "gzip")
	d := &desk{}
	h, server := newHandler(t, config(t), d)
	server.ServeHTTP(httptest.NewRecorder(), r)
	if len(d.events) != 0 {
		t.Errorf("delivered %v, want nothing", d.events)
	}
	only(t, h, webhook.Forged)
}

// What was signed as JSON proves nothing about a form.
func TestJSONSignatureSmugglesNoForm(t *testing.T) {
	const JSON = `{"a":1}`
	hash := func(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) }
	jsonHash, formHash := hash(JSON), hash(goodForm)
	query := func(q string) string { return "/twilio/webhook?" + q }
	// The signature is always that of Twilio for signed, with no form.
	for name, row := range map[string]struct {
		signed, target, body string
		outcome              webhook.Outcome
	}{
		"as it was signed":         {query("bodySHA256=" + jsonHash), query("bodySHA256=" + jsonHash), JSON, webhook.JSONEvent},
		"a form for the JSON":      {query("bodySHA256=" + jsonHash), query("bodySHA256=" + jsonHash), goodForm, webhook.Forged},
		"a form that was hashed":   {query("bodySHA256=" + formHash), query("bodySHA256=" + formHash), goodForm, webhook.JSONEvent},
		"upper case":               {query("bodySHA256=" + strings.ToUpper(jsonHash)), query("bodySHA256=" + strings.ToUpper(jsonHash)), JSON, webhook.Forged},
		"upper case, a form":       {query("bodySHA256=" + strings.ToUpper(jsonHash)), query("bodySHA256=" + strings.ToUpper(jsonHash)), goodForm, webhook.Forged},
		"empty, a form":            {query("bodySHA256="), query("bodySHA256="), goodForm, webhook.Forged},
		"empty, nothing":           {query("bodySHA256="), query("bodySHA256="), "", webhook.JSONEvent},
		"twice, the form's first":  {query("bodySHA256=" + jsonHash), query("bodySHA256=" + formHash + "&bodySHA256=" + jsonHash), goodForm, webhook.Forged},
		"twice, the form's second": {query("bodySHA256=" + jsonHash), query("bodySHA256=" + jsonHash + "&bodySHA256=" + formHash), goodForm, webhook.Forged},
		"twice, the first empty":   {query("bodySHA256=&bodySHA256=" + jsonHash), query("bodySHA256=&bodySHA256=" + jsonHash), goodForm, webhook.Forged},
		"twice, signed so":         {query("bodySHA256=" + formHash + "&bodySHA256=" + jsonHash), query("bodySHA256=" + formHash + "&bodySHA256=" + jsonHash), goodForm, webhook.JSONEvent},
		"left out":                 {query("bodySHA256=" + jsonHash), "/twilio/webhook", goodForm, webhook.Forged},
		"in other letters":         {query("bodySHA256=" + jsonHash), query("bodysha256=" + jsonHash), goodForm, webhook.Forged},
		"percent-encoded":          {query("bodySHA256=" + jsonHash), query("body%53HA256=" + jsonHash), goodForm, webhook.Forged},
		// The query moved into the form is the same text under the signature.
		"as a name of the form": {query("bodySHA256=" + jsonHash), query(""), url.QueryEscape("bodySHA256="+jsonHash) + "=", webhook.OtherAccount},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, row.target, strings.NewReader(row.body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("X-Twilio-Signature", sign(primary, public+row.signed, nil))
			d := &desk{}
			h, server := newHandler(t, config(t), d)
			server.ServeHTTP(httptest.NewRecorder(), r)
			if len(d.events)+len(d.hints) != 0 {
				t.Errorf("delivered %v, hints %q, want nothing", d.events, d.hints)
			}
			only(t, h, row.outcome)
		})
	}
	// A form that Twilio signed does not become a delivery by a hash either.
	t.Run("a signed form with a hash", func(t *testing.T) {
		d := &desk{}
		h, server := newHandler(t, config(t), d)
		server.ServeHTTP(httptest.NewRecorder(), post(query("bodySHA256="), goodForm))
		if len(d.events) != 0 {
			t.Errorf("delivered %v, want nothing", d.events)
		}
		only(t, h, webhook.JSONEvent)
	})
}

// Either token may sign, during a rotation and after it; none may be empty.
func TestTokens(t *testing.T) {
	for name, row := range map[string]struct {
		tokens  []string
		signed  string
		outcome webhook.Outcome
	}{
		"primary of one":   {[]string{primary}, primary, webhook.MessageAdded},
		"secondary of one": {[]string{primary}, secondary, webhook.Forged},
		"primary of two":   {[]string{primary, secondary}, primary, webhook.MessageAdded},
		"secondary of two": {[]string{primary, secondary}, secondary, webhook.MessageAdded},
		"neither":          {[]string{primary, secondary}, "other_token", webhook.Forged},
		"empty, of one":    {[]string{primary}, "", webhook.Forged},
		"empty, of two":    {[]string{primary, secondary}, "", webhook.Forged},
		"both at once":     {[]string{primary, secondary}, primary + secondary, webhook.Forged},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			cfg.AuthTokens = row.tokens
			h, server := newHandler(t, cfg, &desk{})
			r := with("")
			r.Header.Set("X-Twilio-Signature", signForm(row.signed, public+"/twilio/webhook", goodForm))
			server.ServeHTTP(httptest.NewRecorder(), r)
			only(t, h, row.outcome)
		})
	}
}
