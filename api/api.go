// Package api is the callers' HTTP: an assistant asks a person, waits for the
// reply, and ends the conversation.
//
//	POST /send/{username}     ask, and wait
//	GET  /replies/{username}  wait
//	POST /end/{username}      close the conversation
//	POST /mcp                 the same, as tools for MCP clients
//	GET  /media/{token}       a file that came with a reply
//
// Where a token names a person (see [OIDCAuth]), there is no username in the path.
// All but the last answer in one shape, in which a wait that ran out is a status and
// not an error. Errors are problem documents (RFC 9457) with a code that does not
// change and a detail that tells a model what to do. The package also serves what
// describes the service (OpenAPI, the plugin manifest, logo, legal page) and what
// an orchestrator asks (/livez, /readyz).
//
// Who may call is for [Auth] to say. Without a person in the credentials the
// username is a capability: who knows it, and may call, reads the conversation. It
// is turned into a customer at the door, and neither it nor any text is logged. An
// MCP client has no username: the first answer issues a handle, which is sealed for
// its caller.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"go.opentelemetry.io/otel/trace"

	"flexbridge/bridge"
)

// Asker is what the service does; *bridge.Bridge is one.
type Asker interface {
	Ask(context.Context, bridge.Question) (bridge.Answer, error)
	AskThen(ctx context.Context, q bridge.Question, over func(bridge.Answer, error))
	Await(ctx context.Context, c bridge.Customer, after bridge.Cursor, deadline time.Time) (bridge.Answer, error)
	AwaitThen(ctx context.Context, c bridge.Customer, after bridge.Cursor, deadline time.Time, over func(bridge.Answer, error))
	End(ctx context.Context, c bridge.Customer, after bridge.Cursor) (bridge.Answer, error)
}

// Config describes one deployment. PublicURL, Keys and Auth are required.
type Config struct {
	// PublicURL is where the world reaches the service: http or https, a host,
	// perhaps a path, no slash at its end.
	PublicURL string
	// Wait is the longest wait of one request, and the wait of one that does not
	// say. 0 means 40 s, as GPT Actions cut a call at 45 s ("GPT Actions:
	// production notes" in OpenAI's documentation).
	Wait time.Duration
	// BodyTimeout is how long a request's body may take to arrive. 0 means 10 s.
	BodyTimeout time.Duration
	// ParkAfter is how long a request may take before it is parked, see [Listen]: those
	// answered sooner are not worth the effort. 0 means 100 ms.
	ParkAfter time.Duration
	// Keys turn callers into customers.
	Keys *bridge.Keyring
	// Auth tells who calls. Required, so that letting anybody in is a decision.
	Auth Auth
	// Limiter counts questions, those of all replicas together if it can. Required if
	// one of the two limits is set.
	Limiter Limiter
	// QuestionsPerCustomer and QuestionsPerCaller limit what is said or ended in a
	// minute by one customer, and by all customers of one application. 0 means
	// unlimited.
	QuestionsPerCustomer, QuestionsPerCaller int
	// MaxParkedPerCaller is how many requests of one application may be here at
	// once. 0 means unlimited, and so does it where nobody has to say who calls.
	MaxParkedPerCaller int
	// Files is where the files of messages lie, and LinkLife how long a link to one
	// works. Without either answers have no links.
	Files    Files
	LinkLife time.Duration
	// Ready tells why no request should be sent here now; nil means always ready.
	Ready func(context.Context) error
	// MCP is the door for MCP clients.
	MCP MCP
	// Contact is the operator's e-mail address, for the manifest and the legal page.
	Contact string
	// Version stands in the OpenAPI document. Empty means "dev".
	Version string
	// Logger gets one line for each exchange; nil means silent.
	Logger *slog.Logger
	// Problem is told the code of each error answer, one of [Codes], but not of those
	// that have another outcome (see [Note]) or that answer a probe; nil is nobody.
	Problem func(code string)
	// Tracer gets a span for each exchange and each call of a tool; nil means that
	// nothing is followed, at no cost.
	Tracer trace.Tracer
}

var (
	errPublicURL = errors.New("api: the public URL is not http(s)://host[/path] without a slash at its end")
	errKeys      = errors.New("api: a keyring is needed")
	errLimiter   = errors.New("api: questions are limited and nobody counts them")
	errAuth      = errors.New("api: it must be said who may call")
)

// API serves the callers. It is safe for concurrent use.
type API struct {
	cfg     Config
	asker   Asker
	log     *slog.Logger
	headers http.Header // of every answer, see secureHeaders
	pages   []page
	door    door // of the plain operations
	mcp     *mcpDoor

	places    places
	downloads downloads
}

