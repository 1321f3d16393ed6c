package main

import (
	"context"
	"runtime"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/redis/go-redis/extra/redisprometheus/v9"

	"flexbridge/api"
	"flexbridge/bridge"
	"flexbridge/bridge/flex"
	"flexbridge/store"
	"flexbridge/webhook"
)

const namespace = "flexbridge"

// metrics are those of one service. Every label has its values from a list in the
// code: none holds what a caller, an agent or Twilio sent.
type metrics struct {
	registry *prometheus.Registry
	auto     promauto.Factory

	waits    *prometheus.HistogramVec
	replies  prometheus.Histogram
	wakes    prometheus.Histogram
	happened [bridge.Happenings]prometheus.Counter
	drained  prometheus.Counter
	webhooks *prometheus.CounterVec
	requests *prometheus.HistogramVec
	retries  *prometheus.CounterVec
	commands *prometheus.HistogramVec
	problems *prometheus.CounterVec
}

var _ bridge.Observer = (*metrics)(nil)

func newMetrics() *metrics {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := &metrics{registry: r, auto: promauto.With(r)}
	m.waits = m.histograms("wait_seconds", "How long a request was parked, by how that ended.",
		[]float64{.1, .5, 1, 2.5, 5, 10, 20, 30, 40, 60, 120, 300}, "call", "outcome")
	m.replies = m.histogram("reply_seconds", "From a question to the first reply of an agent, by Twilio's times of the two messages.",
		[]float64{1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 14400})
	m.wakes = m.histogram("wake_seconds", "From a webhook's arrival to the parked answer handed to its caller, by the clocks of two replicas if they are two.",
		[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10})
	looks := m.counters("looks_total", "Times that Twilio was asked, or was not for want of LOOKS_PER_SECOND, for what webhooks did not bring.", "outcome")
	m.happened = [bridge.Happenings]prometheus.Counter{
		bridge.DeliveryLate: m.counter("deliveries_late_total", "Webhooks that could not be kept at once and were tried again."),
		bridge.DeliveryLost: m.counter("deliveries_lost_total", "Webhooks that were given up; a look has to find what they told."),
		bridge.GapRepaired:  m.counter("gaps_repaired_total", "Gaps between messages that a look closed."),
		bridge.GapSkipped:   m.counter("gaps_skipped_total", "Gaps that are none: Twilio skipped the numbers."),
		bridge.ReplyFound:   m.counter("replies_found_total", "Replies that a look found and no webhook had brought."),
		bridge.LookDone:     looks.WithLabelValues("ok"),
		bridge.LookFailed:   looks.WithLabelValues("failed"),
		bridge.LookRefused:  looks.WithLabelValues("refused"),
	}
	m.drained = m.counter("drained_requests_total", "Waits that were answered early because the process stops.")
	m.webhooks = m.counters("webhooks_total", "Webhooks by what became of them and by Twilio's EventType; other: unsigned, or of no known type.", "outcome", "event")
	m.requests = m.histograms("twilio_request_seconds", "REST calls to Twilio, each try.",
		[]float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10}, "operation", "outcome")
	m.commands = m.histograms("redis_command_seconds", "Commands to Redis, from taking a connection to the answer.",
		[]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}, "outcome")
	m.retries = m.counters("twilio_retries_total", "Tries of a REST call after its first.", "operation")
	m.problems = m.counters("problems_total", "Error answers to callers, by code.", "code")
	m.begin()
	m.gauge("build_info", "1, with the version of flexbridge and of Go.", prometheus.Labels{"version": version(), "goversion": runtime.Version()},
		func() float64 { return 1 })
	return m
}

// begin has series begin at 0: what one grew by that begins with its first event,
// Prometheus cannot tell.
func (m *metrics) begin() {
	for _, call := range []bridge.Call{bridge.CallSend, bridge.CallReplies, bridge.CallEnd} {
		for _, ending := range bridge.Endings(call) {
			m.waits.WithLabelValues(string(call), string(ending))
		}
	}
	for _, code := range api.Codes() {
		m.problems.WithLabelValues(code)
	}
	for _, outcome := range webhook.Outcomes() {
		m.webhooks.WithLabelValues(string(outcome), webhook.OtherType)
	}
	for _, operation := range flex.Operations() {
		m.retries.WithLabelValues(string(operation))
	}
}

func (m *metrics) counter(name, help string) prometheus.Counter {
	return m.auto.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

func (m *metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	return m.auto.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

// counted is a counter that another part keeps.
func (m *metrics) counted(name, help string, value func() float64) {
	m.auto.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, value)
}

func (m *metrics) gauge(name, help string, labels prometheus.Labels, value func() float64) {
	m.auto.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: labels}, value)
}

func (m *metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	return m.auto.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
}

func (m *metrics) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return m.auto.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

// watch has the metrics read how a service stands.
func (m *metrics) watch(s *service) {
	m.gauge("parked_requests", "Requests that wait now in this process.", nil, func() float64 { return float64(s.bridge.Parked()) })
	m.gauge("parked_requests_limit", "MAX_PARKED.", nil, func() float64 { return float64(s.config.MaxParked) })
	m.gauge("draining", "1 while the process answers all that wait, to stop; otherwise 0.", nil, func() float64 {
		if s.draining.Load() {
			return 1
		}
		return 0
	})
}

// watchRedis does the same of the mailbox in Redis.
func (m *metrics) watchRedis(r *store.Redis) {
	m.registry.MustRegister(redisprometheus.NewCollector(namespace, "redis", r))
	m.gauge("subscription_channels", "Channels that are subscribed.", nil, func() float64 { return float64(r.Stats().Channels) })
	m.counted("subscription_rebuilds_total", "Attempts to connect the subscription after the first.", func() float64 { return float64(r.Stats().Reconnects) })
	m.counted("subscription_probes_missed_total", "Probes of the subscription that did not come back.", func() float64 { return float64(r.Stats().Misses) })
}

// Waited implements [bridge.Observer], as do the next three.
func (m *metrics) Waited(call bridge.Call, ending bridge.Ending, d time.Duration) {
	m.waits.WithLabelValues(string(call), string(ending)).Observe(d.Seconds())
	if ending == bridge.Drained {
		m.drained.Inc()
	}
}

func (m *metrics) Answered(d time.Duration) { m.replies.Observe(d.Seconds()) }

func (m *metrics) Woke(d time.Duration) { m.wakes.Observe(d.Seconds()) }

func (m *metrics) Happened(what bridge.Happening, n int) { m.happened[what].Add(float64(n)) }

func (m *metrics) tried(ctx context.Context, t flex.Try) {
	api.NoteCall(ctx)
	m.requests.WithLabelValues(string(t.Operation), string(t.Outcome)).Observe(t.Took.Seconds())
	if t.Number > 1 {
		m.retries.WithLabelValues(string(t.Operation)).Inc()
	}
}

func (m *metrics) commanded(d time.Duration, ok bool) {
	outcome := "failed"
	if ok {
		outcome = "ok"
	}
	m.commands.WithLabelValues(outcome).Observe(d.Seconds())
}

func (m *metrics) received(c echo.Context, r webhook.Receipt) {
	api.Note(c, string(r.Outcome), r.Conversation, r.Message)
	m.count(r)
}

func (m *metrics) count(r webhook.Receipt) {
	m.webhooks.WithLabelValues(string(r.Outcome), r.Type).Inc()
}

func (m *metrics) problem(code string) { m.problems.WithLabelValues(code).Inc() }
