package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

const (
	callersTrace = "0af7651916cd43dd8448eb211c80319c"
	callersSpan  = "b7ad6b7169203331"
)

// askTraced asks as a caller that follows its own requests.
func (w *world) askTraced(r *replica, name, text, flags string) <-chan result {
	return later(func() (a answer, err error) {
		request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, r.url+"/send/"+username(name), strings.NewReader(fmt.Sprintf(`{"msg":%q}`, text)))
		if err != nil {
			return a, err
		}
		for header, value := range map[string]string{
			"Content-Type": "application/json", "Traceparent": "00-" + callersTrace + "-" + callersSpan + "-" + flags,
			"Tracestate": "vendor=state-of-" + name, "Baggage": "user=baggage-of-" + name,
		} {
			request.Header.Set(header, value)
		}
		return sent(request)
	})
}

// startNamed starts a replica whose spans tell its name.
func (w *world) startNamed(name string, hooks *replica) *replica {
	w.t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id="+name)
	return w.start(hooks)
}

func TestOneExchangeIsOneTrace(t *testing.T) {
	c := startCollector(t)
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	w.tune = append(w.tune, parkAtOnce)
	var log lockedBuffer
	w.log = slog.New(slog.NewJSONHandler(&log, nil))
	b := w.startNamed("B", nil)
	a := w.startNamed("A", b)
	first := w.asking(a, "bob", "question of bob") // has Redis know the scripts
	w.reply(w.asked("question of bob"), "reply to bob")
	w.want(<-first, "replied", "reply to bob")

	asked := w.askTraced(a, "ann", "question of ann", "01")
	sid := w.asked("question of ann")
	w.until(func() bool { _, values := contents(w.redis); return strings.Contains(values, " index ") }) // noted as said
	if _, err := w.agent.Send(sid, "reply to ann", picture); err != nil {
		t.Fatal(err)
	}
	got := w.want(<-asked, "replied", "reply to ann")
	link := got.Messages[0].Media[0].URL
	if status, _, _ := open(t, link); status != http.StatusOK {
		t.Errorf("GET %s = %d, want the file", link, status)
	}
	for _, path := range []string{"/nothing/" + username("ann"), "/send/" + username("ann"), "/send/short-of-ann"} {
		if a, err := call(t.Context(), http.MethodGet, a.url+path, nil); err != nil || a.HTTP < 400 {
			t.Errorf("GET %s = %d, %v", path, a.HTTP, err)
		}
	}
	keys, values := contents(w.redis)
	w.quit(a)
	w.quit(b)

	spans := c.all()
	asking := find(t, spans, "POST /send/:username", ofTrace(callersTrace))
	t.Logf("trace %s… of the caller's span %s\n%s", callersTrace[:8], callersSpan, tree(spans, callersTrace, callersSpan))
	if asking.parent != callersSpan || asking.Kind != tracepb.Span_SPAN_KIND_SERVER || asking.replica != "A" ||
		asking.attributes["flexbridge.conversation"] != sid || asking.attributes["flexbridge.outcome"] != "replied" ||
		asking.attributes["http.response.status_code"] != "200" || asking.attributes["http.route"] != "/send/:username" {
		t.Errorf("the asking span is %v below %s at %s", asking.attributes, asking.parent, asking.replica)
	}
	if asking.service["service.name"] != "flexbridge" || asking.service["service.version"] != version() {
		t.Errorf("the service is %v", asking.service)
	}
	said := find(t, spans, "POST /v1/Conversations/{}/Messages", below(asking))
	parked := find(t, spans, "parked", below(asking))
	if parked.attributes["flexbridge.conversation"] != sid || parked.attributes["flexbridge.outcome"] != "replied" ||
		parked.StartTimeUnixNano < said.EndTimeUnixNano || parked.EndTimeUnixNano > asking.EndTimeUnixNano {
		t.Errorf("parked is %v, want it between saying and the answer", parked.attributes)
	}
	if !slices.ContainsFunc(spans, func(s spanned) bool { return below(parked)(s) && s.attributes["db.system"] == "redis" }) {
		t.Error("nothing was read while it was parked")
	}

	if len(asking.Links) != 1 {
		t.Fatalf("the asking span has %d links, want one", len(asking.Links))
	}
	brought := hex.EncodeToString(asking.Links[0].TraceId)
	hook := find(t, spans, "POST /twilio/webhook", ofTrace(brought))
	t.Logf("trace %s… of the webhook\n%s", brought[:8], tree(spans, brought, ""))
	if hook.id != hex.EncodeToString(asking.Links[0].SpanId) || hook.parent != "" || hook.replica != "B" ||
		hook.attributes["flexbridge.conversation"] != sid || hook.attributes["flexbridge.outcome"] != "message_added" {
		t.Errorf("the linked span is %v below %q at %s", hook.attributes, hook.parent, hook.replica)
	}
	if parked.EndTimeUnixNano < hook.StartTimeUnixNano {
		t.Error("parked ended before the webhook came")
	}
	deliver := find(t, spans, "deliver", below(hook))
	find(t, spans, "evalsha", below(deliver), func(s spanned) bool { return s.Kind == tracepb.Span_SPAN_KIND_CLIENT })

	whole(t, spans)
	find(t, spans, "GET", func(s spanned) bool { return s.attributes["flexbridge.outcome"] == "not_found" })
	for _, id := range []string{callersTrace, brought} {
		if n := strings.Count(log.String(), `"trace_id":"`+id+`"`); n != 1 {
			t.Errorf("%d lines of the log name the trace %s, want one: %s", n, id, log.String())
		}
	}
	secrets := []string{username("ann"), username("bob"), "0123456789abcdef", "short-of", "question of", "reply to", "Ana", "ana", picture.Name, "state-of", "baggage",
		"flexbridge-", flexsim.AuthToken, string(testConfig("").IdentitySecret), link[strings.LastIndex(link, "/")+1:]}
	nowhere(t, "the collector", c.text(), secrets...)
	nowhere(t, "Redis' keys", keys, brought)
	if !strings.Contains(values, brought) {
		t.Error("the reply in Redis does not name its trace")
	}
	w.tellsTwilioNothing()
}

