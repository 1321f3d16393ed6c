package main

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	loadWhat = flag.String("load", "", "what TestLoad measures: all, or some of its scenarios, each a kind and a number; empty skips it")
	loadRuns = flag.Int("load.runs", 1, "how often TestLoad measures everything")
	loadRate = flag.Float64("load.rate", 500, "webhooks per second, in the scenario rate")
	loadFor  = flag.Duration("load.for", 5*time.Second, "how long the scenario loop runs")
	loadPeer = flag.Bool("load.peer", true, "whether nginx with nchan is measured, too, if it is installed")
	loadDir  = flag.String("load.profile", "", "where to write profiles of the service: goroutines and heap while all wait, CPU from then on")
)

// allScenarios is everything: 1 000 and 10 000 wait and are answered one after the
// other, at a rate; 10 000 wait and are answered as fast as it goes; 64 ask, are
// answered and ask again; so they do with the webhook that tells of the question;
// 64 ask nothing and wait for the next reply; 50 000 wait.
const allScenarios = "rate=1000,rate=10000,burst=10000,loop=64,echo=64,poll=64,park=50000"

// scenario is what so many callers do.
type scenario struct {
	kind    string
	callers int
}

func (s scenario) String() string { return fmt.Sprintf("%s=%d", s.kind, s.callers) }

// TestLoad measures the service in a process of its own, with a real Redis and a
// light stand-in for Twilio, over sockets; and beside it nginx with nchan, which
// parks long polls and wakes them through Redis, by the same client in the same
// run. Run it with, for example,
//
//	go test ./cmd/flexbridge -run TestLoad -load rate=10000,loop=64 -load.runs 5 -v -timeout 1h
//
// Client and servers share the machine, so that of the times only the ratio of two
// rows of one run tells something. Log lines are written as they are by default.
func TestLoad(t *testing.T) {
	if *loadWhat == "" {
		t.Skip("it measures what -load says, which is nothing")
	}
	systems := []func(*testing.T, scenario) *system{startLoaded}
	if err := findNchan(); !*loadPeer {
		t.Log("nginx with nchan is left out, as -load.peer says")
	} else if err != nil {
		t.Logf("nginx with nchan is left out: %v", err)
	} else {
		systems = append(systems, startNchan)
	}
	scenarios := loadScenarios(t)
	results := newResults()
	for run := range *loadRuns {
		for _, s := range scenarios {
			for i := range systems {
				start := systems[(i+run)%len(systems)] // who is first takes turns
				t.Run(s.String(), func(t *testing.T) {
					sys := start(t, s)
					results.add(s, sys.name, measure(t, s, sys))
				})
			}
		}
	}
	t.Logf("%d runs, median ± half the spread\n%s", *loadRuns, results)
}

// loadScenarios reads the flag. Callers beyond the limit of open files are left out.
func loadScenarios(t *testing.T) (list []scenario) {
	files := raiseFiles(t)
	what := *loadWhat
	if what == "all" {
		what = allScenarios
	}
	for _, item := range strings.Split(what, ",") {
		kind, number, _ := strings.Cut(item, "=")
		n, err := strconv.Atoi(number)
		if _, known := loads[kind]; !known || err != nil || n <= 0 {
			t.Fatalf("-load has %q, want all, or some of %s with other numbers", item, allScenarios)
		}
		if strings.Contains("loop echo poll", kind) && n > loadHooks {
			t.Fatalf("-load has %q, want at most %d in a loop", item, loadHooks)
		}
		// The callers, webhooks and Twilio of one process, or one server, and some.
		if most := files - 8*loadHooks; n > most {
			t.Logf("%s: a process may open %d files here, so %d callers wait", item, files, most)
			n = most
		}
		list = append(list, scenario{kind, n})
	}
	return list
}

// loads are the kinds of scenarios; each runs once everybody is there.
var loads = map[string]func(*loader){
	"rate":  func(l *loader) { l.park(); l.wake(*loadRate) },
	"burst": func(l *loader) { l.park(); l.wake(0) },
	"park":  func(l *loader) { l.park() },
	"loop":  func(l *loader) { l.loop(*loadFor) },
	"echo":  func(l *loader) { l.loop(*loadFor) },
	"poll":  func(l *loader) { l.loop(*loadFor) },
}

// measure runs a scenario once.
func measure(t *testing.T, s scenario, sys *system) figures {
	l := &loader{t: t, system: sys, figures: figures{}}
	defer l.close()
	l.warm()
	loads[s.kind](l)
	return l.figures
}
