package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

// setEnviron makes these the only variables of ours, until the test ends.
func setEnviron(t *testing.T, values map[string]string) {
	t.Helper()
	for _, v := range variables() {
		t.Setenv(v.name, "") // so that the test's end restores it
		if err := os.Unsetenv(v.name); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range values {
		t.Setenv(name, value)
	}
}

// variable is one that Config reads, as its tags tell.
type variable struct{ name, fallback, meaning string }

func (v variable) required() bool { return strings.HasPrefix(v.meaning, "required") }

func variables() []variable {
	var all []variable
	for field := range reflect.TypeFor[Config]().Fields() {
		all = append(all, variable{field.Tag.Get("envconfig"), field.Tag.Get("default"), field.Tag.Get("desc")})
	}
	return all
}

// goodEnviron is no more than what is required.
func goodEnviron() map[string]string {
	return map[string]string{
		"PUBLIC_URL":         "https://bridge.example.com",
		"TWILIO_ACCOUNT_SID": flexsim.AccountSID,
		"TWILIO_AUTH_TOKEN":  flexsim.AuthToken,
		"TWILIO_FLOW_SID":    flexsim.FlowSID,
		"IDENTITY_SECRET":    strings.Repeat("i", 32),
		"AUTH_MODE":          "none",
	}
}

func TestDefaults(t *testing.T) {
	setEnviron(t, goodEnviron())
	got, err := loadConfig()
	if err != nil {
		t.Fatalf("loadConfig = %v with all that is required", err)
	}
	want := Config{
		ListenAddr: ":5002", OpsAddr: "127.0.0.1:9090", PublicURL: "https://bridge.example.com",
		AccountSID: flexsim.AccountSID, AuthToken: flexsim.AuthToken, FlowSID: flexsim.FlowSID,
		WebhookScope: "conversation", WebhookVerify: "enforce", IdentitySecret: Secret(strings.Repeat("i", 32)), AuthMode: "none",
		QuestionsPerCustomer: 20, QuestionsPerCaller: 600,
		Wait: 40 * time.Second, MCPWait: 50 * time.Second, MaxParked: 20_000, LooksPerSecond: 20, Retention: 7 * 24 * time.Hour,
		MediaLinks: time.Hour, InactiveAfter: time.Hour, ClosedAfter: 24 * time.Hour,
		LogLevel: slog.LevelInfo, LogFormat: "auto",
	}
	if got != want {
		t.Errorf("loadConfig = %+v, want %+v", got, want)
	}
}

// interactionsRoute are the variables of that route.
var interactionsRoute = map[string]string{
	"TWILIO_FLOW_SID": "", "TWILIO_WORKSPACE_SID": flexsim.WorkspaceSID, "TWILIO_WORKFLOW_SID": flexsim.WorkflowSID,
}

func TestInteractionsRoute(t *testing.T) {
	values := goodEnviron()
	for name, value := range interactionsRoute {
		values[name] = value
	}
	setEnviron(t, values)
	c, err := loadConfig()
	if err != nil || c.FlowSID != "" || c.WorkspaceSID != flexsim.WorkspaceSID || c.WorkflowSID != flexsim.WorkflowSID {
		t.Errorf("loadConfig = %q, %q, %q, %v, want the Interactions route", c.FlowSID, c.WorkspaceSID, c.WorkflowSID, err)
	}
}

// TestStudioRouteWithWorkspace: it tells when no agent is coming.
func TestStudioRouteWithWorkspace(t *testing.T) {
	values := goodEnviron()
	values["TWILIO_WORKSPACE_SID"] = flexsim.WorkspaceSID
	setEnviron(t, values)
	c, err := loadConfig()
	if err != nil || c.FlowSID != flexsim.FlowSID || c.WorkspaceSID != flexsim.WorkspaceSID || c.WorkflowSID != "" {
		t.Errorf("loadConfig = %q, %q, %q, %v, want the Studio route and the workspace", c.FlowSID, c.WorkspaceSID, c.WorkflowSID, err)
	}
}

func TestRequired(t *testing.T) {
	for _, v := range variables() {
		values := goodEnviron()
		if _, given := values[v.name]; given != v.required() {
			t.Errorf("%s: its description says required: %v, and the service needs it: %v", v.name, v.required(), given)
		}
		delete(values, v.name)
		setEnviron(t, values)
		if _, err := loadConfig(); (err != nil) != v.required() {
			t.Errorf("loadConfig without %s = %v", v.name, err)
		}
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	unreadable := map[string]string{"WAIT": "long", "MAX_PARKED": "many", "LOG_LEVEL": "loud"}
	setEnviron(t, unreadable)
	_, err := loadConfig()
	if err == nil {
		t.Fatal("loadConfig of nothing that is right = nil")
	}
	for _, v := range variables() {
		_, wrong := unreadable[v.name]
		if strings.Contains(err.Error(), "\n  "+v.name+" ") != (v.required() || wrong) {
			t.Errorf("%s: required %v, and the error is\n%v", v.name, v.required(), err)
		}
	}
}

func TestBadValues(t *testing.T) {
	// Each contains "hunter2", which no error may repeat: people paste the right
	// value into the wrong line.
	key := "SK" + strings.Repeat("0", 32)
	const goodKey = "hunter2-hunter2-hunter2-hunter2-hunter2"
	bearer := map[string]string{"AUTH_MODE": "bearer"}
	oidc := map[string]string{"AUTH_MODE": "oidc", "OIDC_ISSUER": "https://login.example.com", "OIDC_AUDIENCE": "https://bridge.example.com"}
	for _, row := range []struct {
		name, value string
		others      map[string]string
	}{
		{name: "PUBLIC_URL", value: "hunter2"},
		{name: "PUBLIC_URL", value: "http://hunter2.example.com"},
		{name: "PUBLIC_URL", value: "https://me:hunter2@bridge.example.com"},
		{name: "PUBLIC_URL", value: "https://bridge.example.com/?hunter2"},
		{name: "PUBLIC_URL", value: "https://bridge.example.com/#hunter2"},
		{name: "TWILIO_ACCOUNT_SID", value: "AChunter2"},
		{name: "TWILIO_ACCOUNT_SID", value: key},
		{name: "TWILIO_AUTH_TOKEN", value: "hunter2 hunter2"},
		{name: "TWILIO_AUTH_TOKEN_SECONDARY", value: "hunter2!"},
		{name: "TWILIO_API_KEY", value: "SKhunter2", others: map[string]string{"TWILIO_API_SECRET": "hunter2"}},
		{name: "TWILIO_API_SECRET", value: "hunter2"},
		{name: "TWILIO_API_SECRET", value: "hunter2!", others: map[string]string{"TWILIO_API_KEY": key}},
		{name: "TWILIO_API_SECRET", value: "", others: map[string]string{"TWILIO_API_KEY": key}},
		{name: "TWILIO_FLOW_SID", value: "FWhunter2"},
		{name: "TWILIO_FLOW_SID", value: ""},
		{name: "TWILIO_FLOW_SID", value: flexsim.FlowSID, others: interactionsRoute},
		{name: "TWILIO_WORKSPACE_SID", value: "WShunter2", others: map[string]string{"TWILIO_FLOW_SID": "", "TWILIO_WORKFLOW_SID": flexsim.WorkflowSID}},
		{name: "TWILIO_WORKSPACE_SID", value: "WShunter2"},
		{name: "TWILIO_WORKFLOW_SID", value: flexsim.WorkflowSID[:33]},
		{name: "TWILIO_FLOW_SID", value: flexsim.FlowSID, others: map[string]string{"TWILIO_WORKFLOW_SID": flexsim.WorkflowSID}},
		{name: "TWILIO_WORKSPACE_SID", value: "", others: map[string]string{"TWILIO_FLOW_SID": "", "TWILIO_WORKFLOW_SID": flexsim.WorkflowSID}},
		{name: "TWILIO_WORKFLOW_SID", value: flexsim.FlowSID, others: map[string]string{"TWILIO_FLOW_SID": "", "TWILIO_WORKSPACE_SID": flexsim.WorkspaceSID}},
		{name: "TWILIO_WORKFLOW_SID", value: "", others: map[string]string{"TWILIO_FLOW_SID": "", "TWILIO_WORKSPACE_SID": flexsim.WorkspaceSID}},
		{name: "TELL_NOBODY_ON_SHIFT", value: "true"},
		{name: "TWILIO_SERVICE_SID", value: "hunter2"},
		{name: "TWILIO_API_URL", value: "hunter2"},
		{name: "TWILIO_API_URL", value: "ftp://hunter2.example.com"},
		{name: "TWILIO_API_URL", value: "http://hunter2.example.com"},
		{name: "CONVERSATION_INACTIVE_AFTER", value: "59s"},
		{name: "CONVERSATION_INACTIVE_AFTER", value: "90.5s"},
		{name: "CONVERSATION_INACTIVE_AFTER", value: "-1h"},
		{name: "CONVERSATION_CLOSED_AFTER", value: "9m59s"},
		{name: "CONVERSATION_CLOSED_AFTER", value: "hunter2"},
		{name: "WEBHOOK_SCOPE", value: "hunter2"},
		{name: "WEBHOOK_VERIFY", value: "hunter2"},
		{name: "WEBHOOK_VERIFY", value: "Observe"},
		{name: "IDENTITY_SECRET", value: "hunter2"},
		{name: "AUTH_MODE", value: "hunter2"},
		{name: "AUTH_MODE", value: ""},
		{name: "API_KEYS", value: "shop:" + goodKey},
		{name: "API_KEYS_FILE", value: "hunter2"},
		{name: "OIDC_ISSUER", value: "https://hunter2.example.com"},
		{name: "OIDC_AUDIENCE", value: "hunter2"},
		{name: "API_KEYS", value: "", others: bearer},
		{name: "API_KEYS", value: "hunter2", others: bearer},
		{name: "API_KEYS", value: "shop:hunter2", others: bearer},
		{name: "API_KEYS", value: goodKey + ":shop", others: bearer},
		{name: "API_KEYS", value: "my shop:" + goodKey, others: bearer},
		{name: "API_KEYS", value: "shop:" + goodKey + "!", others: bearer},
		{name: "API_KEYS", value: "shop:" + goodKey + ",", others: bearer},
		{name: "API_KEYS", value: "shop:" + goodKey + ",other:" + goodKey, others: bearer},
		{name: "API_KEYS_FILE", value: "/nowhere/hunter2", others: bearer},
		{name: "API_KEYS_FILE", value: goodKey, others: bearer},
		{name: "OIDC_AUDIENCE", value: "hunter2", others: bearer},
		{name: "OIDC_ISSUER", value: "", others: oidc},
		{name: "OIDC_ISSUER", value: "http://hunter2.example.com", others: oidc},
		{name: "OIDC_ISSUER", value: "https://hunter2.example.com?x", others: oidc},
		{name: "OIDC_AUDIENCE", value: " ,", others: oidc},
		{name: "API_KEYS", value: "shop:" + goodKey, others: oidc},
		{name: "WAIT", value: "0s"},
		{name: "WAIT", value: "5m1s"},
		{name: "WAIT", value: "40"},
		{name: "WAIT", value: "hunter2"},
		{name: "MCP_WAIT", value: "999ms"},
		{name: "MCP_WAIT", value: "5m1s"},
		{name: "MCP_WAIT", value: "hunter2"},
		{name: "MCP_ORIGINS", value: "hunter2.example.com"},
		{name: "MCP_ORIGINS", value: "https://chat.example.com/hunter2"},
		{name: "MCP_ORIGINS", value: "https://chat.example.com/"},
		{name: "MCP_ORIGINS", value: "https://chat.example.com,,https://hunter2.example.com"},
		{name: "MCP_ORIGINS", value: "*"},
		{name: "MCP_ORIGINS", value: "https://*.hunter2.example.com"},
		{name: "MCP_ORIGINS", value: "https://Hunter2.example.com"},
		{name: "OPENAI_APPS_CHALLENGE", value: "hunter2 hunter2"},
		{name: "MAX_PARKED", value: "0"},
		{name: "MAX_PARKED", value: "hunter2"},
		{name: "QUESTIONS_PER_CUSTOMER", value: "-1"},
		{name: "QUESTIONS_PER_CUSTOMER", value: "hunter2"},
		{name: "QUESTIONS_PER_CALLER", value: "1000001"},
		{name: "QUESTIONS_PER_CALLER", value: "hunter2"},
		{name: "MAX_PARKED_PER_CALLER", value: "-1"},
		{name: "MAX_PARKED_PER_CALLER", value: "hunter2"},
		{name: "CUSTOMER_NAME", value: strings.Repeat("hunter2", 40)},
		{name: "CUSTOMER_NAME", value: "hunter2\n"},
		{name: "CUSTOMER_NAME", value: "hunter2\u202e"},
		{name: "CUSTOMER_NAME", value: "hunter2\xff"},
		{name: "LOOKS_PER_SECOND", value: "-1"},
		{name: "LOOKS_PER_SECOND", value: "hunter2"},
		{name: "DRAIN_DELAY", value: "-1s"},
		{name: "DRAIN_DELAY", value: "61s"},
		{name: "RETENTION", value: "59m"},
		{name: "RETENTION", value: "hunter2"},
		{name: "MEDIA_LINKS", value: "-1h"},
		{name: "MEDIA_LINKS", value: "59s"},
		{name: "MEDIA_LINKS", value: "169h"},
		{name: "MEDIA_LINKS", value: "hunter2"},
		{name: "LOG_LEVEL", value: "hunter2"},
		{name: "LOG_FORMAT", value: "hunter2"},
		{name: "LISTEN_ADDR", value: "hunter2"},
		{name: "OPS_ADDR", value: "hunter2"},
		{name: "OPS_ADDR", value: "hunter2:5002"},
	} {
		values := goodEnviron()
		for name, value := range row.others {
			values[name] = value
		}
		values[row.name] = row.value
		setEnviron(t, values)
		_, err := loadConfig()
		if err == nil || !strings.Contains(err.Error(), row.name+" ") {
			t.Errorf("%s=%s: error = %v, want one that names it", row.name, row.value, err)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s=%s: the error repeats it: %v", row.name, row.value, err)
		}
	}
}

func TestBadRedisURL(t *testing.T) {
	for _, address := range []string{"redis.example.com:6379", "https://:hunter2@redis.example.com", "redis://:hunter2@redis.example.com:bad", "redis://:hunter2@[redis", "redis://:hunter2@redis.example.com?hunter2=1"} {
		c := testConfig("https://bridge.example.com")
		c.RedisURL = Secret(address)
		_, err := newService(t.Context(), c, slog.New(slog.DiscardHandler))
		if err == nil || !strings.HasPrefix(err.Error(), "REDIS_URL: ") {
			t.Errorf("newService with REDIS_URL=%s = %v, want an error that names it", address, err)
			continue
		}
		if strings.Contains(err.Error(), ":hunter2") {
			t.Errorf("the error repeats a password: %v", err)
		}
	}
}

// What was opened before the part that fails is closed.
func TestFailedServiceLeavesNothing(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	c := testConfig("https://bridge.example.com")
	c.RedisURL = Secret(storetest.StartRedis(t).URL)
	before := goleak.IgnoreCurrent()
	c.APIKey, c.APISecret, c.AuthToken = "SK"+strings.Repeat("0", 32), "secret", ""
	if _, err := newService(t.Context(), c, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "webhook: ") {
		t.Errorf("newService = %v, want the error of the part that is made last", err)
	}
	goleak.VerifyNone(t, before)
}

func TestWithoutRedisItWarns(t *testing.T) {
	var log bytes.Buffer
	s, err := newService(t.Context(), testConfig("https://bridge.example.com"), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "REDIS_URL is empty") {
		t.Errorf("log = %q, want a warning that REDIS_URL is empty", &log)
	}
}

func TestSecretNeverPrints(t *testing.T) {
	const plain = "hunter2"
	secret := Secret(plain)
	type pair struct {
		Name   string
		Secret Secret
	}
	c := testConfig("https://bridge.example.com")
	c.AuthToken, c.AuthTokenSecondary, c.APISecret, c.IdentitySecret, c.RedisURL, c.APIKeys = secret, secret, secret, secret, secret, secret
	for name, value := range map[string]any{
		"a secret":        secret,
		"its pointer":     &secret,
		"a struct":        pair{"token", secret},
		"its address":     &pair{"token", secret},
		"a list":          []Secret{secret},
		"a map":           map[string]Secret{"token": secret},
		"a configuration": c,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%10.3s"} {
			if got := fmt.Sprintf(verb, value); strings.Contains(got, plain) || strings.Contains(got, fmt.Sprintf("%x", plain)) {
				t.Errorf("%s of %s = %s", verb, name, got)
			}
		}
		var text bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).With("with", value).Info("hello", "value", value)
		slog.New(slog.NewJSONHandler(&text, nil)).With("with", value).Info("hello", "value", value)
		if strings.Contains(text.String(), plain) {
			t.Errorf("slog of %s = %s", name, &text)
		}
		got, err := json.Marshal(value)
		if err != nil || strings.Contains(string(got), plain) {
			t.Errorf("JSON of %s = %s, %v", name, got, err)
		}
	}
	if got := fmt.Sprint(secret, Secret("")); got != hidden {
		t.Errorf("a secret and an empty one print as %q", got)
	}
}

func TestREADMETable(t *testing.T) {
	var want strings.Builder
	want.WriteString("| Variable | Default | Meaning |\n|---|---|---|\n")
	for _, v := range variables() {
		fallback := ""
		if v.fallback != "" {
			fallback = "`" + v.fallback + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", v.name, fallback, v.meaning)
	}
	if !strings.Contains(readFile(t, "README.md"), "\n"+want.String()+"\n") {
		t.Errorf("README's table of variables is not that of Config, which is\n%s", &want)
	}
}

// readFile reads a file of the repository.
func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
