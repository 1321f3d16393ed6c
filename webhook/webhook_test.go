package webhook_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	"flexbridge/bridge"
	"flexbridge/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	public       = "https://bridge.example.com"
	primary      = "primary_token"
	secondary    = "secondary_token"
	account      = "AC0123456789abcdef0123456789abcdef"
	conversation = "CH00000000000000000000000000000001"
)

// desk records what is delivered and hinted at, and fails with err.
type desk struct {
	events []bridge.Event
	hints  []string
	err    error
}

func (d *desk) Deliver(_ context.Context, e bridge.Event) error {
	d.events = append(d.events, e)
	return d.err
}

func (d *desk) Hint(_ context.Context, conversation string) { d.hints = append(d.hints, conversation) }

func keyring(t testing.TB) *bridge.Keyring {
	t.Helper()
	keys, err := bridge.NewKeyring([]byte(strings.Repeat("k", bridge.MinSecret)))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func config(t testing.TB) webhook.Config {
	return webhook.Config{
		PublicURL: public, AccountSID: account,
		AuthTokens: []string{primary, secondary}, Keys: keyring(t),
	}
}

func newHandler(t testing.TB, cfg webhook.Config, d webhook.Deliverer) (*webhook.Handler, http.Handler) {
	t.Helper()
	h, err := webhook.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	h.Register(e)
	return h, e
}

// only checks that one request was counted, and as what.
func only(t testing.TB, h *webhook.Handler, want webhook.Outcome) {
	t.Helper()
	for outcome, n := range h.Counts() {
		if (outcome == want) != (n == 1) {
			t.Errorf("Counts()[%q] = %d, want one %q and nothing else", outcome, n, want)
		}
	}
}

// post is a request that Twilio signed with the primary token.
func post(target, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Twilio-Signature", signForm(primary, public+target, body))
	return r
}

func TestNewRefuses(t *testing.T) {
	rows := map[string]func(*webhook.Config){
		"no public URL":          func(c *webhook.Config) { c.PublicURL = "" },
		"a slash at its end":     func(c *webhook.Config) { c.PublicURL = public + "/" },
		"no account":             func(c *webhook.Config) { c.AccountSID = "" },
		"no keys":                func(c *webhook.Config) { c.Keys = nil },
		"no token":               func(c *webhook.Config) { c.AuthTokens = nil },
		"an empty token":         func(c *webhook.Config) { c.AuthTokens = []string{primary, ""} },
		"a token of white space": func(c *webhook.Config) { c.AuthTokens = []string{" "} },
	}
	for name, change := range rows {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			change(&cfg)
			if h, err := webhook.New(cfg, &desk{}); err == nil || h != nil {
				t.Errorf("New = %v, %v, want an error", h, err)
			}
		})
	}
}

func TestNotesEachOutcome(t *testing.T) {
	for body, want := range map[string]webhook.Outcome{goodForm: webhook.MessageAdded, goodForm + "&Body=again": webhook.RepeatedName} {
		cfg := config(t)
		var noted []webhook.Outcome
		cfg.Note = func(_ echo.Context, r webhook.Receipt) { noted = append(noted, r.Outcome) }
		_, handler := newHandler(t, cfg, &desk{})
		handler.ServeHTTP(httptest.NewRecorder(), post("/twilio/webhook", body))
		if !slices.Equal(noted, []webhook.Outcome{want}) {
			t.Errorf("noted %q, want %q", noted, want)
		}
	}
}
