package flex_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbridge/bridge"
	"flexbridge/bridge/flex"
	"flexbridge/bridge/flex/flexsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	customer = bridge.Customer("0123456789abcdef0123456789abcdef")
	stranger = bridge.Customer("ffffffffffffffffffffffffffffffff")
	hookURL  = "https://bridge.example.com/twilio/webhook"
	token    = "theAuthTokenIsSecret"
	secret   = "theApiSecretIsSecret"
)

// world is a desk at a pretend Twilio, on the Studio route, and the same on the
// Interactions route.
type world struct {
	*flex.Desk
	interactions *flex.Desk

	sim    *flexsim.Sim
	server *httptest.Server
	keys   *bridge.Keyring
	log    *logbook
}

func newWorld(t *testing.T, change ...func(*flex.Config)) *world {
	t.Helper()
	keys, err := bridge.NewKeyring([]byte(strings.Repeat("k", bridge.MinSecret)))
	if err != nil {
		t.Fatal(err)
	}
	sim := flexsim.New(flexsim.Config{AuthToken: token, APIKey: "SK1", APISecret: secret})
	server := httptest.NewServer(sim)
	w := &world{sim: sim, server: server, keys: keys, log: new(logbook)}
	config := flex.Config{
		AccountSID: flexsim.AccountSID,
		AuthToken:  token,
		FlowSID:    flexsim.FlowSID,
		APIURL:     server.URL,
		WebhookURL: hookURL,
		Keys:       keys,
		Logger:     slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&config)
	}
	if w.Desk, err = flex.New(config); err != nil {
		t.Fatal(err)
	}
	byInteractions(&config)
	if w.interactions, err = flex.New(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sim.Close()
		w.CloseIdleConnections()
		w.interactions.CloseIdleConnections()
		server.Close()
	})
	return w
}

// byInteractions changes the route, and tells who is on shift.
func byInteractions(c *flex.Config) {
	c.FlowSID, c.WorkspaceSID, c.WorkflowSID, c.TellShift = "", flexsim.WorkspaceSID, flexsim.WorkflowSID, true
}

