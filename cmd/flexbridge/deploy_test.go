package main

import (
	"regexp"
	"slices"
	"testing"
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
