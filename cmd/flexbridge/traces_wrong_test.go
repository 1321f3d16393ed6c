package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
)

// A collector that is not there, or does not answer, is one warning and costs
// nobody anything, but a process that stops the flush's limit.
func TestCollectorFails(t *testing.T) {
	never := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-never:
		}
	}))
	defer hangs.Close()
	defer close(never)
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, strings.Repeat("no ", 1000), http.StatusForbidden)
	}))
	defer refuses.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, at := range map[string]string{"hangs": hangs.URL, "refuses": refuses.URL, "is gone": gone.URL} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
			t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", at)
			t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=key-of-the-collector")
			for _, variable := range []string{"OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_SCHEDULE_DELAY"} {
				t.Setenv(variable, "1") // so that it is in the way at once, if ever
			}
			w := newWorld(t, nil, flexsim.Config{})
			var log lockedBuffer
			w.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			r := w.start(nil)
			asked := w.askTraced(r, "ann", "may I?", "01")
			w.reply(w.asked("may I?"), "you may")
			got := w.want(<-asked, "replied", "you may")
			start := time.Now()
			for range 100 {
				w.want(now(r.replies(t.Context(), "ann", got.Cursor, 0)), "pending", "")
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("100 requests took %v", d)
			}
			start = time.Now()
			r.traces.close()
			if d := time.Since(start); d > flushLimit+2*time.Second {
				t.Errorf("closing took %v, want %v at most", d, flushLimit)
			}
			w.quit(r)
			if n := strings.Count(log.String(), "could not be sent"); n < 1 || n > 2 || len(log.String()) > 2000 {
				t.Errorf("%d warnings, want one, or another at the end: %s", n, log.String())
			}
			nowhere(t, "the log", log.String(), "key-of-the-collector")
		})
	}
}

// Each variable of OpenTelemetry's that is wrong is named, and no value.
func TestTracesBadConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret.pem")
	if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := map[string]string{
		"OTEL_SDK_DISABLED":                    "secret",
		"OTEL_EXPORTER_OTLP_ENDPOINT":          "secret:4318",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT":   "https://user:secret@collector.example.com",
		"OTEL_EXPORTER_OTLP_PROTOCOL":          "grpc",
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL":   "secret",
		"OTEL_EXPORTER_OTLP_HEADERS":           "secret",
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS":    "a=b,secret",
		"OTEL_EXPORTER_OTLP_COMPRESSION":       "secret",
		"OTEL_EXPORTER_OTLP_TIMEOUT":           "10s",
		"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT":    "0",
		"OTEL_EXPORTER_OTLP_CERTIFICATE":       file,
		"OTEL_EXPORTER_OTLP_CLIENT_KEY":        file,
		"OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY": file,
		"OTEL_TRACES_SAMPLER":                  "secret",
		"OTEL_TRACES_SAMPLER_ARG":              "1.5",
		"OTEL_RESOURCE_ATTRIBUTES":             "secret",
		"OTEL_BSP_SCHEDULE_DELAY":              "secret",
		"OTEL_BSP_EXPORT_TIMEOUT":              "-1",
		"OTEL_BSP_MAX_QUEUE_SIZE":              "0",
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE":       "secret",
	}
	for variable, value := range wrong {
		t.Setenv(variable, value)
	}
	_, err := loadConfig()
	if err == nil {
		t.Fatal("loadConfig = nil")
	}
	for variable := range wrong {
		if !regexp.MustCompile(`(?m)^  (\S+ and )?` + variable + ` `).MatchString(err.Error()) {
			t.Errorf("loadConfig = %v, which does not name %s", err, variable)
		}
	}
	nowhere(t, "the error", err.Error(), "secret")
	if _, err := openTraces(slog.New(slog.DiscardHandler)); !errors.Is(err, errBadConfig) {
		t.Errorf("openTraces = %v, want %v", err, errBadConfig)
	}
	t.Setenv("OTEL_TRACES_EXPORTER", "secret")
	if wanted, problems := tracesWanted(); wanted || !strings.Contains(fmt.Sprint(problems), "OTEL_TRACES_EXPORTER must be otlp or none") {
		t.Errorf("tracesWanted = %v, %v, want the exporter named", wanted, problems)
	}
}

func TestPathTemplate(t *testing.T) {
	const name = "/flexbridge-0123456789abcdef0123456789abcdef-0"
	for path, want := range map[string]string{
		"/v1/ParticipantConversations":                              "/v1/ParticipantConversations",
		"/v1/Conversations" + name:                                  "/v1/Conversations/{}",
		"/v1/Conversations/CH" + name[12:44] + "/Messages":          "/v1/Conversations/{}/Messages",
		"/v1/Services/IS" + name[12:44] + "/Media/ME" + name[12:44]: "/v1/Services/{}/Media/{}",
		"/2010-04-01/Accounts/AC" + name[12:44] + ".json":           "/2010-04-01/Accounts/{}",
	} {
		if got := pathTemplate(path); got != want {
			t.Errorf("pathTemplate(%q) = %q, want %q", path, got, want)
		}
	}
}
