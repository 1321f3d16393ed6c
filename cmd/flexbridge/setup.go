package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"flexbridge/bridge/flex"
	"flexbridge/webhook"
)

func setupCommand() *cli.Command {
	return &cli.Command{
		Name:  "setup",
		Usage: "make what the service needs in the Twilio account, or change it; repeating it changes nothing",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "route", Usage: "studio: agents are reached through a flow, which is made; interactions: without one (default: the environment's, or else studio)"},
			&cli.StringFlag{Name: "workspace", Usage: "SID or name of the workspace, if not Flex's own"},
			&cli.StringFlag{Name: "workflow", Usage: "SID or name of the workflow, if there are several"},
			&cli.StringFlag{Name: "task-channel", Value: flex.TaskChannel, Usage: "SID or name of the task channel"},
			&cli.StringFlag{Name: "webhook", Usage: "console: one webhook for the whole service; conversation: none is needed (default: WEBHOOK_SCOPE)"},
			&cli.BoolFlag{Name: "yes", Usage: "replace somebody else's webhook, or what was changed in the flow, without asking"},
			&cli.BoolFlag{Name: "dry-run", Usage: "show what would change, and change nothing"},
			&cli.BoolFlag{Name: "remove", Usage: "take back what setup made"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			s, err := newSetup(setupOptions{
				route: c.String("route"), workspace: c.String("workspace"), workflow: c.String("workflow"), taskChannel: c.String("task-channel"),
				webhook: c.String("webhook"), yes: c.Bool("yes"), dryRun: c.Bool("dry-run"), remove: c.Bool("remove"),
			}, c.Root().Writer)
			if err != nil {
				return err
			}
			return s.run(ctx)
		},
	}
}

type setupOptions struct {
	route                            string // studio or interactions
	workspace, workflow, taskChannel string // SID or name
	webhook                          string
	yes, dryRun, remove              bool
}

// setup prepares a Twilio account. It looks first, shows every change, and then
// makes them in order.
type setup struct {
	setupOptions
	config   Config // what the environment is, and becomes that which is right
	account  *flex.Account
	out      io.Writer
	terminal io.Reader // who is asked; nil: nobody is there
	service  string
	changes  []change
	lost     []string // what the changes put out of use that is not setup's own
}

// change is one call that changes something.
type change struct {
	what string
	do   func(context.Context) error
}

// The values of --route.
const (
	routeStudio       = "studio"
	routeInteractions = "interactions"
)

// setupTime is the longest that the looks take together, and so the changes.
const setupTime = time.Minute

func newSetup(o setupOptions, out io.Writer) (*setup, error) {
	c, problems := readConfig()
	needed := []string{"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_API_KEY", "TWILIO_API_SECRET", "TWILIO_API_URL", "TWILIO_SERVICE_SID", "PUBLIC_URL", "WEBHOOK_SCOPE"}
	if c.APIKey != "" && c.AuthToken == "" {
		needed = slices.DeleteFunc(needed, func(name string) bool { return name == "TWILIO_AUTH_TOKEN" })
	}
	for _, p := range c.problems() {
		if slices.Contains(needed, variableOf(p)) {
			problems = append(problems, p)
		}
	}
	if err := badConfig(problems); err != nil {
		return nil, err
	}
	if err := o.complete(c); err != nil {
		return nil, err
	}
	c.PublicURL, c.WebhookScope = strings.TrimSuffix(c.PublicURL, "/"), o.webhook
	account, err := newAccount(c, c.APIKey != "")
	if err != nil {
		return nil, err
	}
	s := &setup{setupOptions: o, config: c, account: account, out: out}
	// /dev/null is a device, too: its end is no consent.
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		s.terminal = os.Stdin
	}
	return s, nil
}

// complete takes from the environment what no flag says.
func (o *setupOptions) complete(c Config) error {
	o.webhook = cmp.Or(o.webhook, c.WebhookScope)
	if o.webhook != "console" && o.webhook != "conversation" {
		return errors.New("--webhook must be console or conversation")
	}
	if o.route == "" && c.interactions() {
		o.route = routeInteractions
	}
	o.route = cmp.Or(o.route, routeStudio)
	if o.route != routeStudio && o.route != routeInteractions {
		return errors.New("--route must be studio or interactions")
	}
	return nil
}

