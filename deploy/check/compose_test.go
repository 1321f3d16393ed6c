package check

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// project is docker-compose.yml with all its profiles.
func project(t *testing.T) *types.Project {
	t.Helper()
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  root,
		ConfigFiles: []types.ConfigFile{{Filename: "docker-compose.yml", Content: []byte(readFile(t, "docker-compose.yml"))}},
		Environment: types.Mapping{"PUBLIC_URL": filled["PUBLIC_URL"], "NGROK_AUTHTOKEN": "token"},
	}, func(o *loader.Options) {
		o.Profiles = []string{"*"}
		o.SkipResolveEnvironment = true // .env is made by who runs it
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestComposeServices(t *testing.T) {
	p := project(t)
	profiles := make(map[string][]string)
	for name, s := range p.Services {
		profiles[name] = s.Profiles
		if s.HealthCheck == nil || len(s.HealthCheck.Test) < 2 || s.HealthCheck.Test[0] != "CMD" {
			t.Errorf("%s: health check = %+v, want one that needs no shell", name, s.HealthCheck)
		}
		if s.MemLimit <= 0 || s.PidsLimit <= 0 || s.StopGracePeriod == nil {
			t.Errorf("%s has memory %d, processes %d, grace %v, want limits of all", name, s.MemLimit, s.PidsLimit, s.StopGracePeriod)
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.Privileged {
			t.Errorf("%s may write, or has privileges: %v, %q, %q", name, s.ReadOnly, s.CapDrop, s.SecurityOpt)
		}
		if s.Restart != "unless-stopped" {
			t.Errorf("%s: restart = %q", name, s.Restart)
		}
		if s.Build == nil && !pinned(s.Image) {
			t.Errorf("%s: image = %q, want a version", name, s.Image)
		}
		for dependency, d := range s.DependsOn {
			if d.Condition != types.ServiceConditionHealthy {
				t.Errorf("%s waits until %s is %s, want healthy", name, dependency, d.Condition)
			}
		}
	}
	want := map[string][]string{"bridge": nil, "redis": nil, "ngrok": {"tunnel"}, "caddy": {"tls"}, "prometheus": {"observe"}, "grafana": {"observe"}}
	if !maps.EqualFunc(profiles, want, slices.Equal) {
		t.Errorf("services and profiles = %v, want %v", profiles, want)
	}
}

// pinned reports whether an image has a tag or digest that is a version.
func pinned(image string) bool {
	_, tag, found := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	return found && tag != "latest" && strings.ContainsAny(tag, "0123456789")
}

func TestComposeBridge(t *testing.T) {
	p := project(t)
	bridge := p.Services["bridge"]
	if bridge.Build == nil || bridge.Build.Dockerfile != "deploy/Dockerfile" || len(bridge.EnvFiles) != 1 || !strings.HasSuffix(bridge.EnvFiles[0].Path, ".env") {
		t.Errorf("bridge is built by %+v with %v, want deploy/Dockerfile and .env", bridge.Build, bridge.EnvFiles)
	}
	environment := maps.Clone(filled)
	for name, value := range bridge.Environment {
		environment[name] = *value
	}
	grace := time.Duration(*bridge.StopGracePeriod)
	if longest := longestStop(t, environment); grace <= longest {
		t.Errorf("stop_grace_period = %v, want more than %v", grace, longest)
	}
	// Caddy must not be ended before what waits in it.
	if caddy := time.Duration(*p.Services["caddy"].StopGracePeriod); caddy <= grace {
		t.Errorf("caddy's stop_grace_period = %v, want more than %v", caddy, grace)
	}
	if got := environment["REDIS_URL"]; got != "redis://redis:6379" {
		t.Errorf("REDIS_URL = %q, want the service redis", got)
	}
	for name, s := range p.Services {
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" && name != "caddy" {
				t.Errorf("%s is published at %s:%s, want this machine alone", name, port.HostIP, port.Published)
			}
			if name == "bridge" && port.Target != 5002 {
				t.Errorf("port %d of bridge is published, want the callers' alone", port.Target)
			}
		}
	}
	if got := environment["OPS_ADDR"]; got != ":"+opsPort {
		t.Errorf("OPS_ADDR = %q, want port %s for Prometheus", got, opsPort)
	}
	for name, want := range map[string]string{"ngrok": "--url=" + filled["PUBLIC_URL"], "caddy": filled["PUBLIC_URL"]} {
		s := p.Services[name]
		if set := s.Environment["PUBLIC_URL"]; !slices.Contains(s.Command, want) && (set == nil || *set != want) {
			t.Errorf("%s does not serve PUBLIC_URL: %q, %v", name, s.Command, s.Environment)
		}
	}
	checkEnvironment(t, environment)
}

func TestComposeRedis(t *testing.T) {
	p := project(t)
	redis := p.Services["redis"]
	checkRedis(t, redis.Command)
	if len(redis.Volumes) != 1 || redis.Volumes[0].Type != "volume" || redis.Volumes[0].Target != "/data" {
		t.Errorf("redis' volumes = %+v, want a named one at /data", redis.Volumes)
	}
	if _, there := p.Volumes[redis.Volumes[0].Source]; !there {
		t.Errorf("there is no volume %s", redis.Volumes[0].Source)
	}
}

// checkRedis holds that Redis keeps what it knows, and evicts nothing.
func checkRedis(t *testing.T, command []string) {
	t.Helper()
	for option, want := range map[string]string{"--appendonly": "yes", "--maxmemory-policy": "noeviction"} {
		if i := slices.Index(command, option); i < 0 || i+1 == len(command) || command[i+1] != want {
			t.Errorf("redis runs as %q, want %s %s", command, option, want)
		}
	}
}
