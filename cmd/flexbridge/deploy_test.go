package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oasdiff/yaml"
)

var assignment = regexp.MustCompile(`(?m)^(#?)([A-Z_]+)=(.*)$`)

// The example names every variable, those that are not required as comments with
// their defaults.
func TestEnvExample(t *testing.T) {
	example := make(map[string][]string)
	for _, m := range assignment.FindAllStringSubmatch(readFile(t, ".env.example"), -1) {
		if _, twice := example[m[2]]; twice {
			t.Errorf("%s stands there twice", m[2])
		}
		example[m[2]] = m
	}
	var names []string
	for _, v := range variables() {
		names = append(names, v.name)
		m, there := example[v.name]
		switch {
		case !there:
			t.Errorf("%s is missing", v.name)
		case v.required() != (m[1] == ""):
			t.Errorf("%s: required %v, but the line is %q", v.name, v.required(), m[0])
		case v.fallback != "" && m[3] != v.fallback:
			t.Errorf("%s: default %q, but the line is %q", v.name, v.fallback, m[0])
		}
	}
	for name := range example {
		if !slices.Contains(names, name) {
			t.Errorf("%s is no variable of the service", name)
		}
	}
}

// compose is what the tests look at in docker-compose.yml.
type compose struct {
	Services map[string]struct {
		Image       string
		Build       struct{ Dockerfile string }
		Command     []string
		EnvFile     string `json:"env_file"`
		Environment map[string]string
		Restart     string
		StopGrace   string `json:"stop_grace_period"`
		Healthcheck struct{ Test []string }
		Volumes     []string
	}
	Volumes map[string]any
}

func TestCompose(t *testing.T) {
	var c compose
	if _, err := yaml.Unmarshal([]byte(readFile(t, "docker-compose.yml")), &c, yaml.DecodeOpts{}); err != nil {
		t.Fatal(err)
	}
	for name, s := range c.Services {
		if len(s.Healthcheck.Test) < 2 || s.Healthcheck.Test[0] != "CMD" {
			t.Errorf("%s: health check = %q, want one that needs no shell", name, s.Healthcheck.Test)
		}
		if s.Restart == "" {
			t.Errorf("%s has no restart policy", name)
		}
	}

	bridge := c.Services["bridge"]
	if bridge.Build.Dockerfile != "deploy/Dockerfile" || bridge.EnvFile != ".env" {
		t.Errorf("bridge = %+v, want deploy/Dockerfile and .env", bridge)
	}
	var longest time.Duration
	for _, v := range variables() {
		if v.name == "WAIT" || v.name == "MCP_WAIT" {
			wait, _ := time.ParseDuration(v.fallback)
			longest = max(longest, wait)
		}
	}
	if grace, err := time.ParseDuration(bridge.StopGrace); err != nil || longest == 0 || grace <= longest+10*time.Second {
		t.Errorf("stop_grace_period = %q, want more than %v and the 10s that saying may take", bridge.StopGrace, longest)
	}
	values := goodEnviron()
	for name, value := range bridge.Environment {
		values[name] = value
	}
	setEnviron(t, values)
	config, err := loadConfig()
	if err != nil {
		t.Errorf("with docker-compose.yml's environment: %v", err)
	}
	if config.RedisURL != "redis://redis:6379" {
		t.Errorf("REDIS_URL = %q, want the service redis", string(config.RedisURL))
	}

	redis := c.Services["redis"]
	if _, tag, _ := strings.Cut(redis.Image, ":"); tag == "" || tag == "latest" {
		t.Errorf("redis' image is %q, want a version", redis.Image)
	}
	for _, option := range [][]string{{"--appendonly", "yes"}, {"--maxmemory-policy", "noeviction"}} {
		if i := slices.Index(redis.Command, option[0]); i < 0 || i+1 == len(redis.Command) || redis.Command[i+1] != option[1] {
			t.Errorf("redis runs as %q, want %q", redis.Command, option)
		}
	}
	kept := slices.ContainsFunc(redis.Volumes, func(volume string) bool {
		name, path, _ := strings.Cut(volume, ":")
		_, named := c.Volumes[name]
		return named && path == "/data"
	})
	if !kept {
		t.Errorf("redis' volumes = %q, want a named one at /data", redis.Volumes)
	}
}
