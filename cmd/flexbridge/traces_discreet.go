package main

import (
	"context"
	"log/slog"
	"regexp"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"golang.org/x/time/rate"

	"flexbridge/api"
)

// leaving are the attributes that leave the process. Others are left out whoever sets
// them, as libraries record whole URLs, in which customers and the keys of files
// stand, and new versions of them record more.
var leaving = map[attribute.Key]bool{
	conversationAttribute: true,
	api.OutcomeAttribute:  true,

	"http.request.method": true, "http.route": true, "http.response.status_code": true, "http.request.resend_count": true,
	"mcp.method.name": true, "gen_ai.tool.name": true,
	"server.address": true, "server.port": true, "network.protocol.version": true, "error.type": true,
	"db.system": true, "db.redis.num_cmd": true,
}

// discreetExporter leaves out what spans must not tell: other attributes, and the
// texts of errors, which repeat what was asked. The log has those.
type discreetExporter struct{ sdktrace.SpanExporter }

func (e discreetExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	discreet := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		discreet[i] = discreetSpan{s}
	}
	return e.SpanExporter.ExportSpans(ctx, discreet)
}

type discreetSpan struct{ sdktrace.ReadOnlySpan }

func (s discreetSpan) Attributes() (kept []attribute.KeyValue) {
	for _, a := range s.ReadOnlySpan.Attributes() {
		if leaving[a.Key] {
			kept = append(kept, a)
		}
	}
	return kept
}

func (s discreetSpan) Events() []sdktrace.Event { return nil }

func (s discreetSpan) Status() sdktrace.Status {
	return sdktrace.Status{Code: s.ReadOnlySpan.Status().Code}
}

// longSegment is one that names a single thing in Twilio's paths: SIDs and our names
// for conversations have 34 characters or more, and no kind of thing has 30.
var longSegment = regexp.MustCompile(`/[^/]{30,}`)

// pathTemplate is a path of Twilio's API without what it names.
func pathTemplate(path string) string { return longSegment.ReplaceAllString(path, "/{}") }

// onlyWithin lets libraries add spans to a trace, and begin none: nobody asked for a
// probe of Redis or a connection made in advance.
type onlyWithin struct {
	embedded.TracerProvider
	provider trace.TracerProvider
}

func (w onlyWithin) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	return withinTracer{tracer: w.provider.Tracer(name, options...)}
}

type withinTracer struct {
	embedded.Tracer
	tracer trace.Tracer
}

func (w withinTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	if span := trace.SpanFromContext(ctx); !span.SpanContext().IsValid() {
		return ctx, span
	}
	return w.tracer.Start(ctx, name, options...)
}

// traceLog adds the trace's id to the lines of a request.
type traceLog struct{ slog.Handler }

func (h traceLog) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h traceLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceLog{h.Handler.WithAttrs(attrs)}
}

func (h traceLog) WithGroup(name string) slog.Handler { return traceLog{h.Handler.WithGroup(name)} }

// warnSparingly logs the first error of OpenTelemetry's, and then one a minute.
func warnSparingly(log *slog.Logger) otel.ErrorHandlerFunc {
	sometimes := &rate.Sometimes{First: 1, Interval: time.Minute}
	var suppressed atomic.Uint64
	return func(err error) {
		suppressed.Add(1)
		sometimes.Do(func() {
			log.Warn("traces could not be sent", "err", shortError(err), "suppressed", suppressed.Swap(0)-1)
		})
	}
}

// shortError is what may stand in the log of an error that repeats a collector's answer.
func shortError(err error) string {
	text := err.Error()
	return text[:min(len(text), 300)]
}
