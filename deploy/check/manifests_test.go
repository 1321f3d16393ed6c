package check

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// manifests are what kustomize makes of deploy/kubernetes, each decoded strictly
// into Kubernetes' own type: a field that is misspelt or misplaced is an error.
type manifests struct {
	namespaces  map[string]*corev1.Namespace
	configs     map[string]*corev1.ConfigMap
	secrets     map[string]*corev1.Secret
	services    map[string]*corev1.Service
	deployments map[string]*appsv1.Deployment
	sets        map[string]*appsv1.StatefulSet
	ingresses   map[string]*networkingv1.Ingress
	networks    map[string]*networkingv1.NetworkPolicy
	budgets     map[string]*policyv1.PodDisruptionBudget
	scalers     map[string]*autoscalingv2.HorizontalPodAutoscaler
	monitors    map[string]*monitoringv1.PodMonitor
}

// build runs kustomize on deploy/kubernetes as an operator has filled it in, with
// some of the components that are commented out there.
func build(t *testing.T, components ...string) *manifests {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "deploy", "kubernetes"))); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{"config.env": "config.env", "secret.env": "secret.env.example", "keys.env": "keys.env.example"} {
		fill(t, filepath.Join(dir, name), readFile(t, "deploy/kubernetes/"+from))
	}
	uncomment(t, filepath.Join(dir, "kustomization.yaml"), components)
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var m manifests
	for _, resource := range made.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		switch kind := resource.GetApiVersion() + " " + resource.GetKind(); kind {
		case "v1 Namespace":
			decode(t, text, &m.namespaces)
			continue
		case "v1 ConfigMap":
			decode(t, text, &m.configs)
		case "v1 Secret":
			decode(t, text, &m.secrets)
		case "v1 Service":
			decode(t, text, &m.services)
		case "apps/v1 Deployment":
			decode(t, text, &m.deployments)
		case "apps/v1 StatefulSet":
			decode(t, text, &m.sets)
		case "networking.k8s.io/v1 Ingress":
			decode(t, text, &m.ingresses)
		case "networking.k8s.io/v1 NetworkPolicy":
			decode(t, text, &m.networks)
		case "policy/v1 PodDisruptionBudget":
			decode(t, text, &m.budgets)
		case "autoscaling/v2 HorizontalPodAutoscaler":
			decode(t, text, &m.scalers)
		case "monitoring.coreos.com/v1 PodMonitor":
			decode(t, text, &m.monitors)
		default:
			t.Errorf("nothing looks at %s", kind)
		}
		if got := resource.GetNamespace(); got != "flexbridge" {
			t.Errorf("%s is in namespace %q, want flexbridge", resource.GetName(), got)
		}
	}
	return &m
}

func uncomment(t *testing.T, path string, components []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range components {
		off, on := []byte("  # - "+name+" "), []byte("  - "+name+" ")
		if !bytes.Contains(text, off) {
			t.Fatalf("%s has no component %s to take in", path, name)
		}
		text = bytes.Replace(text, off, on, 1)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// fill writes the settings with values for the empty ones.
func fill(t *testing.T, path, text string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(text) {
		name, value, isSetting := strings.Cut(strings.TrimSpace(line), "=")
		switch {
		case strings.HasPrefix(name, "#") || !isSetting:
		case value != "":
			lines = append(lines, name+"="+value)
		case filled[name] != "":
			lines = append(lines, name+"="+filled[name])
		default: // the name of an application
			lines = append(lines, name+"="+strings.Repeat("k", 32))
		}
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func decode[T any, P interface {
	*T
	GetName() string
}](t *testing.T, text []byte, all *map[string]P) {
	t.Helper()
	object := P(new(T))
	if err := yaml.UnmarshalStrict(text, object); err != nil {
		t.Errorf("%v in\n%s", err, text)
	}
	if *all == nil {
		*all = make(map[string]P)
	}
	(*all)[object.GetName()] = object
}

// environment is what a container gets, as the kubelet puts it together.
func (m *manifests) environment(t *testing.T, c corev1.Container) map[string]string {
	t.Helper()
	environment := make(map[string]string)
	for _, from := range c.EnvFrom {
		switch {
		case from.ConfigMapRef != nil && m.configs[from.ConfigMapRef.Name] != nil:
			maps.Copy(environment, m.configs[from.ConfigMapRef.Name].Data)
		case from.SecretRef != nil && m.secrets[from.SecretRef.Name] != nil:
			for name, value := range m.secrets[from.SecretRef.Name].Data {
				environment[name] = string(value)
			}
		default:
			t.Errorf("envFrom %+v is of nothing that there is", from)
		}
	}
	for _, v := range c.Env {
		environment[v.Name] = v.Value
	}
	return environment
}