// newAccount calls with the API key or with the auth token.
func newAccount(c Config, byKey bool) (*flex.Account, error) {
	credentials := flex.Config{AccountSID: c.AccountSID, AuthToken: string(c.AuthToken), APIURL: c.APIURL}
	if byKey {
		credentials.APIKey, credentials.APISecret = c.APIKey, string(c.APISecret)
	}
	return flex.NewAccount(credentials)
}

// variableOf is the name that a problem of the configuration begins with.
func variableOf(problem error) string {
	name, _, _ := strings.Cut(strings.TrimSpace(problem.Error()), " ")
	return name
}

// hookURL is where Twilio posts. PUBLIC_URL ends without a slash by now.
func (c Config) hookURL() string { return c.PublicURL + webhook.Path }

// isHook reports whether a webhook comes to us, with whatever query.
func (c Config) isHook(address string) bool {
	address, _, _ = strings.Cut(address, "?")
	return address == c.hookURL()
}

func (s *setup) run(ctx context.Context) error {
	defer s.account.CloseIdleConnections()
	plan := s.plan
	if s.remove {
		plan = s.planRemoval
	}
	if err := within(ctx, setupTime, plan); err != nil {
		return err
	}
	s.show()
	if s.dryRun {
		s.say("Nothing was changed.")
		return nil
	}
	if err := s.consent(ctx); err != nil {
		return err
	}
	if err := within(ctx, setupTime, s.makeChanges); err != nil {
		return err
	}
	if !s.remove {
		s.environment()
	}
	return nil
}

func within(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f(ctx)
}

func (s *setup) makeChanges(ctx context.Context) error {
	for _, c := range s.changes {
		if err := c.do(ctx); err != nil {
			return fmt.Errorf("%w\nnot done: %s; what is done stays, and setup can be run again", err, c.what)
		}
		s.say("done: %s", c.what)
	}
	return nil
}

func (s *setup) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s *setup) show() {
	if len(s.changes) == 0 {
		s.say("There is nothing to change.")
	}
	for _, c := range s.changes {
		s.say("to do: %s", c.what)
	}
	for _, l := range s.lost {
		s.say("NOTE: %s", l)
	}
}

var errConsent = errors.New("nothing was changed, as that would put something else out of use: see the notes above, and repeat with --yes to go on all the same")

// consent asks before something that setup did not make goes out of use.
func (s *setup) consent(ctx context.Context) error {
	if len(s.lost) == 0 || s.yes {
		return nil
	}
	if s.terminal == nil {
		return errConsent
	}
	fmt.Fprint(s.out, "Go on? Type yes: ")
	answer := make(chan string, 1)
	go func() { // reading a terminal ends with the process, not with a context
		line, _ := bufio.NewReader(s.terminal).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case line := <-answer:
		if line != "yes" {
			return errConsent
		}
		return nil
	case <-ctx.Done():
		return errConsent
	}
}

// environment prints the lines of .env that follow from the account. Secrets are
// left to who has them.
func (s *setup) environment() {
	s.say("\n# These lines belong in .env, beside the secrets and AUTH_MODE.")
	s.say("PUBLIC_URL=%s", s.config.PublicURL)
	s.say("TWILIO_ACCOUNT_SID=%s", s.config.AccountSID)
	s.say("TWILIO_FLOW_SID=%s", s.config.FlowSID)
	s.say("TWILIO_WORKSPACE_SID=%s", s.config.WorkspaceSID)
	s.say("TWILIO_WORKFLOW_SID=%s", s.config.WorkflowSID)
	s.say("WEBHOOK_SCOPE=%s", s.config.WebhookScope)
	if s.config.APIURL != "" {
		s.say("TWILIO_API_URL=%s", s.config.APIURL)
	}
}
