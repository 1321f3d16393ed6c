package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/kelseyhightower/envconfig"

	"flexbridge/api"
	"flexbridge/bridge"
	"flexbridge/bridge/flex"
)

// Config is the environment. Its desc tags are README's table.
type Config struct {
	ListenAddr string `envconfig:"LISTEN_ADDR" default:":5002" desc:"address for callers and Twilio"`
	OpsAddr    string `envconfig:"OPS_ADDR" default:"127.0.0.1:9090" desc:"address for operators: /metrics, /livez, /readyz and /debug/pprof/, for anybody who reaches it; empty: none"`
	PublicURL  string `envconfig:"PUBLIC_URL" desc:"required; https URL under which the world reaches LISTEN_ADDR (http on loopback only)"`
	RedisURL   Secret `envconfig:"REDIS_URL" desc:"redis://, rediss:// or unix://; several addresses for Cluster, with ?master_name= for Sentinel; empty: memory of this one process"`

	AccountSID         string `envconfig:"TWILIO_ACCOUNT_SID" desc:"required; AC…"`
	AuthToken          Secret `envconfig:"TWILIO_AUTH_TOKEN" desc:"required; it signs the webhooks"`
	AuthTokenSecondary Secret `envconfig:"TWILIO_AUTH_TOKEN_SECONDARY" desc:"accepted on webhooks, too, while you rotate"`
	APIKey             string `envconfig:"TWILIO_API_KEY" desc:"SK…; with its secret used for REST instead of the auth token"`
	APISecret          Secret `envconfig:"TWILIO_API_SECRET" desc:"secret of TWILIO_API_KEY"`
	FlowSID            string `envconfig:"TWILIO_FLOW_SID" desc:"required, unless TWILIO_WORKSPACE_SID and TWILIO_WORKFLOW_SID are set; FW… of the Studio flow that sends to Flex"`
	WorkspaceSID       string `envconfig:"TWILIO_WORKSPACE_SID" desc:"WS… of Flex's workspace in TaskRouter, to reach agents without a Studio flow; beside one, to be told when no agent is coming"`
	WorkflowSID        string `envconfig:"TWILIO_WORKFLOW_SID" desc:"WW… of the workflow there that finds the agent"`
	TellShift          bool   `envconfig:"TELL_NOBODY_ON_SHIFT" default:"false" desc:"true: who waits without an agent is told when no worker of TWILIO_WORKSPACE_SID is available, which is asked once a minute"`
	ServiceSID         string `envconfig:"TWILIO_SERVICE_SID" desc:"IS… of the conversation service; empty: the account's default, which is Flex's"`
	APIURL             string `envconfig:"TWILIO_API_URL" desc:"base URL that every REST call goes to instead of Twilio, path and query unchanged"`
	CustomerName       string `envconfig:"CUSTOMER_NAME" desc:"how agents see every customer, such as Assistant's customer; empty: Assistant question"`
	WebhookScope       string `envconfig:"WEBHOOK_SCOPE" default:"conversation" desc:"conversation: each conversation gets a webhook by itself; console: you set up one in the Console"`
	WebhookVerify      string `envconfig:"WEBHOOK_VERIFY" default:"enforce" desc:"enforce: a webhook without Twilio's signature is refused; observe: it is logged, acknowledged and supplies nothing, for the first day behind a proxy"`

	InactiveAfter time.Duration `envconfig:"CONVERSATION_INACTIVE_AFTER" default:"1h" desc:"silence after which a conversation turns inactive, from which the next message brings it back; 0: as the account's default is"`
	ClosedAfter   time.Duration `envconfig:"CONVERSATION_CLOSED_AFTER" default:"24h" desc:"how long after that it is closed for good; 0: as the account's default is"`

	IdentitySecret Secret `envconfig:"IDENTITY_SECRET" desc:"required; 32 bytes or more; names customers. A new one makes every caller a new customer"`

	AuthMode     string `envconfig:"AUTH_MODE" desc:"required; who may call. none: anybody; bearer: who has an API key; oidc: who has an issuer's token"`
	APIKeys      Secret `envconfig:"API_KEYS" desc:"with bearer: name:key,name:key"`
	APIKeysFile  string `envconfig:"API_KEYS_FILE" desc:"with bearer: a file of such pairs, one a line, or a directory of files that are named so and hold the keys"`
	OIDCIssuer   string `envconfig:"OIDC_ISSUER" desc:"with oidc: https URL of the OpenID provider, exactly as its tokens name it (http on loopback only)"`
	OIDCAudience string `envconfig:"OIDC_AUDIENCE" desc:"with oidc: what tokens for this service have in aud; several with commas, of which one is enough"`

	Wait                 time.Duration `envconfig:"WAIT" default:"40s" desc:"longest wait of one request (GPT Actions cut at 45s)"`
	MCPWait              time.Duration `envconfig:"MCP_WAIT" default:"50s" desc:"longest wait of one call of an MCP tool (ChatGPT cuts at 60s)"`
	MaxParked            int           `envconfig:"MAX_PARKED" default:"20000" desc:"requests that may wait in this process"`
	MaxParkedPerCaller   int           `envconfig:"MAX_PARKED_PER_CALLER" default:"0" desc:"requests of one application that may wait in this process; 0: only MAX_PARKED holds"`
	QuestionsPerCustomer int           `envconfig:"QUESTIONS_PER_CUSTOMER" default:"20" desc:"questions, and ends of conversations, of one customer in a minute; 0: unlimited"`
	QuestionsPerCaller   int           `envconfig:"QUESTIONS_PER_CALLER" default:"600" desc:"the same of all customers of one application, or of everybody without authentication; 0: unlimited"`
	LooksPerSecond       int           `envconfig:"LOOKS_PER_SECOND" default:"20" desc:"how often a second this process may ask Twilio for what webhooks did not bring"`
	DrainDelay           time.Duration `envconfig:"DRAIN_DELAY" default:"0s" desc:"how long a replica that is to end goes on while /readyz says 503, so that whatever asks that sends nothing here any more when it closes"`
	Retention            time.Duration `envconfig:"RETENTION" default:"168h" desc:"how long a conversation is remembered after its last change"`

	MCPOrigins    string `envconfig:"MCP_ORIGINS" desc:"web origins whose pages may call /mcp, comma-separated, beside PUBLIC_URL's own, ChatGPT's and Claude's"`
	AppsChallenge string `envconfig:"OPENAI_APPS_CHALLENGE" desc:"what OpenAI wants to read at /.well-known/openai-apps-challenge when an app is submitted"`

	MediaLinks time.Duration `envconfig:"MEDIA_LINKS" default:"1h" desc:"how long a link to a file that an agent sent works; 0: no links"`

	Contact   string     `envconfig:"CONTACT_EMAIL" desc:"of the operator, for the plugin manifest and the legal page"`
	LogLevel  slog.Level `envconfig:"LOG_LEVEL" default:"info" desc:"debug, info, warn or error"`
	LogFormat string     `envconfig:"LOG_FORMAT" default:"auto" desc:"json, text, or auto: text on a terminal"`
}