// open makes a conversation of the customer's with everything attached.
func (w *world) open(t *testing.T, generation int) string {
	t.Helper()
	sid, err := w.Create(t.Context(), customer, generation, bridge.About{})
	if err == nil {
		err = w.Join(t.Context(), sid, customer)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sid
}

// fresh forgets the calls made so far, and the connections: net/http itself
// repeats a read that is cut off on a connection which was used before.
func (w *world) fresh() {
	w.CloseIdleConnections()
	w.interactions.CloseIdleConnections()
	w.sim.Reset()
}

func (w *world) conversation(t *testing.T, sid string) flexsim.Conversation {
	t.Helper()
	c, ok := w.sim.Conversation(sid)
	if !ok {
		t.Fatalf("no conversation %s", sid)
	}
	return c
}

// method is one of the desk's methods that calls Twilio, and its operation there.
type method struct {
	name  string
	op    flexsim.Op
	reads bool
	call  func(ctx context.Context, d *flex.Desk, conversation string) error

	interactions  bool // it is that of the Interactions route
	before, after int  // calls besides that of the operation
}

// do calls the method of the desk whose it is.
func (w *world) do(ctx context.Context, m method, conversation string) error {
	if m.interactions {
		return m.call(ctx, w.interactions, conversation)
	}
	return m.call(ctx, w.Desk, conversation)
}

var methods = []method{
	{name: "Find", op: flexsim.ListParticipantConversations, reads: true, call: func(ctx context.Context, d *flex.Desk, _ string) error {
		_, err := d.Find(ctx, customer)
		return err
	}},
	{name: "Create", op: flexsim.CreateConversation, call: func(ctx context.Context, d *flex.Desk, _ string) error {
		_, err := d.Create(ctx, customer, 7, bridge.About{})
		return err
	}},
	{name: "Fetch", op: flexsim.FetchConversation, reads: true, call: func(ctx context.Context, d *flex.Desk, _ string) error {
		_, err := d.Fetch(ctx, customer, 0)
		return err
	}},
	{name: "Join", op: flexsim.CreateParticipant, call: func(ctx context.Context, d *flex.Desk, c string) error {
		return d.Join(ctx, c, stranger)
	}},
	{name: "Hook", op: flexsim.CreateWebhook, call: func(ctx context.Context, d *flex.Desk, c string) error {
		return d.Hook(ctx, c)
	}},
	{name: "Route", op: flexsim.CreateWebhook, call: func(ctx context.Context, d *flex.Desk, c string) error {
		return d.Route(ctx, c, bridge.About{})
	}},
	{name: "Hooks", op: flexsim.ListWebhooks, reads: true, call: func(ctx context.Context, d *flex.Desk, c string) error {
		_, _, err := d.Hooks(ctx, c)
		return err
	}},
	{name: "Say", op: flexsim.CreateMessage, call: func(ctx context.Context, d *flex.Desk, c string) error {
		_, err := d.Say(ctx, c, bridge.Utterance{Customer: customer, Text: "hello", Nonce: "n"})
		return err
	}},
	{name: "State", op: flexsim.FetchConversation, reads: true, call: func(ctx context.Context, d *flex.Desk, c string) error {
		_, err := d.State(ctx, c)
		return err
	}},
	{name: "Since", op: flexsim.ListMessages, reads: true, call: func(ctx context.Context, d *flex.Desk, c string) error {
		_, err := d.Since(ctx, c, -1)
		return err
	}},
	{name: "Close", op: flexsim.UpdateConversation, call: func(ctx context.Context, d *flex.Desk, c string) error {
		return d.Close(ctx, c)
	}},
	{name: "Route by Interaction", op: flexsim.CreateInteraction, interactions: true, call: func(ctx context.Context, d *flex.Desk, c string) error {
		return d.Route(ctx, c, bridge.About{})
	}},
	{name: "Hooks and tasks", op: flexsim.ListTasks, reads: true, interactions: true, before: 1,
		call: func(ctx context.Context, d *flex.Desk, c string) error {
			_, _, err := d.Hooks(ctx, c)
			return err
		}},
	{name: "Abandoned", op: flexsim.ListTasks, reads: true, interactions: true, after: 2, // there is no task
		call: func(ctx context.Context, d *flex.Desk, c string) error {
			_, err := d.Abandoned(ctx, c)
			return err
		}},
	{name: "OnShift", op: flexsim.ListWorkers, reads: true, interactions: true, call: func(ctx context.Context, d *flex.Desk, c string) error {
		_, err := d.OnShift(ctx)
		return err
	}},
}

// outcomes are the errors of which a desk's error wraps one or none.
var outcomes = []error{
	bridge.ErrTaken, bridge.ErrClosed, bridge.ErrGone, bridge.ErrDeskRefused, bridge.ErrDeskUnavailable,
}

// errUnknown stands for an error that leaves the outcome unknown.
var errUnknown = errors.New("unknown outcome")

// outcome checks that err wraps want and nothing else of outcomes, and no secret.
func (w *world) outcome(t *testing.T, what string, err, want error) {
	t.Helper()
	if want == nil {
		if err != nil {
			t.Errorf("%s = %v, want no error", what, err)
		}
		return
	}
	if err == nil {
		t.Errorf("%s succeeded, want %v", what, want)
		return
	}
	for _, o := range outcomes {
		if got := errors.Is(err, o); got != (o == want) {
			t.Errorf("%s = %q, want %v", what, err, want)
		}
	}
	for _, text := range []string{err.Error(), w.log.String()} {
		if strings.Contains(text, token) || strings.Contains(text, secret) || strings.Contains(text, "Basic ") {
			t.Errorf("%s: a secret stands in %q", what, text)
		}
	}
}

// logbook is what was logged.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// within is a context that ends the test's waiting when nothing comes.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
