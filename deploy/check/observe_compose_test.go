package check

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"sigs.k8s.io/yaml"
)

// mounted is the file of the repository that a service sees as target, or the
// folder in which it is.
func mounted(t *testing.T, s types.ServiceConfig, target string) string {
	t.Helper()
	for _, v := range s.Volumes {
		if rest, below := strings.CutPrefix(target, v.Target); below && v.Type == types.VolumeTypeBind {
			if !v.ReadOnly {
				t.Errorf("%s may write to %s", s.Name, v.Source)
			}
			return path.Join(strings.TrimPrefix(v.Source, root+"/"), rest)
		}
	}
	t.Fatalf("nothing of the repository is at %s in %s", target, s.Name)
	return ""
}

func decodeYAML[T any](t *testing.T, name string) (v T) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(readFile(t, name)), &v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

// scrapes is what the tests look at in a configuration of Prometheus.
type scrapes struct {
	RuleFiles     []string `json:"rule_files"`
	ScrapeConfigs []struct {
		Name    string `json:"job_name"`
		Statics []struct {
			Targets []string
		} `json:"static_configs"`
	} `json:"scrape_configs"`
}

// Prometheus scrapes the bridge's OPS_ADDR under the job that the rules name.
func TestComposePrometheus(t *testing.T) {
	p := project(t)
	s := p.Services["prometheus"]
	var file string
	for _, argument := range s.Command {
		if value, found := strings.CutPrefix(argument, "--config.file="); found {
			file = value
		}
	}
	config := decodeYAML[scrapes](t, mounted(t, s, file))
	if len(config.ScrapeConfigs) != 1 || config.ScrapeConfigs[0].Name != job || !slices.Equal(config.ScrapeConfigs[0].Statics[0].Targets, []string{"bridge:" + opsPort}) {
		t.Errorf("prometheus scrapes %+v, want the bridge as %s", config.ScrapeConfigs, job)
	}
	for _, name := range config.RuleFiles {
		if got := mounted(t, s, path.Join(path.Dir(file), name)); got != rulesFile {
			t.Errorf("prometheus' rules are %s, want %s", got, rulesFile)
		}
	}
	if len(config.RuleFiles) != 1 {
		t.Errorf("rule files = %v, want one", config.RuleFiles)
	}
	keeps(t, p, s, "/prometheus")
}

// keeps holds that a service has a named volume there.
func keeps(t *testing.T, p *types.Project, s types.ServiceConfig, target string) {
	t.Helper()
	for _, v := range s.Volumes {
		if _, named := p.Volumes[v.Source]; named && v.Type == types.VolumeTypeVolume && v.Target == target {
			return
		}
	}
	t.Errorf("%s loses what is at %s", s.Name, target)
}

// Grafana comes with data source and dashboard, and with nobody who may change it.
func TestComposeGrafana(t *testing.T) {
	p := project(t)
	s := p.Services["grafana"]
	say := func(name string) string {
		if value := s.Environment["GF_"+name]; value != nil {
			return *value
		}
		return ""
	}
	if say("SECURITY_DISABLE_INITIAL_ADMIN_CREATION") != "true" || say("AUTH_ANONYMOUS_ORG_ROLE") != "Viewer" || say("AUTH_ANONYMOUS_ENABLED") != "true" ||
		say("AUTH_BASIC_ENABLED") != "false" || say("USERS_ALLOW_SIGN_UP") != "false" {
		t.Errorf("grafana runs with %v, want viewers only and no admin", s.Environment)
	}
	sources := decodeYAML[struct {
		Datasources []struct {
			Type, URL string
			IsDefault bool
		}
	}](t, mounted(t, s, "/etc/grafana/provisioning/datasources/prometheus.yaml"))
	if len(sources.Datasources) != 1 || sources.Datasources[0].Type != "prometheus" || !sources.Datasources[0].IsDefault || sources.Datasources[0].URL != "http://prometheus:9090" {
		t.Errorf("data sources = %+v, want the service prometheus", sources.Datasources)
	}
	boards := decodeYAML[struct {
		Providers []struct {
			Type    string
			Options struct{ Path string }
		}
	}](t, mounted(t, s, "/etc/grafana/provisioning/dashboards/flexbridge.yaml"))
	if len(boards.Providers) != 1 || boards.Providers[0].Type != "file" {
		t.Fatalf("dashboards come from %+v, want a folder", boards.Providers)
	}
	for _, file := range []string{path.Join(boards.Providers[0].Options.Path, path.Base(boardFile)), say("DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH")} {
		if got := mounted(t, s, file); got != boardFile {
			t.Errorf("%s is %s, want %s", file, got, boardFile)
		}
	}
	keeps(t, p, s, "/var/lib/grafana")
}
