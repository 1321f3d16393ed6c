package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// scraper is a real Prometheus that scrapes replicas, with the configuration and the
// alerts of deploy/observe, only oftener.
type scraper struct {
	t   *testing.T
	url string
}

func startPrometheus(w *world, replicas ...*replica) *scraper {
	w.t.Helper()
	if _, err := exec.LookPath("prometheus"); err != nil {
		if os.Getenv("FLEXBRIDGE_REQUIRE_PROMETHEUS") == "1" {
			w.t.Fatalf("FLEXBRIDGE_REQUIRE_PROMETHEUS=1, but: %v", err)
		}
		w.t.Skipf("needs Prometheus: %v", err)
	}
	alerts, err := filepath.Abs(filepath.Join("..", "..", "deploy", "observe", "alerts.yaml"))
	var targets []string
	for _, r := range replicas {
		targets = append(targets, r.opsAddr)
	}
	config := replaced(w.t, "deploy/observe/prometheus.yml",
		"scrape_interval: 15s", "scrape_interval: 200ms",
		"evaluation_interval: 15s", "evaluation_interval: 200ms",
		"[alerts.yaml]", "["+alerts+"]",
		"bridge:9090", strings.Join(targets, ", "))
	dir := w.t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := errors.Join(err, os.WriteFile(file, []byte(config), 0o600)); err != nil {
		w.t.Fatal(err)
	}
	addr := freeAddr(w.t)
	beside(w.t, "prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--log.level=error")
	p := &scraper{w.t, "http://" + addr}
	w.until(func() bool {
		res, err := http.Get(p.url + "/-/ready")
		return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
	return p
}

// get asks Prometheus' HTTP API (prometheus.io/docs/prometheus/latest/querying/api).
func (p *scraper) get(path string, data any) {
	p.t.Helper()
	res, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Status != "success" {
		p.t.Fatalf("GET %s = %s %s, %v", path, answer.Status, answer.Error, err)
	}
}

var placeholder = regexp.MustCompile(`{{(\w+)}}`)

// query is what there is now, by how a panel with this legend names it.
func (p *scraper) query(expr, legend string) map[string]float64 {
	p.t.Helper()
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	p.get("/api/v1/query?query="+url.QueryEscape(expr), &data)
	series := make(map[string]float64)
	for _, r := range data.Result {
		name := placeholder.ReplaceAllStringFunc(legend, func(label string) string { return r.Metric[strings.Trim(label, "{}")] })
		text, _ := r.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if _, twice := series[name]; err != nil || twice {
			p.t.Fatalf("%s has %q twice, or not as a number: %v", expr, name, data.Result)
		}
		series[name] = value
	}
	return series
}

// evaluates holds that Prometheus could evaluate every alert.
func (p *scraper) evaluates() {
	p.t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	p.get("/api/v1/rules", &data)
	n := 0
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			n++
			if r.Health != "ok" {
				p.t.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
			}
		}
	}
	if n < 20 {
		p.t.Errorf("%d alerts are evaluated, want all", n)
	}
}
