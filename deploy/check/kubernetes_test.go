package check

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

func TestKubernetesService(t *testing.T) {
	m := build(t)
	d := m.deployments["flexbridge"]
	pod := d.Spec.Template.Spec
	c := pod.Containers[0]
	environment := m.environment(t, c)

	// Kubernetes mounts the keys' secret as a directory with a file for each.
	mount, keys := c.VolumeMounts[0], t.TempDir()
	if len(pod.Volumes) != 1 || pod.Volumes[0].Secret == nil || pod.Volumes[0].Name != mount.Name || environment["API_KEYS_FILE"] != mount.MountPath {
		t.Fatalf("API_KEYS_FILE = %s, %+v is mounted at %s", environment["API_KEYS_FILE"], pod.Volumes, mount.MountPath)
	}
	for name, key := range m.secrets[pod.Volumes[0].Secret.SecretName].Data {
		if err := os.WriteFile(filepath.Join(keys, name), key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environment["API_KEYS_FILE"] = keys
	if environment["REDIS_URL"] != "redis://redis:6379" || m.services["redis"] == nil {
		t.Errorf("REDIS_URL = %q, want the component's service", environment["REDIS_URL"])
	}
	checkEnvironment(t, environment)

	// A replica is asked to stop when no new request comes to it, and has the time it may take.
	if c.Lifecycle == nil || c.Lifecycle.PreStop == nil || c.Lifecycle.PreStop.Sleep == nil || c.Lifecycle.PreStop.Sleep.Seconds < 5 {
		t.Fatalf("lifecycle = %+v, want a sleep of 5 s or more before the stop", c.Lifecycle)
	}
	stop := time.Duration(c.Lifecycle.PreStop.Sleep.Seconds)*time.Second + longestStop(t, environment)
	if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace < stop {
		t.Errorf("terminationGracePeriodSeconds = %v, want %v or more", grace, stop)
	}
	for want, probe := range map[string]*corev1.Probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != want || probe.HTTPGet.Port.String() != "http" {
			t.Errorf("probe = %+v, want %s", probe, want)
		}
	}
	if len(c.Ports) != 2 || c.Ports[0].Name != "http" || c.Ports[0].ContainerPort != 5002 ||
		c.Ports[1].Name != "ops" || ":"+strconv.Itoa(int(c.Ports[1].ContainerPort)) != environment["OPS_ADDR"] {
		t.Errorf("ports = %+v, want LISTEN_ADDR's default and OPS_ADDR", c.Ports)
	}
	for _, port := range m.services["flexbridge"].Spec.Ports {
		if port.TargetPort.String() != "http" {
			t.Errorf("the service leads to %s, want the callers' port alone", port.TargetPort.String())
		}
	}
}

// New replicas come before old ones go, there are two at least, and nothing else
// takes several away at once.
func TestKubernetesAvailability(t *testing.T) {
	m := build(t)
	d, scaler, budget := m.deployments["flexbridge"], m.scalers["flexbridge"], m.budgets["flexbridge"]
	if r := d.Spec.Strategy.RollingUpdate; r == nil || r.MaxUnavailable.IntValue() != 0 || r.MaxSurge.IntValue() < 1 {
		t.Errorf("rollingUpdate = %+v, want maxUnavailable 0", r)
	}
	if d.Spec.Replicas != nil {
		t.Error("the deployment has replicas, so that each apply undoes what the autoscaler did")
	}
	if target := scaler.Spec.ScaleTargetRef; target.Kind != "Deployment" || target.Name != d.Name || *scaler.Spec.MinReplicas < 2 {
		t.Errorf("the autoscaler = %+v, want two or more of the deployment", scaler.Spec)
	}
	if budget.Spec.MaxUnavailable.IntValue() != 1 {
		t.Errorf("the budget = %+v, want one away at a time", budget.Spec)
	}
	if len(d.Spec.Template.Spec.TopologySpreadConstraints) == 0 {
		t.Error("replicas may all be on one node")
	}
	labels := d.Spec.Template.Labels
	for name, selector := range map[string]map[string]string{
		"deployment": d.Spec.Selector.MatchLabels, "budget": budget.Spec.Selector.MatchLabels,
		"service": m.services["flexbridge"].Spec.Selector, "network": m.networks["flexbridge"].Spec.PodSelector.MatchLabels,
	} {
		if !within(selector, labels) || within(selector, m.sets["redis"].Spec.Template.Labels) {
			t.Errorf("%s selects %v, want the service's replicas alone, which are %v", name, selector, labels)
		}
	}
}

func within(selector, labels map[string]string) bool {
	for name, value := range selector {
		if labels[name] != value {
			return false
		}
	}
	return len(selector) > 0
}

func TestKubernetesPodsAreConfined(t *testing.T) {
	m := build(t)
	for name, pod := range map[string]corev1.PodSpec{
		"flexbridge": m.deployments["flexbridge"].Spec.Template.Spec, "redis": m.sets["redis"].Spec.Template.Spec,
	} {
		s := pod.SecurityContext
		if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || *pod.AutomountServiceAccountToken || *pod.EnableServiceLinks {
			t.Errorf("%s: pod = %+v", name, pod)
		}
		for _, c := range pod.Containers {
			s := c.SecurityContext
			if s == nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" {
				t.Errorf("%s: security = %+v", name, s)
			}
			if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
				t.Errorf("%s: resources = %+v", name, c.Resources)
			}
			if !pinned(c.Image) {
				t.Errorf("%s: image = %s, want a version", name, c.Image)
			}
		}
	}
	checkRedis(t, m.sets["redis"].Spec.Template.Spec.Containers[0].Args)
	if claims := m.sets["redis"].Spec.VolumeClaimTemplates; len(claims) != 1 || *m.sets["redis"].Spec.Replicas != 1 {
		t.Errorf("redis has %d disks and %d replicas, want one of each", len(claims), *m.sets["redis"].Spec.Replicas)
	}
	for _, to := range []string{"443", "53", "6379"} {
		if !leaves(m.networks["flexbridge"], to) {
			t.Errorf("port %s cannot be reached", to)
		}
	}
	if in := m.networks["redis"].Spec.Ingress; len(in) != 1 || len(in[0].From) != 1 || !within(in[0].From[0].PodSelector.MatchLabels, m.deployments["flexbridge"].Spec.Template.Labels) {
		t.Errorf("redis is open to %+v, want the service alone", in)
	}
}

