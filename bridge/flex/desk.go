// Package flex is the desk at which agents sit in Twilio Flex.
//
// A conversation of the bridge is a conversation of Twilio Conversations, the
// classic v1 API, in which the customer is a chat participant. A webhook of its
// own tells us what happens in it. There are two routes to the agents. Either a
// Studio flow that sends it to Flex is attached to it, and the customer's first
// message starts that flow; this is described in "Integrate a custom chat client
// with Flex"
// (twilio.com/docs/flex/developer/conversations/integrate-a-custom-chat-client-with-flex).
// Or an Interaction is made of it, which raises the task without a flow.
package flex

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/twilio/twilio-go/client"

	"flexbridge/bridge"
)

// Config is what a desk is made from.
type Config struct {
	// AccountSID and AuthToken are the account's credentials. With APIKey and
	// APISecret those are used instead, and AuthToken may be empty. Twilio's Go
	// library sends letters and digits only.
	AccountSID, AuthToken string
	APIKey, APISecret     string

	// FlowSID is the Studio flow that sends conversations to Flex: the Studio route.
	// Without it WorkspaceSID and WorkflowSID, of Flex's TaskRouter, are the
	// Interactions route. Exactly one route is required. On the Studio route
	// WorkspaceSID is optional: with it Abandoned can tell when no agent is coming.
	FlowSID                   string
	WorkspaceSID, WorkflowSID string

	// TellShift has OnShift ask for the workers of the workspace, which is required then.
	TellShift bool

	// ServiceSID is the conversation service; empty is the account's default one,
	// which has to be Flex's own ("Conversations best practices",
	// twilio.com/docs/flex/developer/conversations/best-practices).
	ServiceSID string

	// APIURL takes Twilio's place in every call, with path and query unchanged;
	// empty is the hosts of Twilio's APIs. TWILIO_EDGE and TWILIO_REGION of
	// the environment have no effect.
	APIURL string

	// WebhookURL is the public URL of our webhook, without a query. Required
	// unless ConsoleScope is set.
	WebhookURL string

	// CustomerName is how agents and the console see every customer: at most
	// [MaxCustomerName] characters, and nothing that identifies one. Empty is
	// "Assistant question".
	CustomerName string

	// InactiveAfter is how long a conversation must be silent to turn inactive, from
	// which the next message brings it back; ClosedAfter how long it must stay so to be
	// closed for good. 0 sets no timer, so that the account's default one holds. At
	// least [MinInactiveAfter] and [MinClosedAfter], in whole seconds.
	InactiveAfter, ClosedAfter time.Duration

	// ConsoleScope says that one webhook for all conversations was set up in
	// Twilio's console, so that none is made for each.
	ConsoleScope bool

	// Keys marks the webhooks that we made. Required.
	Keys *bridge.Keyring

	// Timeout limits each HTTP request; 0 is 10 seconds.
	Timeout time.Duration

	// Logger tells of calls that are tried again; nil is silent.
	Logger *slog.Logger

	// Tried is told of each REST request, once it is over, from many goroutines; nil
	// is nobody.
	Tried func(context.Context, Try)
}

// MaxCustomerName is the longest friendly name, in characters ("Conversations
// Limits", twilio.com/docs/conversations/conversations-limits).
const MaxCustomerName = 256

const (
	defaultCustomerName = "Assistant question"
	defaultTimeout      = 10 * time.Second
	// maxHookURL: error 50372, twilio.com/docs/api/errors/50372.
	maxHookURL = 512
)

// Desk is safe for concurrent use. It keeps connections open between calls, see
// CloseIdleConnections, and has no goroutines of its own.
type Desk struct {
	config      Config
	credentials *client.Credentials
	base        *url.URL // in place of Twilio's hosts, or nil
	transport   *http.Transport
	log         *slog.Logger
	tried       func(context.Context, Try)

	defaultService atomic.Pointer[string] // the account's, once it was asked for
}

var _ bridge.Desk = (*Desk)(nil)

// New makes a desk; it calls nobody. Its errors name what is wrong with the
// configuration, and hold no secret.
func New(c Config) (*Desk, error) {
	d, err := connect(c)
	if err != nil {
		return nil, err
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	return d, nil
}

// connect makes what all calls need, of a desk or for an [Account].
func connect(c Config) (*Desk, error) {
	var base *url.URL
	if c.APIURL != "" {
		var err error
		if base, err = absolute(c.APIURL); err != nil {
			return nil, fmt.Errorf("the address of the API: %w", err)
		}
	}
	credentials := client.NewCredentials(c.AccountSID, c.AuthToken)
	if c.APIKey != "" || c.APISecret != "" {
		credentials = client.NewCredentials(c.APIKey, c.APISecret)
	}
	switch {
	case !alphanumeric.MatchString(credentials.Username):
		return nil, errors.New("the account SID or API key is missing or has characters other than letters and digits")
	case !alphanumeric.MatchString(credentials.Password):
		return nil, errors.New("the auth token or API secret is missing or has characters other than letters and digits")
	}
	c.CustomerName = cmp.Or(c.CustomerName, defaultCustomerName)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)

	transport := http.DefaultTransport.(*http.Transport).Clone()
	// The default of 2 for a host would open a connection for nearly every call
	// once a few callers ask at the same time.
	transport.MaxIdleConnsPerHost = 64
	transport.MaxIdleConns = 64

	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	tried := c.Tried
	if tried == nil {
		tried = func(context.Context, Try) {}
	}
	return &Desk{config: c, credentials: credentials, base: base, transport: transport, log: log, tried: tried}, nil
}

// CloseIdleConnections closes the connections that no call uses at present. The
// desk remains usable.
func (d *Desk) CloseIdleConnections() { d.transport.CloseIdleConnections() }

var alphanumeric = regexp.MustCompile(`^[A-Za-z0-9]+$`)

func (c Config) validate() error {
	switch {
	case (c.FlowSID == "") == (c.WorkflowSID == ""):
		return errors.New("either the SID of a Studio flow or those of a workspace and a workflow must be given")
	case c.WorkflowSID != "" && c.WorkspaceSID == "":
		return errors.New("the SID of the workspace is missing")
	case c.TellShift && c.WorkspaceSID == "":
		return errors.New("who is on shift cannot be told without the SID of the workspace")
	case utf8.RuneCountInString(c.CustomerName) > MaxCustomerName:
		return fmt.Errorf("the customers' name has more than %d characters", MaxCustomerName)
	case c.Keys == nil:
		return errors.New("the keyring is missing")
	}
	if err := c.validTimers(); err != nil {
		return err
	}
	if c.ConsoleScope {
		return nil
	}
	if _, err := absolute(c.WebhookURL); err != nil {
		return fmt.Errorf("our webhook: %w", err)
	}
	if hook := c.Keys.HookURL(c.WebhookURL, strings.Repeat("0", 34)); len(hook) > maxHookURL {
		return fmt.Errorf("our webhook: its URL would have %d characters, and Twilio takes %d", len(hook), maxHookURL)
	}
	return nil
}

// absolute parses an http(s) URL that ends with its path. The parser's own error
// is left out, as it repeats a URL that may hold a password.
func absolute(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, errors.New("not an absolute http or https URL")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errors.New("a URL with user, query or fragment, which it must not have")
	}
	return u, nil
}
