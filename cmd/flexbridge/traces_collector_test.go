package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector takes what OTLP/HTTP brings.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []spanned
	whole strings.Builder // all that was received
}

// spanned is one as it was received. IDs are in hex.
type spanned struct {
	*tracepb.Span
	id, parent, trace string
	attributes        map[string]string
	replica           string // its service.instance.id
	service           map[string]string
}

// startCollector has the environment name a collector, until the test ends.
func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collectorpb.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
			t.Errorf("the collector got %s %s: %v", r.Method, r.URL, err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.take(&request)
	}))
	t.Cleanup(c.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	return c
}

func (c *collector) take(request *collectorpb.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(&c.whole, request)
	for _, resource := range request.ResourceSpans {
		about := texts(resource.Resource.Attributes)
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, spanned{
					Span: s, id: hex.EncodeToString(s.SpanId), parent: hex.EncodeToString(s.ParentSpanId), trace: hex.EncodeToString(s.TraceId),
					attributes: texts(s.Attributes), replica: about["service.instance.id"], service: about,
				})
			}
		}
	}
}

func texts(attributes []*commonpb.KeyValue) map[string]string {
	m := make(map[string]string)
	for _, a := range attributes {
		switch v := a.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			m[a.Key] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			m[a.Key] = fmt.Sprint(v.IntValue)
		default:
			m[a.Key] = a.Value.String()
		}
	}
	return m
}

// all are the spans received so far, by the time at which they began.
func (c *collector) all() []spanned {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := slices.Clone(c.spans)
	slices.SortStableFunc(spans, func(a, b spanned) int { return int(int64(a.StartTimeUnixNano) - int64(b.StartTimeUnixNano)) })
	return spans
}

func (c *collector) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.whole.String()
}

// find returns the one span of which all is true.
func find(t *testing.T, spans []spanned, name string, more ...func(spanned) bool) spanned {
	t.Helper()
	var found []spanned
	for _, s := range spans {
		if s.Name == name && !slices.ContainsFunc(more, func(is func(spanned) bool) bool { return !is(s) }) {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans %q, want 1", len(found), name)
	}
	return found[0]
}

func below(parent spanned) func(spanned) bool {
	return func(s spanned) bool { return s.parent == parent.id && s.trace == parent.trace }
}

func ofTrace(trace string) func(spanned) bool {
	return func(s spanned) bool { return s.trace == trace }
}

// tree draws the spans of a trace below a parent, in the order in which they began;
// of links it tells the names.
func tree(spans []spanned, trace, parent string) string {
	var b strings.Builder
	var draw func(parent, indent string)
	draw = func(parent, indent string) {
		for _, s := range spans {
			if s.trace != trace || s.parent != parent {
				continue
			}
			took := time.Duration(s.EndTimeUnixNano - s.StartTimeUnixNano).Round(100 * time.Microsecond)
			fmt.Fprintf(&b, "%s%s  %s  [%s]", indent, s.Name, took, s.replica)
			for _, name := range []string{"http.response.status_code", "flexbridge.outcome", "flexbridge.conversation"} {
				if value := s.attributes[name]; value != "" {
					fmt.Fprintf(&b, "  %s", value)
				}
			}
			for _, link := range s.Links {
				for _, to := range spans {
					if to.id == hex.EncodeToString(link.SpanId) {
						fmt.Fprintf(&b, "  → %s of trace %s…", to.Name, to.trace[:8])
					}
				}
			}
			b.WriteString("\n")
			draw(s.id, indent+"  ")
		}
	}
	draw(parent, "  ")
	return b.String()
}