// observe is a value of WEBHOOK_VERIFY.
const observe = "observe"

// loadConfig reads the environment and checks all of it.
func loadConfig() (Config, error) {
	c, problems := examineConfig()
	return c, badConfig(problems)
}

// examineConfig reads the environment and tells all that is wrong with it.
func examineConfig() (Config, []error) {
	c, problems := readConfig()
	_, ofTraces := tracesWanted()
	return c, slices.Concat(problems, c.problems(), ofTraces)
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
	check(api.SecureURL(c.PublicURL), "PUBLIC_URL", "must be an https URL without query, such as https://bridge.example.com (http on loopback only)")
	check(sid("AC", c.AccountSID), "TWILIO_ACCOUNT_SID", "must be AC and 32 hex digits")
	check(alphanumeric(string(c.AuthToken)) && c.AuthToken != "", "TWILIO_AUTH_TOKEN", "must be set, to letters and digits")
	check(alphanumeric(string(c.AuthTokenSecondary)), "TWILIO_AUTH_TOKEN_SECONDARY", "must be letters and digits")
	check(c.APIKey == "" || sid("SK", c.APIKey), "TWILIO_API_KEY", "must be SK and 32 hex digits")
	check((c.APIKey == "") == (c.APISecret == ""), "TWILIO_API_SECRET", "must be set if and only if TWILIO_API_KEY is")
	check(alphanumeric(string(c.APISecret)), "TWILIO_API_SECRET", "must be letters and digits")
	interactions := c.interactions()
	check(interactions || sid("FW", c.FlowSID), "TWILIO_FLOW_SID", "must be FW and 32 hex digits, or else TWILIO_WORKSPACE_SID and TWILIO_WORKFLOW_SID must be set")
	check(!interactions || c.FlowSID == "", "TWILIO_FLOW_SID", "must be empty when TWILIO_WORKFLOW_SID is set: there is one route to the agents")
	check(!interactions && c.WorkspaceSID == "" || sid("WS", c.WorkspaceSID), "TWILIO_WORKSPACE_SID", "must be WS and 32 hex digits")
	check(!interactions || sid("WW", c.WorkflowSID), "TWILIO_WORKFLOW_SID", "must be WW and 32 hex digits")
	check(!c.TellShift || c.WorkspaceSID != "", "TELL_NOBODY_ON_SHIFT", "must be false, or TWILIO_WORKSPACE_SID must be set")
	check(c.ServiceSID == "" || sid("IS", c.ServiceSID), "TWILIO_SERVICE_SID", "must be IS and 32 hex digits")
	check(c.APIURL == "" || api.SecureURL(c.APIURL), "TWILIO_API_URL", "must be an https URL (http on loopback only), as our credentials go there")
	check(displayName(c.CustomerName), "CUSTOMER_NAME", fmt.Sprintf("must be at most %d printable characters", flex.MaxCustomerName))
	check(flex.ValidTimer(c.InactiveAfter, flex.MinInactiveAfter), "CONVERSATION_INACTIVE_AFTER", "must be whole seconds, 1m or more, or 0")
	check(flex.ValidTimer(c.ClosedAfter, flex.MinClosedAfter), "CONVERSATION_CLOSED_AFTER", "must be whole seconds, 10m or more, or 0")
	check(c.WebhookScope == "conversation" || c.WebhookScope == "console", "WEBHOOK_SCOPE", "must be conversation or console")
	check(c.WebhookVerify == "enforce" || c.WebhookVerify == observe, "WEBHOOK_VERIFY", "must be enforce or observe")
	check(len(c.IdentitySecret) >= bridge.MinSecret, "IDENTITY_SECRET", fmt.Sprintf("must have %d bytes or more, such as from: openssl rand -hex 32", bridge.MinSecret))
	check(c.Wait >= time.Second && c.Wait <= 5*time.Minute, "WAIT", "must be from 1s to 5m")
	check(c.MCPWait >= time.Second && c.MCPWait <= 5*time.Minute, "MCP_WAIT", "must be from 1s to 5m")
	check(!slices.ContainsFunc(c.origins(), func(s string) bool { return !origin(s) }), "MCP_ORIGINS", "must be origins such as https://chat.example.com, without a path, separated by commas")
	check(challengeForm.MatchString(c.AppsChallenge), "OPENAI_APPS_CHALLENGE", "must be at most 512 printable ASCII characters without spaces")
	check(c.MaxParked > 0, "MAX_PARKED", "must be more than 0")
	check(budget(c.QuestionsPerCustomer), "QUESTIONS_PER_CUSTOMER", allowedBudget)
	check(budget(c.QuestionsPerCaller), "QUESTIONS_PER_CALLER", allowedBudget)
	check(c.MaxParkedPerCaller >= 0, "MAX_PARKED_PER_CALLER", "must be 0 or more")
	check(c.LooksPerSecond > 0, "LOOKS_PER_SECOND", "must be more than 0")
	check(c.DrainDelay >= 0 && c.DrainDelay <= time.Minute, "DRAIN_DELAY", "must be from 0s to 1m")
	check(c.Retention >= time.Hour, "RETENTION", "must be 1h or more")
	check(c.MediaLinks == 0 || c.MediaLinks >= time.Minute && c.MediaLinks <= 7*24*time.Hour, "MEDIA_LINKS", "must be from 1m to 168h, or 0")
	check(c.LogFormat == "auto" || c.LogFormat == "json" || c.LogFormat == "text", "LOG_FORMAT", "must be auto, json or text")
	_, listenPort, err := net.SplitHostPort(c.ListenAddr)
	check(err == nil, "LISTEN_ADDR", "must be host:port or :port")
	if c.OpsAddr != "" {
		_, port, err := net.SplitHostPort(c.OpsAddr)
		check(err == nil, "OPS_ADDR", "must be host:port or :port, or empty")
		check(err != nil || port != listenPort || port == "0", "OPS_ADDR", "must have another port than LISTEN_ADDR")
	}
	return append(problems, c.authProblems()...)
}