// New returns an API that passes questions to asker. It refuses a PublicURL that
// cannot stand in the documents made from it.
func New(cfg Config, asker Asker) (*API, error) {
	u, err := url.Parse(cfg.PublicURL)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" ||
		u.String() != u.Scheme+"://"+u.Host+u.EscapedPath() || strings.HasSuffix(cfg.PublicURL, "/") {
		return nil, errPublicURL
	}
	if cfg.Keys == nil {
		return nil, errKeys
	}
	if cfg.Auth == nil {
		return nil, errAuth
	}
	if cfg.Limiter == nil && (cfg.QuestionsPerCustomer > 0 || cfg.QuestionsPerCaller > 0) {
		return nil, errLimiter
	}
	if cfg.Wait == 0 {
		cfg.Wait = 40 * time.Second
	}
	if cfg.BodyTimeout == 0 {
		cfg.BodyTimeout = 10 * time.Second
	}
	if cfg.ParkAfter == 0 {
		cfg.ParkAfter = 100 * time.Millisecond
	}
	cfg.MCP = cfg.MCP.withDefaults()
	if cfg.Version == "" {
		cfg.Version = "dev"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Problem == nil {
		cfg.Problem = func(string) {}
	}
	if cfg.Ready == nil {
		cfg.Ready = func(context.Context) error { return nil }
	}
	pages, err := makePages(cfg)
	if err != nil {
		return nil, fmt.Errorf("api: making the documents: %w", err)
	}
	a := &API{
		cfg: cfg, asker: asker, log: cfg.Logger, headers: secureHeaders(cfg.PublicURL), pages: pages,
		door: doorUsername, downloads: newDownloads(),
	}
	if cfg.Auth.scheme().mode == ModeOIDC {
		a.door = doorPerson
	}
	a.mcp, err = a.newMCP()
	return a, err
}

// Register serves everything of the package on e, becomes its HTTPErrorHandler,
// and logs and recovers for all of e's routes, whoever registered them.
func (a *API) Register(e *echo.Echo) {
	e.HTTPErrorHandler = a.handleError
	e.Use(identifyExchange, a.logExchange, a.secure, recoverPanic)
	a.RegisterHealth(e)

	// Browsers fetched manifest and document for ChatGPT, and called plugins on
	// localhost directly: these origins and headers, as OpenAI's retrieval plugin
	// has them.
	cors := middleware.CORSWithConfig(middleware.CORSConfig{
		AllowOrigins: []string{"https://chat.openai.com", "https://chatgpt.com"},
		AllowMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost},
		AllowHeaders: []string{echo.HeaderContentType, echo.HeaderAuthorization,
			"openai-conversation-id", "openai-ephemeral-user-id"},
		ExposeHeaders: []string{echo.HeaderRetryAfter, headerPolicy, headerLimit, echo.HeaderXRequestID},
	})
	route := func(methods []string, path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) {
		e.Match(methods, path, h, append([]echo.MiddlewareFunc{cors}, m...)...)
		// Middleware of a route runs for its methods only; cors answers this one.
		e.OPTIONS(path, echo.NotFoundHandler, cors)
	}
	for _, o := range []struct {
		method, path string
		operation
	}{{http.MethodPost, "/send", a.send()}, {http.MethodGet, "/replies", a.replies()}, {http.MethodPost, "/end", a.end()}} {
		route([]string{o.method}, o.path+"/:username", a.serve(o.operation), a.identify)
		if a.cfg.Auth.scheme().mode == ModeOIDC {
			route([]string{o.method}, o.path, a.serve(o.operation), a.identify)
		}
	}
	a.registerMCP(e)
	if a.links() {
		route([]string{http.MethodGet, http.MethodHead}, mediaPath+":token", a.file)
	}
	for _, p := range a.pages {
		route([]string{http.MethodGet, http.MethodHead}, p.path, p.serve)
	}
	a.registerResources(e)
}

const (
	livePath  = "/livez"
	readyPath = "/readyz"
)

// RegisterHealth serves /livez and /readyz only, for a listener that callers do
// not reach.
func (a *API) RegisterHealth(e *echo.Echo) {
	methods := []string{http.MethodGet, http.MethodHead}
	e.Match(methods, livePath, func(c echo.Context) error {
		return c.String(http.StatusOK, "ok\n")
	})
	e.Match(methods, readyPath, a.ready)
}

func (a *API) ready(c echo.Context) error {
	if err := a.cfg.Ready(c.Request().Context()); err != nil {
		p := problemOf(err)
		if p.Status != http.StatusServiceUnavailable {
			p = notReady
		}
		a.log.Warn("not ready", "err", err)
		return write(c, p)
	}
	return c.String(http.StatusOK, "ok\n")
}

// recoverPanic turns a handler's panic into an error with its stack, which is
// logged and answered as any error that nobody knows.
var recoverPanic = middleware.RecoverWithConfig(middleware.RecoverConfig{
	DisableStackAll:     true,
	DisableErrorHandler: true,
	LogErrorFunc:        func(_ echo.Context, err error, stack []byte) error { return panicError(err, stack) },
})

// panicError does not wrap what was panicked with, which must not be taken for its
// own row.
func panicError(what any, stack []byte) error { return fmt.Errorf("panic: %v\n%s", what, stack) }
