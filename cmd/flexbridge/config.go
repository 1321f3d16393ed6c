package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"

	"flexbridge/bridge"
)

// Config is the environment. Its desc tags are README's table.
type Config struct {
	ListenAddr string `envconfig:"LISTEN_ADDR" default:":5002" desc:"address for callers and Twilio"`
	PublicURL  string `envconfig:"PUBLIC_URL" desc:"required; https URL under which the world reaches LISTEN_ADDR (http on loopback only)"`
	RedisURL   Secret `envconfig:"REDIS_URL" desc:"redis://, rediss:// or unix://; several addresses for Cluster, with ?master_name= for Sentinel; empty: memory of this one process"`

	AccountSID         string `envconfig:"TWILIO_ACCOUNT_SID" desc:"required; AC…"`
	AuthToken          Secret `envconfig:"TWILIO_AUTH_TOKEN" desc:"required; it signs the webhooks"`
	AuthTokenSecondary Secret `envconfig:"TWILIO_AUTH_TOKEN_SECONDARY" desc:"accepted on webhooks, too, while you rotate"`
	APIKey             string `envconfig:"TWILIO_API_KEY" desc:"SK…; with its secret used for REST instead of the auth token"`
	APISecret          Secret `envconfig:"TWILIO_API_SECRET" desc:"secret of TWILIO_API_KEY"`
	FlowSID            string `envconfig:"TWILIO_FLOW_SID" desc:"required, unless TWILIO_WORKSPACE_SID and TWILIO_WORKFLOW_SID are set; FW… of the Studio flow that sends to Flex"`
	WorkspaceSID       string `envconfig:"TWILIO_WORKSPACE_SID" desc:"WS… of Flex's workspace in TaskRouter, to reach agents without a Studio flow"`
	WorkflowSID        string `envconfig:"TWILIO_WORKFLOW_SID" desc:"WW… of the workflow there that finds the agent"`
	ServiceSID         string `envconfig:"TWILIO_SERVICE_SID" desc:"IS… of the conversation service; empty: the account's default, which is Flex's"`
	APIURL             string `envconfig:"TWILIO_API_URL" desc:"base URL that every REST call goes to instead of Twilio, path and query unchanged"`
	WebhookScope       string `envconfig:"WEBHOOK_SCOPE" default:"conversation" desc:"conversation: each conversation gets a webhook by itself; console: you set up one in the Console"`

	IdentitySecret Secret `envconfig:"IDENTITY_SECRET" desc:"required; 32 bytes or more; names customers. A new one makes every caller a new customer"`

	Wait           time.Duration `envconfig:"WAIT" default:"40s" desc:"longest wait of one request (GPT Actions cut at 45s)"`
	MaxParked      int           `envconfig:"MAX_PARKED" default:"20000" desc:"requests that may wait in this process"`
	LooksPerSecond int           `envconfig:"LOOKS_PER_SECOND" default:"20" desc:"how often a second this process may ask Twilio for what webhooks did not bring"`
	Retention      time.Duration `envconfig:"RETENTION" default:"168h" desc:"how long a conversation is remembered after its last change"`

	Contact   string     `envconfig:"CONTACT_EMAIL" desc:"of the operator, for the plugin manifest and the legal page"`
	LogLevel  slog.Level `envconfig:"LOG_LEVEL" default:"info" desc:"debug, info, warn or error"`
	LogFormat string     `envconfig:"LOG_FORMAT" default:"auto" desc:"json, text, or auto: text on a terminal"`
}

// loadConfig reads the environment and checks all of it.
func loadConfig() (Config, error) {
	c, problems := readConfig()
	return c, badConfig(append(problems, c.problems()...))
}

// readConfig reads the environment, and checks only that it can be read. What
// cannot has its default. The library stops at the first such value, so that is
// set aside until the rest is read.
func readConfig() (c Config, problems []error) {
	for {
		c = Config{}
		err := envconfig.Process("", &c)
		bad := new(envconfig.ParseError)
		if !errors.As(err, &bad) {
			if err != nil {
				problems = append(problems, err)
			}
			return c, problems
		}
		// Its own text repeats the value, which may be a secret misplaced.
		problems = append(problems, fmt.Errorf("  %s is not of its type, %s", bad.KeyName, bad.TypeName))
		value, set := os.LookupEnv(bad.KeyName)
		if !set {
			return c, problems
		}
		os.Unsetenv(bad.KeyName)
		defer os.Setenv(bad.KeyName, value)
	}
}

// badConfig is one error for all problems, and nil without any.
func badConfig(problems []error) error {
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%w", errBadConfig, errors.Join(problems...))
}

