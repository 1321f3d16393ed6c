package api

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// The limits, for the test that holds the OpenAPI document to them.
const (
	MinUsername = minUsername
	MaxUsername = maxUsername
	MinDistinct = minDistinct
	MaxText     = maxText

	MaxContext, MaxContextValue, MaxContextJSON, MaxLocale = maxContext, maxContextValue, maxContextJSON, maxLocale
	MaxKey                                                 = maxKey
	MaxWait                                                = maxWait
	MaxRequest                                             = maxRequest
	MaxReply                                               = maxReply
	MaxAuthor                                              = maxAuthor
	MaxFileName                                            = maxFileName
	MaxFileType                                            = maxFileType
)

// Identify lets in whom Auth knows, as the operations do.
func (a *API) Identify() echo.MiddlewareFunc { return a.identify }

// AppHeader names the application of a request under [Apps].
const AppHeader = "X-Application"

// Apps takes an application at its word.
type Apps struct{}

func (Apps) identify(r *http.Request) (caller, error) {
	return caller{application: r.Header.Get(AppHeader)}, nil
}

func (Apps) scheme() scheme { return scheme{mode: ModeBearer} }

// AuthBy is an Auth that takes callers at a test's word.
type AuthBy func(*http.Request) (application string, person []string)

func (by AuthBy) identify(r *http.Request) (who caller, err error) {
	who.application, who.person = by(r)
	return who, nil
}

func (by AuthBy) scheme() scheme { return scheme{mode: ModeBearer} }

// AuthOf is an Auth of a mode, whatever its callers are.
type AuthOf struct {
	AuthBy
	Mode Mode
}

func (of AuthOf) scheme() scheme { return scheme{mode: of.Mode} }

const MaxFile = maxFile

// SetPatience sets how long a file may take to begin, from piece to piece and in
// all, and how many may be under way, all of one file, too.
func (a *API) SetPatience(open, stall, whole time.Duration, atOnce int) {
	a.downloads = downloads{
		places: make(chan struct{}, atOnce), perFile: atOnce, ofFiles: new(places), open: open, stall: stall, whole: whole,
	}
}

// ServeMCP has /mcp serve another server's tools, with a sign of life every so often
// while one is at work.
func (a *API) ServeMCP(server *mcp.Server, keepAlive time.Duration) {
	server.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, request mcp.Request) (mcp.Result, error) {
			if method == "tools/call" {
				defer pulse(keepAlive, keepAlive, func() { exchangeOf(ctx).stream.comment("waiting") })()
			}
			return next(ctx, method, request)
		}
	})
	a.mcp.http = a.streamable(server)
}

// TraceExchange begins and ends a span as each exchange does.
func (a *API) TraceExchange(c echo.Context) {
	a.traceExchange(c)
	a.tracedExchange(c, http.StatusOK, "pending")
}

// Watched is how many callers are watched for hanging up.
func (l *Listener) Watched() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.watched)
}
