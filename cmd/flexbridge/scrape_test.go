package main

import (
	"bufio"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

func withOps(c *Config) { c.OpsAddr = "127.0.0.1:0" }

// operators reads what is at a path of OPS_ADDR.
func (r *replica) operators(t *testing.T, path string) (status int, body string) {
	t.Helper()
	res, err := http.Get("http://" + r.opsAddr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// sample is what a scraper reads: values by series, such as name{label="value"}.
type sample map[string]float64

func (r *replica) scrape(t *testing.T) sample {
	t.Helper()
	status, body := r.operators(t, metricsPath)
	if status != http.StatusOK {
		t.Fatalf("GET %s = %d", metricsPath, status)
	}
	all := sample{}
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		line := lines.Text()
		at := strings.LastIndex(line, " ")
		if at < 0 || line[0] == '#' {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all[strings.TrimPrefix(line[:at], namespace+"_")] = value
	}
	return all
}

// plus adds up what two replicas tell.
func (s sample) plus(other sample) sample {
	sum := maps.Clone(s)
	for name, value := range other {
		sum[name] += value
	}
	return sum
}

// total is the sum of all series of a metric.
func (s sample) total(name string) (sum float64) {
	for series, value := range s {
		if n, _, _ := strings.Cut(series, "{"); n == name {
			sum += value
		}
	}
	return sum
}

func (s sample) want(t *testing.T, want sample) {
	t.Helper()
	for series, value := range want {
		if got, there := s[series]; !there || got != value {
			t.Errorf("%s = %v (there: %v), want %v", series, got, there, value)
		}
	}
}