// whole holds that each span has its parent, but for those that begin a trace: a
// request's, or those below the caller's own.
func whole(t *testing.T, spans []spanned) {
	t.Helper()
	ids := map[string]bool{callersSpan: true}
	for _, s := range spans {
		ids[s.id] = true
	}
	for _, s := range spans {
		switch {
		case s.parent == "" && s.Kind != tracepb.Span_SPAN_KIND_SERVER:
			t.Errorf("%s %v begins a trace", s.Name, s.attributes)
		case s.parent != "" && !ids[s.parent]:
			t.Errorf("%s %v has lost its parent", s.Name, s.attributes)
		}
		for name := range s.attributes {
			if !leaving[attribute.Key(name)] {
				t.Errorf("%s has the attribute %s", s.Name, name)
			}
		}
	}
}

// tellsTwilioNothing holds that no call to Twilio names a trace.
func (w *world) tellsTwilioNothing() {
	w.t.Helper()
	for _, call := range w.twilio.Calls() {
		for _, header := range []string{"Traceparent", "Tracestate", "Baggage"} {
			if call.Header.Get(header) != "" {
				w.t.Errorf("%s %s has the header %s", call.Method, call.Path, header)
			}
		}
	}
}

// A call of a tool is followed as a request is, below its own.
func TestToolCallIsInTheTrace(t *testing.T) {
	c := startCollector(t)
	w := newWorld(t, nil, flexsim.Config{})
	r := w.startNamed("A", nil)
	a := w.assistant(r, eras[0])
	asked := a.asking(t.Context(), "question of ann", told{}, nil)
	sid := w.asked("question of ann")
	w.until(func() bool { return r.bridge.Parked() == 1 })
	w.reply(sid, "reply to ann")
	got := a.want(<-asked, "replied", "reply to ann")
	refused := a.call(t.Context(), "wait_for_agent", map[string]any{"conversation": "x"}, nil)
	if refused.err == nil {
		t.Errorf("wait_for_agent = %+v, want an error", refused)
	}
	w.twilio.Break(flexsim.AnyOp, -1, flexsim.Fault{Status: 500})
	failed := a.call(t.Context(), "end_conversation", map[string]any{"conversation": got.Conversation}, nil)
	if failed.err == nil {
		t.Errorf("end_conversation = %+v, want an error", failed)
	}
	w.twilio.Mend()
	w.quit(r)

	spans := c.all()
	tool := find(t, spans, "tools/call ask_agent")
	post := find(t, spans, "POST /mcp", ofTrace(tool.trace))
	t.Log("\n" + tree(spans, tool.trace, ""))
	if tool.parent != post.id || len(tool.Links) != 1 || tool.attributes["flexbridge.conversation"] != sid ||
		tool.attributes["gen_ai.tool.name"] != "ask_agent" || tool.attributes["flexbridge.outcome"] != "replied" {
		t.Errorf("the call is %v with %d links", tool.attributes, len(tool.Links))
	}
	find(t, spans, "parked", below(tool))
	if s := find(t, spans, "tools/call wait_for_agent"); s.attributes["flexbridge.outcome"] != "unknown_conversation" || s.Status.Code != tracepb.Status_STATUS_CODE_UNSET {
		t.Errorf("the refused call is %v, %v", s.attributes, s.Status)
	}
	if s := find(t, spans, "tools/call end_conversation"); s.attributes["flexbridge.outcome"] != "desk_unavailable" || s.Status.Code != tracepb.Status_STATUS_CODE_ERROR || s.Status.Message != "" {
		t.Errorf("the failed call is %v, %v", s.attributes, s.Status)
	}
	whole(t, spans)
	nowhere(t, "the collector", c.text(), got.Conversation, "question of", "reply to", "flexbridge-", flexsim.AuthToken)
	w.tellsTwilioNothing()
}

