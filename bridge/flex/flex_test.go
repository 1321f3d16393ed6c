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

// world is a desk at a pretend Twilio.
type world struct {
	*flex.Desk
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
	t.Cleanup(func() {
		sim.Close()
		w.CloseIdleConnections()
		server.Close()
	})
	return w
}

// open makes a conversation of the customer's with everything attached.
func (w *world) open(t *testing.T, generation int) string {
	t.Helper()
	sid, err := w.Create(t.Context(), customer, generation)
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
}

var methods = []method{
	{"Find", flexsim.ListParticipantConversations, true, func(ctx context.Context, d *flex.Desk, _ string) error {
		_, err := d.Find(ctx, customer)
		return err
	}},
	{"Create", flexsim.CreateConversation, false, func(ctx context.Context, d *flex.Desk, _ string) error {
		_, err := d.Create(ctx, customer, 7)
		return err
	}},
	{"Fetch", flexsim.FetchConversation, true, func(ctx context.Context, d *flex.Desk, _ string) error {
		_, err := d.Fetch(ctx, customer, 0)
		return err
	}},
	{"Join", flexsim.CreateParticipant, false, func(ctx context.Context, d *flex.Desk, c string) error {
		return d.Join(ctx, c, stranger)
	}},
	{"Hook", flexsim.CreateWebhook, false, func(ctx context.Context, d *flex.Desk, c string) error {
		return d.Hook(ctx, c)
	}},
	{"Route", flexsim.CreateWebhook, false, func(ctx context.Context, d *flex.Desk, c string) error {
		return d.Route(ctx, c)
	}},
	{"Hooks", flexsim.ListWebhooks, true, func(ctx context.Context, d *flex.Desk, c string) error {
		_, _, err := d.Hooks(ctx, c)
		return err
	}},
	{"Say", flexsim.CreateMessage, false, func(ctx context.Context, d *flex.Desk, c string) error {
		_, err := d.Say(ctx, c, bridge.Utterance{Customer: customer, Text: "hello", Nonce: "n"})
		return err
	}},
	{"State", flexsim.FetchConversation, true, func(ctx context.Context, d *flex.Desk, c string) error {
		_, err := d.State(ctx, c)
		return err
	}},
	{"Since", flexsim.ListMessages, true, func(ctx context.Context, d *flex.Desk, c string) error {
		_, err := d.Since(ctx, c, -1)
		return err
	}},
	{"Close", flexsim.UpdateConversation, false, func(ctx context.Context, d *flex.Desk, c string) error {
		return d.Close(ctx, c)
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
