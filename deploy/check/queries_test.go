package check

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// metric is the type and the labels of one that the service exports.
type metric struct {
	kind   string
	labels []string
}

// metrics are all that the service exports, which its own tests hold.
func metrics(t *testing.T) map[string]metric {
	t.Helper()
	all := make(map[string]metric)
	for line := range strings.Lines(readFile(t, "cmd/flexbridge/testdata/metrics.txt")) {
		parts := strings.Fields(line)
		all[parts[0]] = metric{parts[1], parts[2:]}
	}
	return all
}

// find is the metric that a series belongs to, with the labels that the series has.
func find(series string, exported map[string]metric) (metric, bool) {
	if l, there := synthetic[series]; there {
		return metric{labels: slices.Concat(l, targetLabels)}, true
	}
	for _, suffix := range []string{"", "_bucket", "_count", "_sum"} {
		name, found := strings.CutSuffix(series, suffix)
		m, there := exported[name]
		if !found || !there || (m.kind == "histogram") != (suffix != "") {
			continue
		}
		m.labels = slices.Concat(m.labels, targetLabels)
		if suffix == "_bucket" {
			m.labels = append(m.labels, labels.BucketLabel)
		}
		return m, true
	}
	return metric{}, false
}

// targetLabels are those that whoever scrapes puts on each series.
var targetLabels = []string{"instance", "job", "namespace", "pod"}

// synthetic are series that Prometheus makes itself.
var synthetic = map[string][]string{"up": nil, "ALERTS": {"alertname", "alertstate"}}

// variables are what Grafana and the adapter put into a query before it is sent.
var variables = strings.NewReplacer(
	"$__rate_interval", "5m", "$instance", ".*",
	"<<.Series>>", "flexbridge_parked_requests", "<<.LabelMatchers>>", `namespace="flexbridge",pod=~"a|b"`, "<<.GroupBy>>", "pod",
)

// queries are all that is asked of Prometheus, by where it stands.
func queries(t *testing.T) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	add := func(where, query string) { all[where] = append(all[where], variables.Replace(query)) }
	b := dashboard(t)
	for _, p := range b.Panels {
		for _, target := range p.Targets {
			add("panel "+p.Title, target.Expr)
		}
	}
	for _, a := range b.Annotations.List {
		add("annotation "+a.Name, a.Expr)
	}
	for _, v := range b.Templating.List {
		if values, found := strings.CutPrefix(v.Definition, "label_values("); found {
			metric, label, _ := strings.Cut(strings.TrimSuffix(values, ")"), ", ")
			add("variable "+v.Name, "count by ("+label+") ("+metric+")")
		}
	}
	for _, a := range alerts(t) {
		add(a.Alert, a.Expr)
	}
	adapter := decodeYAML[struct {
		Rules struct {
			Custom []struct{ SeriesQuery, MetricsQuery string }
		}
	}](t, "deploy/kubernetes/parked/adapter.yaml")
	for _, rule := range adapter.Rules.Custom {
		add("adapter", rule.SeriesQuery)
		add("adapter", rule.MetricsQuery)
	}
	for _, metric := range build(t, "parked").scalers["flexbridge"].Spec.Metrics {
		if metric.Pods != nil {
			add("autoscaler", metric.Pods.Metric.Name)
		}
	}
	return all
}

// Whatever is asked for is what the service exports: each metric, label and value.
func TestQueriesAreAnswered(t *testing.T) {
	exported, code, all := metrics(t), source(t), queries(t)
	for where, list := range all {
		for _, query := range list {
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
			if err != nil {
				t.Errorf("%s: %v in %s", where, err, query)
				continue
			}
			for _, problem := range unanswered(expr, exported, code) {
				t.Errorf("%s: %s in %s", where, problem, query)
			}
		}
	}
	if len(all["autoscaler"]) != 1 || len(all["adapter"]) == 0 || len(all["variable instance"]) != 1 {
		t.Errorf("autoscaler, adapter or variable ask for nothing: %v", all)
	}
}

// unanswered tells what in a query the service does not export. A label's values
// are words of its code.
func unanswered(expr parser.Expr, exported map[string]metric, code string) (problems []string) {
	complain := func(parts ...string) { problems = append(problems, strings.Join(parts, " ")) }
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		selector, is := node.(*parser.VectorSelector)
		if !is {
			return nil
		}
		m, there := find(selector.Name, exported)
		if !there {
			complain(selector.Name, "is exported by nobody")
			return nil
		}
		for _, matcher := range selector.LabelMatchers {
			if matcher.Name == model.MetricNameLabel {
				continue
			}
			if !slices.Contains(m.labels, matcher.Name) {
				complain(selector.Name, "has no label", matcher.Name)
			}
			for _, value := range values(matcher) {
				if !strings.Contains(code, `"`+value+`"`) {
					complain(selector.Name, "has never the", matcher.Name, value)
				}
			}
		}
		for _, above := range slices.Backward(path) {
			a, is := above.(*parser.AggregateExpr)
			if !is {
				continue
			}
			for _, label := range a.Grouping {
				if !slices.Contains(m.labels, label) {
					complain(selector.Name, "has no label", label)
				}
			}
			break // what is above it sees its labels alone
		}
		return nil
	})
	return problems
}

// values are what a matcher names.
func values(m *labels.Matcher) []string {
	switch {
	case slices.Contains(targetLabels, m.Name), strings.HasPrefix(m.Name, "alert"):
		return nil
	case m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp:
		return strings.Split(m.Value, "|")
	}
	return []string{m.Value}
}

// Each metric that the texts name exists.
func TestTextsNameMetrics(t *testing.T) {
	exported := metrics(t)
	for _, name := range []string{"README.md", runbook} {
		for _, word := range regexp.MustCompile(`\bflexbridge_\w+`).FindAllString(readFile(t, name), -1) {
			_, whole := exported[word] // a histogram, without its series
			if _, there := find(word, exported); !there && !whole {
				t.Errorf("%s names %s, which nobody exports", name, word)
			}
		}
	}
}
