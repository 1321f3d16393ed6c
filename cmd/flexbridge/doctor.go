package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"flexbridge/bridge"
	"flexbridge/bridge/flex"
	"flexbridge/store"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "check everything that the service needs; exit with 0 if all is well, 1 if something is wrong, 2 if something could not be checked",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print one JSON object"}},
		Action: func(ctx context.Context, c *cli.Command) error {
			r := newDoctor().examine(ctx)
			write := r.writeText
			if c.Bool("json") {
				write = r.writeJSON
			}
			if err := write(c.Root().Writer); err != nil {
				return err
			}
			return r.exit()
		},
	}
}

// outcome is what a check comes to.
type outcome string

const (
	fine      outcome = "ok"
	warned    outcome = "warning" // it works, and could be better
	wrong     outcome = "wrong"
	unchecked outcome = "unchecked"
)

// finding is the result of a check. Its JSON form is stable.
type finding struct {
	Name   string  `json:"name"`
	Status outcome `json:"status"`
	Text   string  `json:"text"`         // what was seen
	Do     string  `json:"do,omitempty"` // what to do about it
}

// check is one thing that has to be right. It runs when the variables that it
// reads are right and the checks that it needs found nothing wrong.
type check struct {
	name      string
	variables string
	needs     string // with commas; "rest" is whichever credentials calls are made with
	run       func(*doctor, context.Context) finding
}

const twilioVariables = "TWILIO_ACCOUNT_SID TWILIO_API_URL"

var checks = []check{
	{"configuration", "", "", (*doctor).configuration},
	{"wait", "WAIT MCP_WAIT", "", (*doctor).wait},
	{"auth token", twilioVariables + " TWILIO_AUTH_TOKEN", "", (*doctor).authToken},
	{"API key", twilioVariables + " TWILIO_API_KEY TWILIO_API_SECRET", "", (*doctor).apiKey},
	{"clock", "", "auth token", (*doctor).clock},
	{"service", "TWILIO_SERVICE_SID", "rest", (*doctor).conversationService},
	{"flow", "TWILIO_FLOW_SID", "rest", (*doctor).studioFlow},
	{"workflow", "TWILIO_WORKSPACE_SID TWILIO_WORKFLOW_SID", "flow", (*doctor).workflow},
	{"tasks and workers", "TELL_NOBODY_ON_SHIFT", "workflow", (*doctor).tasksAndWorkers},
	{"webhook settings", "PUBLIC_URL WEBHOOK_SCOPE", "service", (*doctor).webhookSettings},
	{"address", "PUBLIC_URL", "", (*doctor).address},
	{"certificate", "", "address", (*doctor).certificate},
	{"public URL", "", "certificate", (*doctor).publicURL},
	{"unsigned webhook", "WEBHOOK_VERIFY", "public URL", (*doctor).unsignedWebhook},
	{"signed webhook", "TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN TWILIO_AUTH_TOKEN_SECONDARY", "unsigned webhook,auth token", (*doctor).signedWebhook},
	{"version", "", "signed webhook", (*doctor).sameService},
	{"issuer", "AUTH_MODE OIDC_ISSUER OIDC_AUDIENCE", "", (*doctor).issuer},
	{"audience", "AUTH_MODE OIDC_AUDIENCE PUBLIC_URL", "", (*doctor).audience},
	{"resource metadata", "", "public URL,issuer", (*doctor).resourceMetadata},
	{"redis", "REDIS_URL", "", (*doctor).redisServer},
	{"redis eviction", "", "redis", (*doctor).redisEviction},
	{"redis persistence", "", "redis", (*doctor).redisPersistence},
	{"redis memory", "", "redis", (*doctor).redisMemory},
	{"redis latency", "", "redis", (*doctor).redisLatency},
	{"redis clock", "", "redis", (*doctor).redisClock},
	{"identity secret", "IDENTITY_SECRET", "redis", (*doctor).identity},
}

// doctor examines a set-up. What a check learnt is read by those that need it,
// which start when it has ended.
type doctor struct {
	config   Config
	problems []error
	broken   map[string]bool // variables with problems

	limit  time.Duration // of each check; five in a row are the longest chain
	slow   time.Duration // what a ping of Redis may take
	lookup func(context.Context, string) ([]string, error)
	roots  *x509.CertPool // nil: the system's
	client *http.Client   // of PUBLIC_URL

	standing flex.Standing // auth token
	service  string        // service
	flow     flex.Flow     // flow
	server   description   // public URL
	redis    store.Checkup // redis
}

func newDoctor() *doctor {
	c, problems := readConfig()
	d := &doctor{
		config: c, problems: append(problems, c.problems()...), broken: make(map[string]bool),
		limit: 6 * time.Second, slow: slowRedis, lookup: net.DefaultResolver.LookupHost,
	}
	for _, p := range d.problems {
		d.broken[variableOf(p)] = true
	}
	d.config.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	return d
}

// examine runs all checks, at the same time where none needs another.
func (d *doctor) examine(ctx context.Context) report {
	d.client = d.newClient()
	defer d.client.CloseIdleConnections()
	findings := make([]finding, len(checks))
	done := make(map[string]chan struct{})
	number := make(map[string]int)
	for i, c := range checks {
		done[c.name], number[c.name] = make(chan struct{}), i
	}
	for i, c := range checks {
		go func() {
			defer close(done[c.name])
			var blocked string
			for _, need := range d.needs(c) {
				<-done[need]
				if s := findings[number[need]].Status; s == wrong || s == unchecked {
					blocked = need + " comes first"
				}
			}
			findings[i] = d.look(ctx, c, blocked)
		}()
	}
	for _, c := range checks {
		<-done[c.name]
	}
	return report{Version: version(), Result: overall(findings), Checks: findings}
}

func (d *doctor) needs(c check) []string {
	switch {
	case c.needs == "":
		return nil
	case c.needs == "rest" && d.config.APIKey != "":
		return []string{"API key"}
	case c.needs == "rest":
		return []string{"auth token"}
	}
	return strings.Split(c.needs, ",")
}

func (d *doctor) look(ctx context.Context, c check, blocked string) finding {
	for _, name := range strings.Fields(c.variables) {
		if d.broken[name] {
			blocked = name + " is not right"
		}
	}
	f := finding{Status: unchecked, Text: blocked}
	if blocked == "" {
		ctx, cancel := context.WithTimeout(ctx, d.limit)
		defer cancel()
		f = c.run(d, ctx)
	}
	f.Name = c.name
	return f
}

func ok(format string, args ...any) finding {
	return finding{Status: fine, Text: fmt.Sprintf(format, args...)}
}

func warning(do, format string, args ...any) finding {
	return finding{Status: warned, Do: do, Text: fmt.Sprintf(format, args...)}
}

func bad(do, format string, args ...any) finding {
	return finding{Status: wrong, Do: do, Text: fmt.Sprintf(format, args...)}
}

// failed is a call to Twilio that did not bring what was asked for.
func failed(err error) finding {
	if errors.Is(err, bridge.ErrDeskRefused) || errors.Is(err, bridge.ErrGone) {
		return bad("see the error's page at twilio.com/docs/api/errors; an API key with restrictions needs the right to this", "%v", err)
	}
	return finding{Status: unchecked, Text: err.Error(), Do: "try again when Twilio can be reached from here"}
}