// What is not wanted is neither followed nor kept.
func TestTracesOff(t *testing.T) {
	for name, row := range map[string]struct {
		variable, value string
		flags           string // of the caller's traceparent
		sampler         bool   // is what keeps them from the collector
	}{
		"nothing is set":      {"OTEL_EXPORTER_OTLP_ENDPOINT", "", "01", false},
		"disabled":            {"OTEL_SDK_DISABLED", "true", "01", false},
		"no exporter":         {"OTEL_TRACES_EXPORTER", "none", "01", false},
		"the sampler says so": {"OTEL_TRACES_SAMPLER", "always_off", "01", true},
		"the caller says so":  {"OTEL_TRACES_SAMPLER", "parentbased_always_off", "00", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := startCollector(t)
			t.Setenv(row.variable, row.value)
			w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
			r := w.start(nil)
			asked := w.askTraced(r, "ann", "may I?", row.flags)
			w.reply(w.asked("may I?"), "you may")
			w.want(<-asked, "replied", "you may")
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			if on := bytes.Contains(stacks, []byte("opentelemetry")); on != row.sampler || on != (r.traces != nil) {
				t.Errorf("there are goroutines of OpenTelemetry: %v", on)
			}
			if _, values := contents(w.redis); strings.Contains(values, "trace") || strings.Contains(values, callersTrace) {
				t.Errorf("Redis has %s", values)
			}
			w.tellsTwilioNothing()
			w.quit(r)
			if spans := c.all(); len(spans) > 0 {
				t.Errorf("the collector got %d spans, of them %s", len(spans), spans[0].Name)
			}
		})
	}
}

// quit stops a replica whose spans are to be read.
func (w *world) quit(r *replica) {
	w.t.Helper()
	w.until(func() bool { return w.twilio.Coming() == 0 })
	w.atRest(r)
	http.DefaultClient.CloseIdleConnections()
	if err := r.stop(); err != nil {
		w.t.Errorf("stopping: %v", err)
	}
}
