package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// report is what --json prints. Its form is stable.
type report struct {
	Version string    `json:"version"`
	Result  outcome   `json:"result"` // ok, wrong or unchecked
	Checks  []finding `json:"checks"`
}

func overall(all []finding) outcome {
	result := fine
	for _, f := range all {
		switch {
		case f.Status == wrong:
			return wrong
		case f.Status == unchecked:
			result = unchecked
		}
	}
	return result
}

func (r report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r report) writeText(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Checks {
		fmt.Fprintf(&b, "%-9s  %-17s  %s\n", f.Status, f.Name, f.Text)
		for line := range strings.Lines(f.Do) {
			fmt.Fprintf(&b, "%30s %s\n", "→", strings.TrimSpace(line))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// exitCode ends the process without another word.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit with %d", int(e)) }

func (r report) exit() error {
	switch r.Result {
	case wrong:
		return exitCode(1)
	case unchecked:
		return exitCode(2)
	}
	return nil
}
