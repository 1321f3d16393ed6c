package webhook_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"flexbridge/bridge"
	"flexbridge/webhook"
)

// idle keeps nothing.
type idle struct{}

func (idle) Deliver(context.Context, bridge.Event) error { return nil }

func (idle) Hint(context.Context, string) {}

// BenchmarkHandler measures one webhook, from the request in memory to the answer:
// routing, signature, form, tag and event, with nothing kept.
func BenchmarkHandler(b *testing.B) {
	agents, err := os.ReadFile("testdata/message_text.form")
	if err != nil {
		b.Fatal(err)
	}
	for _, row := range []struct{ name, token, body string }{
		{"message", primary, strings.TrimSuffix(string(agents), "\n")},
		{"secondary token", secondary, strings.TrimSuffix(string(agents), "\n")},
		{"32 KB of text", primary, strings.Replace(goodForm, "Body=hi", "Body="+strings.Repeat("%C3%A9", 16<<10), 1)},
		{"forged", "another", goodForm},
	} {
		b.Run(row.name, func(b *testing.B) { handles(b, row.token, row.body) })
	}
}

func handles(b *testing.B, token, body string) {
	_, server := newHandler(b, config(b), idle{})
	form, err := url.ParseQuery(body)
	if err != nil {
		b.Fatal(err)
	}
	target := keyring(b).HookURL(webhook.Path, form.Get("ConversationSid"))
	signature, status := signForm(token, public+target, body), http.StatusNoContent
	if token != primary && token != secondary {
		status = http.StatusForbidden
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Twilio-Signature", signature)
		w := httptest.NewRecorder()
		if server.ServeHTTP(w, r); w.Code != status {
			b.Fatalf("POST = %d, want %d", w.Code, status)
		}
	}
}