// interactions reports whether agents are reached by Interactions, and not through
// a Studio flow.
func (c Config) interactions() bool {
	return c.WorkflowSID != "" || c.FlowSID == "" && c.WorkspaceSID != ""
}

var (
	sidForm          = regexp.MustCompile(`^[A-Z]{2}[0-9a-f]{32}$`)
	alphanumericForm = regexp.MustCompile(`^[a-zA-Z0-9]*$`)
	challengeForm    = regexp.MustCompile(`^[!-~]{0,512}$`)
)

func sid(prefix, s string) bool { return sidForm.MatchString(s) && strings.HasPrefix(s, prefix) }

// alphanumeric is what twilio-go lets through as a user or password.
func alphanumeric(s string) bool { return alphanumericForm.MatchString(s) }

// budget is what redis_rate counts exactly: its clock has microseconds.
func budget(perMinute int) bool { return perMinute >= 0 && perMinute <= 1_000_000 }

const allowedBudget = "must be from 0, which is unlimited, to 1000000"

// displayName is what Twilio takes as a friendly name, and a person can read.
func displayName(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= flex.MaxCustomerName &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func absoluteURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && u.RawQuery == "" && u.Fragment == "" && u.User == nil
}

// origins are those of MCP_ORIGINS.
func (c Config) origins() []string {
	if c.MCPOrigins == "" {
		return nil
	}
	list := strings.Split(c.MCPOrigins, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// origin is a web origin as browsers spell it (RFC 6454, section 6).
func origin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && absoluteURL(s) && s == u.Scheme+"://"+u.Host && s == strings.ToLower(s) && !strings.Contains(s, "*")
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
