package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
)

// OpenTelemetry's own variables ("OpenTelemetry Environment Variable Specification"
// and "OpenTelemetry Protocol Exporter"). Its library reads them, and takes the
// default for what is wrong; so they are checked here.

// exporterVariables spell a variable of the exporter: for all signals, and for traces
// alone, which goes first.
func exporterVariables(name string) [2]string {
	return [2]string{"OTEL_EXPORTER_OTLP_" + name, "OTEL_EXPORTER_OTLP_TRACES_" + name}
}

// exporterValue is that of the variable that counts.
func exporterValue(name string) string {
	variables := exporterVariables(name)
	if value := otelValue(variables[1]); value != "" {
		return value
	}
	return otelValue(variables[0])
}

func otelValue(variable string) string { return strings.TrimSpace(os.Getenv(variable)) }

// defaultEndpoint is the specification's, when none is set.
func defaultEndpoint() []otlptracehttp.Option {
	if exporterValue("ENDPOINT") != "" {
		return nil
	}
	return []otlptracehttp.Option{otlptracehttp.WithEndpointURL("http://localhost:4318/v1/traces")}
}

// form is what a variable must be.
type form struct {
	name string
	ok   func(string) bool
	what string
}

// exporterForms are those of the exporter's variables, which stand for both spellings.
var exporterForms = []form{
	{"ENDPOINT", absoluteURL, "an http or https URL without user and query"},
	{"PROTOCOL", oneOf("http/protobuf", "http/json"), "http/protobuf or http/json"},
	{"HEADERS", pairsOnly, "name=value,name=value"},
	{"COMPRESSION", oneOf("gzip", "none"), "gzip or none"},
	{"TIMEOUT", positive, "a number of milliseconds above 0"},
	{"CERTIFICATE", certificates, "a file of certificates in PEM"},
}

// otherForms are those of other variables, by their whole names.
var otherForms = []form{
	{"OTEL_TRACES_SAMPLER", oneOf("always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
		"always_on, always_off, traceidratio, or one of them after parentbased_"},
	{"OTEL_TRACES_SAMPLER_ARG", ratio, "a number from 0 to 1"},
	{"OTEL_RESOURCE_ATTRIBUTES", pairsOnly, "name=value,name=value"},
	{"OTEL_BSP_SCHEDULE_DELAY", positive, "a number of milliseconds above 0"},
	{"OTEL_BSP_EXPORT_TIMEOUT", positive, "a number of milliseconds above 0"},
	{"OTEL_BSP_MAX_QUEUE_SIZE", positive, "a number above 0"},
	{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", positive, "a number above 0"},
}

// switches decide whether there are traces; the others matter only if so.
var switches = []form{
	{"OTEL_SDK_DISABLED", boolean, "true or false"},
	{"OTEL_TRACES_EXPORTER", oneOf("otlp", "none"), "otlp or none"},
}

// tracesWanted tells whether the environment wants traces, and what is wrong with it.
// No problem repeats a value, which may be a secret.
func tracesWanted() (wanted bool, problems []error) {
	check := func(variable string, f form) {
		if value := otelValue(variable); value != "" && !f.ok(value) {
			problems = append(problems, fmt.Errorf("  %s must be %s", variable, f.what))
		}
	}
	for _, f := range switches {
		check(f.name, f)
	}
	exporter := otelValue("OTEL_TRACES_EXPORTER")
	wanted = exporter == "otlp" || exporter == "" && exporterValue("ENDPOINT") != ""
	if strings.EqualFold(otelValue("OTEL_SDK_DISABLED"), "true") || !wanted {
		return false, problems
	}
	for _, f := range exporterForms {
		for _, variable := range exporterVariables(f.name) {
			check(variable, f)
		}
	}
	certificate, key := exporterVariables("CLIENT_CERTIFICATE"), exporterVariables("CLIENT_KEY")
	for i := range certificate {
		if !keyPair(otelValue(certificate[i]), otelValue(key[i])) {
			problems = append(problems, fmt.Errorf("  %s and %s must be files of a certificate and its key in PEM, or both empty", certificate[i], key[i]))
		}
	}
	for _, f := range otherForms {
		check(f.name, f)
	}
	return len(problems) == 0, problems
}

func oneOf(values ...string) func(string) bool {
	return func(value string) bool { return slices.Contains(values, value) }
}

func boolean(s string) bool { return strings.EqualFold(s, "true") || strings.EqualFold(s, "false") }

func positive(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0
}

func ratio(s string) bool {
	f, err := strconv.ParseFloat(s, 64)
	return err == nil && f >= 0 && f <= 1
}

func pairsOnly(s string) bool {
	for pair := range strings.SplitSeq(s, ",") {
		if name, _, ok := strings.Cut(pair, "="); !ok || strings.TrimSpace(name) == "" {
			return false
		}
	}
	return true
}

// keyPair is whether both files are given, and belong together, or none is.
func keyPair(certificate, key string) bool {
	if certificate == "" && key == "" {
		return true
	}
	_, err := tls.LoadX509KeyPair(certificate, key)
	return err == nil
}

func certificates(file string) bool {
	text, err := os.ReadFile(file)
	return err == nil && x509.NewCertPool().AppendCertsFromPEM(text)
}