var errBadConfig = errors.New("the environment is not right")

// Validate reports every problem at once, by the variable's name, and repeats no
// secret.
func (c Config) Validate() error { return badConfig(c.problems()) }

func (c Config) problems() (problems []error) {
	check := func(ok bool, name, what string) {
		if !ok {
			problems = append(problems, fmt.Errorf("  %s %s", name, what))
		}
	}
	check(publicURL(c.PublicURL), "PUBLIC_URL", "must be an https URL without query, such as https://bridge.example.com (http on loopback only)")
	check(sid("AC", c.AccountSID), "TWILIO_ACCOUNT_SID", "must be AC and 32 hex digits")
	check(alphanumeric(string(c.AuthToken)) && c.AuthToken != "", "TWILIO_AUTH_TOKEN", "must be set, to letters and digits")
	check(alphanumeric(string(c.AuthTokenSecondary)), "TWILIO_AUTH_TOKEN_SECONDARY", "must be letters and digits")
	check(c.APIKey == "" || sid("SK", c.APIKey), "TWILIO_API_KEY", "must be SK and 32 hex digits")
	check((c.APIKey == "") == (c.APISecret == ""), "TWILIO_API_SECRET", "must be set if and only if TWILIO_API_KEY is")
	check(alphanumeric(string(c.APISecret)), "TWILIO_API_SECRET", "must be letters and digits")
	interactions := c.WorkspaceSID != "" || c.WorkflowSID != ""
	check(interactions || sid("FW", c.FlowSID), "TWILIO_FLOW_SID", "must be FW and 32 hex digits, or else TWILIO_WORKSPACE_SID and TWILIO_WORKFLOW_SID must be set")
	check(!interactions || c.FlowSID == "", "TWILIO_FLOW_SID", "must be empty when TWILIO_WORKSPACE_SID or TWILIO_WORKFLOW_SID is set: there is one route to the agents")
	check(!interactions || sid("WS", c.WorkspaceSID), "TWILIO_WORKSPACE_SID", "must be WS and 32 hex digits")
	check(!interactions || sid("WW", c.WorkflowSID), "TWILIO_WORKFLOW_SID", "must be WW and 32 hex digits")
	check(c.ServiceSID == "" || sid("IS", c.ServiceSID), "TWILIO_SERVICE_SID", "must be IS and 32 hex digits")
	check(c.APIURL == "" || absoluteURL(c.APIURL), "TWILIO_API_URL", "must be an http or https URL")
	check(c.WebhookScope == "conversation" || c.WebhookScope == "console", "WEBHOOK_SCOPE", "must be conversation or console")
	check(len(c.IdentitySecret) >= bridge.MinSecret, "IDENTITY_SECRET", fmt.Sprintf("must have %d bytes or more, such as from: openssl rand -hex 32", bridge.MinSecret))
	check(c.Wait >= time.Second && c.Wait <= 5*time.Minute, "WAIT", "must be from 1s to 5m")
	check(c.MaxParked > 0, "MAX_PARKED", "must be more than 0")
	check(c.LooksPerSecond > 0, "LOOKS_PER_SECOND", "must be more than 0")
	check(c.Retention >= time.Hour, "RETENTION", "must be 1h or more")
	check(c.LogFormat == "auto" || c.LogFormat == "json" || c.LogFormat == "text", "LOG_FORMAT", "must be auto, json or text")
	if _, _, err := net.SplitHostPort(c.ListenAddr); err != nil {
		check(false, "LISTEN_ADDR", "must be host:port or :port")
	}
	return problems
}

var (
	sidForm          = regexp.MustCompile(`^[A-Z]{2}[0-9a-f]{32}$`)
	alphanumericForm = regexp.MustCompile(`^[a-zA-Z0-9]*$`)
)

func sid(prefix, s string) bool { return sidForm.MatchString(s) && strings.HasPrefix(s, prefix) }

// alphanumeric is what twilio-go lets through as a user or password.
func alphanumeric(s string) bool { return alphanumericForm.MatchString(s) }

func absoluteURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && u.RawQuery == "" && u.Fragment == "" && u.User == nil
}

func publicURL(s string) bool {
	if !absoluteURL(s) {
		return false
	}
	u, _ := url.Parse(s)
	if u.Scheme == "https" || u.Hostname() == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback()
}

// logger writes to standard error: for people on a terminal, else for machines.
func (c Config) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	format := c.LogFormat
	if format == "auto" {
		format = "json"
		if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			format = "text"
		}
	}
	if format == "text" {
		return slog.New(slog.NewTextHandler(os.Stderr, options))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, options))
}
