package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// OutcomeAttribute is the attribute of a span that says what became of it: an
// answer's status, a problem's code, or a webhook's outcome.
const OutcomeAttribute = "flexbridge.outcome"

// traceExchange begins the span of an exchange, below the caller's if it named one
// (W3C Trace Context), and puts it into the request's context. Without a tracer it
// does nothing, and probes are not followed.
func (a *API) traceExchange(c echo.Context) {
	if a.cfg.Tracer == nil || c.Path() == livePath || c.Path() == readyPath {
		return
	}
	r := c.Request()
	method, route := knownMethod(r.Method), c.Path()
	// Without tracestate, which may hold anything and is of no use here.
	caller := propagation.MapCarrier{"traceparent": r.Header.Get("traceparent")}
	ctx := propagation.TraceContext{}.Extract(r.Context(), caller)
	ctx, _ = a.cfg.Tracer.Start(ctx, strings.TrimSpace(method+" "+route), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(semconv.HTTPRequestMethodKey.String(method), semconv.HTTPRoute(route)))
	c.SetRequest(r.WithContext(ctx))
}

// tracedExchange ends it. It is for whoever writes the exchange's line in the log,
// which may be long after its handler returned.
func (a *API) tracedExchange(c echo.Context, status int, outcome string) {
	if a.cfg.Tracer == nil {
		return
	}
	span := trace.SpanFromContext(c.Request().Context())
	span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	endSpan(span, status, outcome)
}

// traceTool begins the span of one call of a tool. Ended again, it stays as it was.
func (a *API) traceTool(ctx context.Context, name string) (context.Context, func(status int, outcome string)) {
	if a.cfg.Tracer == nil {
		return ctx, func(int, string) {}
	}
	ctx, span := a.cfg.Tracer.Start(ctx, "tools/call "+name,
		trace.WithAttributes(attribute.String("mcp.method.name", "tools/call"), attribute.String("gen_ai.tool.name", name)))
	return ctx, func(status int, outcome string) { endSpan(span, status, outcome) }
}

func endSpan(span trace.Span, status int, outcome string) {
	if outcome != "" {
		span.SetAttributes(attribute.String(OutcomeAttribute, outcome))
	}
	if status >= http.StatusInternalServerError || outcome == codeInternal {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// knownMethod is a request's method, unless a stranger made it up; then it is what
// OpenTelemetry's conventions for HTTP say.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "_OTHER"
}
