package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// columns are what is measured, in the table's order.
var columns = []string{
	"p50 ms", "p99 ms", "max ms", // from the webhook sent, or in a loop the question asked, to the answer read
	"per s",                 // answers
	"KB parked", "KB Redis", // PSS that one who waits adds to the service, and to Redis
	"µs CPU", "µs Redis", // per exchange, or per answer where the asking is not measured
	"calls to Twilio", "commands", // per exchange; commands are Redis's, also those within scripts
	"conns", // to Redis
}

// figures are one run's, by column; detail is what stands below the table.
type figures map[string]float64

// results are all runs', by scenario and system.
type results struct {
	rows    []string
	figures map[string][]figures
}

func newResults() *results { return &results{figures: map[string][]figures{}} }

func (r *results) add(s scenario, name string, f figures) {
	row := s.String() + "\t" + name
	if !slices.Contains(r.rows, row) {
		r.rows = append(r.rows, row)
	}
	r.figures[row] = append(r.figures[row], f)
}

// String is the table, and below it each row's Redis commands for one exchange.
func (r *results) String() string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "scenario\tsystem\t%s\t\n", strings.Join(columns, "\t"))
	for _, row := range r.rows {
		fmt.Fprintf(w, "%s\t", row)
		for _, column := range columns {
			fmt.Fprintf(w, "%s\t", r.cell(row, column))
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush()
	for _, row := range r.rows {
		fmt.Fprintf(&text, "%s:", strings.ReplaceAll(row, "\t", " "))
		for _, name := range slices.Sorted(maps.Keys(r.figures[row][0])) {
			if command, ok := strings.CutPrefix(name, "redis "); ok {
				median, _, _ := strings.Cut(r.cell(row, name), "±")
				fmt.Fprintf(&text, " %s %s", command, median)
			}
		}
		fmt.Fprintln(&text)
	}
	return text.String()
}

// cell is the median of all runs and half the distance of the extremes.
func (r *results) cell(row, column string) string {
	var values []float64
	for _, f := range r.figures[row] {
		if v, measured := f[column]; measured {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	n := len(values)
	switch {
	case n == 0:
		return "-"
	case n == 1:
		return short(values[0])
	}
	median := (values[(n-1)/2] + values[n/2]) / 2
	return fmt.Sprintf("%s±%s", short(median), short((values[n-1]-values[0])/2))
}

// short has three digits that count.
func short(v float64) string {
	switch {
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// latencies are safe for concurrent use.
type latencies struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram // in microseconds
}

func newLatencies() *latencies {
	return &latencies{histogram: hdrhistogram.New(1, loadPatience.Microseconds(), 3)}
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.histogram.RecordValue(d.Microseconds())
}

// at is a percentile in milliseconds.
func (l *latencies) at(percentile float64) float64 {
	return float64(l.histogram.ValueAtPercentile(percentile)) / 1000
}
