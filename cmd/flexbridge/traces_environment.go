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

// tracesWanted tells whether the environment wants traces, and what is wrong with it.
// No problem repeats a value, which may be a secret.
func tracesWanted() (wanted bool, problems []error) {
	check := func(variable string, ok func(string) bool, what string) {
		if value := otelValue(variable); value != "" && !ok(value) {
			problems = append(problems, fmt.Errorf("  %s must be %s", variable, what))
		}
	}
	one := func(values ...string) func(string) bool {
		return func(value string) bool { return slices.Contains(values, value) }
	}
	check("OTEL_SDK_DISABLED", func(s string) bool { return strings.EqualFold(s, "true") || strings.EqualFold(s, "false") }, "true or false")
	check("OTEL_TRACES_EXPORTER", one("otlp", "none"), "otlp or none")
	exporter := otelValue("OTEL_TRACES_EXPORTER")
	wanted = exporter == "otlp" || exporter == "" && exporterValue("ENDPOINT") != ""
	if strings.EqualFold(otelValue("OTEL_SDK_DISABLED"), "true") || !wanted {
		return false, problems
	}
	for _, row := range []struct {
		name string
		ok   func(string) bool
		what string
	}{
		{"ENDPOINT", absoluteURL, "an http or https URL without user and query"},
		{"PROTOCOL", one("http/protobuf", "http/json"), "http/protobuf or http/json"},
		{"HEADERS", pairsOnly, "name=value,name=value"},
		{"COMPRESSION", one("gzip", "none"), "gzip or none"},
		{"TIMEOUT", positive, "a number of milliseconds above 0"},
		{"CERTIFICATE", certificates, "a file of certificates in PEM"},
	} {
		for _, variable := range exporterVariables(row.name) {
			check(variable, row.ok, row.what)
		}
	}
	certificate, key := exporterVariables("CLIENT_CERTIFICATE"), exporterVariables("CLIENT_KEY")
	for i := range certificate {
		if !keyPair(otelValue(certificate[i]), otelValue(key[i])) {
			problems = append(problems, fmt.Errorf("  %s and %s must be files of a certificate and its key in PEM, or both empty", certificate[i], key[i]))
		}
	}
	check("OTEL_TRACES_SAMPLER", one("always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
		"always_on, always_off, traceidratio, or one of them after parentbased_")
	check("OTEL_TRACES_SAMPLER_ARG", ratio, "a number from 0 to 1")
	check("OTEL_RESOURCE_ATTRIBUTES", pairsOnly, "name=value,name=value")
	for _, variable := range []string{"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"} {
		check(variable, positive, "a number above 0")
	}
	return len(problems) == 0, problems
}

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
