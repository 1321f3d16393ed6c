package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"flexbridge/api"
	"flexbridge/bridge"
	"flexbridge/webhook"
)

// traces sends spans to a collector; nil, without one, sends none. What they tell is
// in README's section Traces, and what they may tell in traces_discreet.go.
type traces struct {
	provider *sdktrace.TracerProvider
	exporter *otlptrace.Exporter
	tracer   trace.Tracer
	log      *slog.Logger
}

// flushLimit is how long a collector may keep a process that stops.
const flushLimit = 2 * time.Second

// openTraces is nil when the environment wants no traces. It calls nobody.
func openTraces(log *slog.Logger) (*traces, error) {
	wanted, problems := tracesWanted()
	if err := badConfig(problems); err != nil || !wanted {
		return nil, err
	}
	otel.SetErrorHandler(warnSparingly(log))
	exporter, err := otlptracehttp.New(context.Background(), defaultEndpoint()...)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_…: %w", err)
	}
	about, err := resource.New(context.Background(),
		resource.WithAttributes(semconv.ServiceName("flexbridge"), semconv.ServiceVersion(version())),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(discreetExporter{exporter}), sdktrace.WithResource(about))
	return &traces{provider: provider, exporter: exporter, tracer: provider.Tracer("flexbridge"), log: log}, nil
}

// close sends what is left, and gives up after flushLimit. It may be called twice.
func (t *traces) close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.Warn("the last traces could not be sent", "err", shortError(err))
		_ = t.exporter.Shutdown(ctx) // ends the request under way
	}
}

// logger is log with the trace's id in the lines of a request.
func (t *traces) logger(log *slog.Logger) *slog.Logger {
	if t == nil {
		return log
	}
	return slog.New(traceLog{log.Handler()})
}

// tune has the parts below the API followed.
func (t *traces) tune(parts *timings) {
	if t == nil {
		return
	}
	libraries := onlyWithin{provider: t.provider}
	parts.desk.Around = func(next http.RoundTripper) http.RoundTripper {
		return otelhttp.NewTransport(next, otelhttp.WithTracerProvider(libraries),
			otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator()), // Twilio is told nothing
			otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + pathTemplate(r.URL.Path) }))
	}
	parts.store.Instrument = func(client redis.UniversalClient) error {
		return redisotel.InstrumentTracing(client, redisotel.WithTracerProvider(libraries),
			redisotel.WithDBStatement(false), redisotel.WithCallerEnabled(false))
	}
	parts.bridge.Parked = t.parked
}

// spans is the tracer of what callers and Twilio ask for.
func (t *traces) spans() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.tracer
}

// conversationAttribute is the SID, by which the traces of a conversation are found.
const conversationAttribute = attribute.Key("flexbridge.conversation")

// parked is bridge.Config's. The request's span is linked to those of the webhooks
// that brought what it is answered with.
func (t *traces) parked(ctx context.Context, conversation string) (context.Context, func(bridge.Answer, error)) {
	of := conversationAttribute.String(conversation)
	request := trace.SpanFromContext(ctx)
	request.SetAttributes(of)
	ctx, span := t.tracer.Start(ctx, "parked", trace.WithAttributes(of))
	return ctx, func(a bridge.Answer, err error) {
		for _, m := range a.Messages {
			if brought := spanNamed(m.Trace); brought.IsValid() {
				request.AddLink(trace.Link{SpanContext: brought})
			}
		}
		if err == nil {
			span.SetAttributes(attribute.String(api.OutcomeAttribute, string(a.Status)))
		}
		span.End()
	}
}

// deliverer has messages carry the name of the webhook's span.
func (t *traces) deliverer(d webhook.Deliverer) webhook.Deliverer {
	if t == nil {
		return d
	}
	return tracedDeliverer{d, t}
}

type tracedDeliverer struct {
	webhook.Deliverer
	*traces
}

// Deliver is webhook.Deliverer's.
func (d tracedDeliverer) Deliver(ctx context.Context, e bridge.Event) error {
	of := conversationAttribute.String(e.Conversation)
	trace.SpanFromContext(ctx).SetAttributes(of)
	if e.Message != nil {
		m := *e.Message
		m.Trace = nameOfSpan(ctx)
		e.Message = &m
	}
	ctx, span := d.tracer.Start(ctx, "deliver", trace.WithAttributes(of))
	defer span.End()
	err := d.Deliverer.Deliver(ctx, e)
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
	return err
}

const traceparent = "traceparent" // W3C Trace Context

// nameOfSpan is empty for a span that nobody collects.
func nameOfSpan(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceparent]
}

func spanNamed(name string) trace.SpanContext {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceparent: name})
	return trace.SpanContextFromContext(ctx)
}
