package check

import (
	"strconv"
	"testing"
)

// Each port is open to one namespace: the callers' to the ingress controller's, the
// one with metrics and profiles to Prometheus'.
func TestKubernetesIsEnteredThroughTwoDoors(t *testing.T) {
	want := map[string]string{"ingress-nginx": "http", "monitoring": "ops"}
	for _, rule := range build(t).networks["flexbridge"].Spec.Ingress {
		if len(rule.From) != 1 || rule.From[0].NamespaceSelector == nil || len(rule.Ports) != 1 {
			t.Fatalf("rule = %+v, want one namespace and one port", rule)
		}
		from := rule.From[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]
		if got := rule.Ports[0].Port.String(); want[from] != got {
			t.Errorf("%q may reach port %s, want %v", from, got, want)
		}
		delete(want, from)
	}
	if len(want) > 0 {
		t.Errorf("nobody may reach %v", want)
	}
}

// Without the components nothing is asked of a cluster that not every one has.
func TestKubernetesComponents(t *testing.T) {
	plain := build(t)
	if len(plain.monitors) > 0 || len(plain.scalers["flexbridge"].Spec.Metrics) != 2 {
		t.Errorf("without components there are %d monitors, and metrics %+v", len(plain.monitors), plain.scalers["flexbridge"].Spec.Metrics)
	}
	m := build(t, "prometheus", "parked")

	monitor := m.monitors["flexbridge"]
	labels := m.deployments["flexbridge"].Spec.Template.Labels
	if !within(monitor.Spec.Selector.MatchLabels, labels) || labels[monitor.Spec.JobLabel] != job {
		t.Errorf("the monitor selects %v as job %q, want the replicas as %s", monitor.Spec.Selector, labels[monitor.Spec.JobLabel], job)
	}
	if e := monitor.Spec.PodMetricsEndpoints; len(e) != 1 || e[0].Port == nil || *e[0].Port != "ops" || e[0].Path != "/metrics" {
		t.Errorf("the monitor scrapes %+v, want /metrics at ops", e)
	}

	metrics := m.scalers["flexbridge"].Spec.Metrics
	if len(metrics) != 3 || metrics[0].Pods == nil {
		t.Fatalf("metrics = %+v, want parked requests, too", metrics)
	}
	limit, err := strconv.ParseInt(m.configs[m.deployments["flexbridge"].Spec.Template.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name].Data["MAX_PARKED"], 10, 64)
	target := metrics[0].Pods.Target.AverageValue.Value()
	if err != nil || target*2 < limit || target*4 > limit*3 {
		t.Errorf("scaled at %d parked requests, want half to three quarters of the limit %d", target, limit)
	}
	rules := decodeYAML[struct {
		Rules struct {
			Custom []struct {
				Name struct{ As string }
			}
		}
	}](t, "deploy/kubernetes/parked/adapter.yaml").Rules.Custom
	if name := metrics[0].Pods.Metric.Name; len(rules) != 1 || rules[0].Name.As != name {
		t.Errorf("the adapter serves %+v, want %s", rules, name)
	}
}