// Without its comment signs the rule for a collector lets traces out, and not before.
func TestKubernetesCollector(t *testing.T) {
	text := readFile(t, "deploy/kubernetes/network.yaml")
	rules, rule, found := strings.Cut(text, "    # The collector")
	if !found {
		t.Fatal("there is no rule for a collector")
	}
	_, rule, _ = strings.Cut(rule, "\n")
	for want, text := range map[bool]string{false: text, true: rules + strings.ReplaceAll(rule, "    # ", "    ")} {
		var p networkingv1.NetworkPolicy
		if err := yaml.UnmarshalStrict([]byte(text), &p); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if got := leaves(&p, "4318"); got != want {
			t.Errorf("port 4318 can be reached: %v, want %v, by\n%s", got, want, text)
		}
	}
}

func leaves(p *networkingv1.NetworkPolicy, port string) bool {
	for _, rule := range p.Spec.Egress {
		for _, to := range rule.Ports {
			if to.Port.String() == port {
				return true
			}
		}
	}
	return false
}

// What the ingress says of time and buffers is what requests that wait need.
func TestKubernetesIngress(t *testing.T) {
	m := build(t)
	ingress := m.ingresses["flexbridge"]
	const prefix = "nginx.ingress.kubernetes.io/"
	say := func(name string) string { return ingress.Annotations[prefix+name] }
	seconds, err := strconv.Atoi(say("proxy-read-timeout"))
	environment := m.environment(t, m.deployments["flexbridge"].Spec.Template.Spec.Containers[0])
	if longest := longestStop(t, environment); err != nil || time.Duration(seconds)*time.Second < longest {
		t.Errorf("proxy-read-timeout = %q, want %v or more", say("proxy-read-timeout"), longest)
	}
	if say("proxy-buffering") != "off" || say("enable-access-log") != "false" || strings.Contains(say("proxy-next-upstream"), "non_idempotent") {
		t.Errorf("annotations = %v, want no buffers, no paths in logs, and no POST repeated", ingress.Annotations)
	}
	rule := ingress.Spec.Rules[0]
	backend := rule.HTTP.Paths[0].Backend.Service
	if host := "https://" + rule.Host; host != environment["PUBLIC_URL"] || len(ingress.Spec.TLS) != 1 || ingress.Spec.TLS[0].Hosts[0] != rule.Host {
		t.Errorf("ingress is for %s with TLS %+v, want %s", host, ingress.Spec.TLS, environment["PUBLIC_URL"])
	}
	if backend.Name != m.services["flexbridge"].Name || backend.Port.Name != m.services["flexbridge"].Spec.Ports[0].Name {
		t.Errorf("ingress leads to %+v, want the service", backend)
	}
}
