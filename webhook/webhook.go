// Package webhook is Twilio's door: it verifies what Twilio posts about a
// conversation, translates it, and hands it to the bridge.
//
// A webhook is answered at once: 204 when the event is kept or is of no use to
// us, 4xx when it is not from Twilio or not of its form, 503 when it could not be
// kept. Twilio neither reads the answer's body nor calls again, so an error only
// shows in its debugger; what was missed is found by a look at the desk. Every
// request ends in exactly one [Outcome], and those are counted; the log has the
// first refusals for each reason, then one every ten seconds.
//
// The signature covers neither time nor the second value of a repeated name, so
// names may not repeat, and a request that is replayed is a duplicate, which the
// bridge ignores.
package webhook

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/twilio/twilio-go/client"

	"flexbridge/bridge"
)

// Path is where Twilio posts, below the public URL.
const Path = "/twilio/webhook"

// Deliverer takes what the desk reports.
type Deliverer interface {
	// Deliver keeps an event. It decides how long that may take; an error means
	// that the event is not kept.
	Deliver(context.Context, bridge.Event) error
	// Hint looks for news of a conversation by other means, sparingly and without
	// keeping the caller: who tells of them is not proved to be the desk.
	Hint(ctx context.Context, conversation string)
}

// Config says whose webhooks are accepted. Everything but Observe, Note and Logger
// is required.
type Config struct {
	// PublicURL is the address that Twilio knows, without a slash at its end. The
	// signature is checked over it, whatever host or scheme a request claims.
	PublicURL string
	// AccountSID is the account whose events these are.
	AccountSID string
	// AuthTokens are the account's auth tokens, any of which may have signed:
	// during a rotation the primary and the one that is about to replace it.
	AuthTokens []string
	// Keys tell which hooks we registered.
	Keys *bridge.Keyring
	// Observe answers 204 to what it would refuse as [Unsigned] or [Forged], counts
	// and logs it as that, and makes it a hint: nothing that it says is taken over.
	// It is for finding out what a proxy does to the URL.
	Observe bool
	// Note is told of each request, for its line in the log and to count it; nil means
	// that nobody is.
	Note func(echo.Context, Receipt)
	// Logger gets the refusals; nil means silent.
	Logger *slog.Logger
}

var (
	errPublicURL = errors.New("webhook: a public URL is needed, without a slash at its end")
	errAccount   = errors.New("webhook: an account SID is needed")
	errTokens    = errors.New("webhook: an auth token is needed, and none may be empty")
	errKeys      = errors.New("webhook: a keyring is needed")
)

// Handler receives Twilio's webhooks. It is safe for concurrent use.
type Handler struct {
	publicURL  string
	accountSID string
	validators []client.RequestValidator
	keys       *bridge.Keyring
	observe    bool
	deliverer  Deliverer
	note       func(echo.Context, Receipt)
	log        *slog.Logger
	tallies    map[Outcome]*tally // one for each outcome; never written after New
}

// New returns a handler that passes events to d. It refuses an incomplete
// Config, above all an empty auth token: twilio-go's RequestValidator accepts
// what anybody signed with the empty key.
func New(cfg Config, d Deliverer) (*Handler, error) {
	h := &Handler{
		publicURL:  cfg.PublicURL,
		accountSID: cfg.AccountSID,
		keys:       cfg.Keys,
		observe:    cfg.Observe,
		deliverer:  d,
		note:       cfg.Note,
		log:        cfg.Logger,
		tallies:    make(map[Outcome]*tally),
	}
	if cfg.PublicURL == "" || strings.HasSuffix(cfg.PublicURL, "/") {
		return nil, errPublicURL
	}
	if cfg.AccountSID == "" {
		return nil, errAccount
	}
	if cfg.Keys == nil {
		return nil, errKeys
	}
	for _, token := range cfg.AuthTokens {
		if strings.TrimSpace(token) == "" {
			return nil, errTokens
		}
		h.validators = append(h.validators, client.NewRequestValidator(token))
	}
	if len(h.validators) == 0 {
		return nil, errTokens
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.note == nil {
		h.note = func(echo.Context, Receipt) {}
	}
	for _, o := range outcomes {
		h.tallies[o] = newTally()
	}
	return h, nil
}

// Register serves [Path]. Errors are returned as *echo.HTTPError, for echo's
// HTTPErrorHandler to write.
func (h *Handler) Register(e *echo.Echo) {
	// Every method, because the answer to a wrong one tells how to set the hook right.
	e.Any(Path, h.serve)
}

// Counts returns how many requests ended in each outcome since New. The map is
// the caller's and has every outcome.
func (h *Handler) Counts() map[Outcome]uint64 {
	counts := make(map[Outcome]uint64, len(h.tallies))
	for o, t := range h.tallies {
		counts[o] = t.count.Load()
	}
	return counts
}

// serve answers a request by its outcome.
func (h *Handler) serve(c echo.Context) error {
	receipt := Receipt{Type: OtherType}
	outcome, err := h.receive(c, &receipt)
	receipt.Outcome = outcome
	tally := h.tallies[outcome]
	tally.count.Add(1)
	h.note(c, receipt)
	refusal, refused := refusals[outcome]
	if !refused {
		return c.NoContent(http.StatusNoContent)
	}
	message, level := "webhook refused", refusal.level
	tolerated := h.observe && outcome.unproved()
	if tolerated {
		message, level = "webhook would be refused", slog.LevelWarn
	}
	tally.sparingly(func(suppressed uint64) {
		h.log.Log(c.Request().Context(), level, message,
			"outcome", string(outcome), "hint", refusal.text, "err", err, "suppressed", suppressed)
	})
	if tolerated {
		return c.NoContent(http.StatusNoContent)
	}
	if outcome == WrongMethod {
		c.Response().Header().Set(echo.HeaderAllow, http.MethodPost)
	}
	return echo.NewHTTPError(refusal.status, refusal.text)
}
