package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// MCP configures the door for MCP clients; the zero value works.
type MCP struct {
	// Wait is the longest wait of one tool call. 0 means 50 s, as ChatGPT cuts a call
	// at 60 s, whatever progress it is told.
	Wait time.Duration
	// KeepAlive is how often a call that waits gives a sign of life; the first one
	// comes after a quarter of it. 0 means 10 s.
	KeepAlive time.Duration
	// HandleLife is how long a conversation's handle is good for after it was issued;
	// answers renew it after half of that. 0 means 168 h.
	HandleLife time.Duration
	// Origins may call from browsers, beside PublicURL's own and those of ChatGPT and
	// Claude: scheme://host[:port].
	Origins []string
	// Challenge is what OpenAI's check of the domain wants to read; empty serves none.
	Challenge string
	// Adopter remembers calls that gave no handle, so that a repeat attaches; nil
	// remembers none.
	Adopter Adopter
}

// Adopter keeps the first of several values.
type Adopter interface {
	// Adopt keeps value under id for d, unless a value stands there already, and
	// returns the one that stands, in one atomic step. Safe for concurrent use.
	Adopt(ctx context.Context, id, value string, d time.Duration) (string, error)
}

func (m MCP) withDefaults() MCP {
	if m.Wait == 0 {
		m.Wait = 50 * time.Second
	}
	if m.KeepAlive == 0 {
		m.KeepAlive = 10 * time.Second
	}
	if m.HandleLife == 0 {
		m.HandleLife = 168 * time.Hour
	}
	return m
}

const mcpPath = "/mcp"

// mcpDoor is what /mcp needs beside the API.
type mcpDoor struct {
	http    http.Handler
	origins []string
	local   bool // PublicURL is of this machine
}

func (a *API) newMCP() (*mcpDoor, error) {
	server := mcp.NewServer(
		&mcp.Implementation{Name: "flexbridge", Title: "Flexbridge", Version: a.cfg.Version},
		&mcp.ServerOptions{
			Instructions: a.instructions(),
			// Not nil, or logging would be offered; the tools never change while this runs.
			Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}},
			SetCacheable: func(_ context.Context, _ mcp.Request, c *mcp.Cacheable) { c.TTLMs = listLife },
		})
	if err := a.addTools(server); err != nil {
		return nil, err
	}
	public, err := url.Parse(a.cfg.PublicURL)
	if err != nil {
		return nil, err
	}
	return &mcpDoor{
		http:    a.streamable(server),
		origins: append([]string{originOf(public), "https://chatgpt.com", "https://chat.openai.com", "https://claude.ai"}, a.cfg.MCP.Origins...),
		local:   isLoopback(public.Host),
	}, nil
}

// streamable is a server as serveMCP wants it.
func (a *API) streamable(server *mcp.Server) http.Handler {
	server.AddReceivingMiddleware(a.receive)
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{
		Stateless: true, // or 2026-07-28 is not served; and any replica takes any call
		// Its check goes by the address a request arrived at, so it would refuse what a
		// proxy on this machine passes on. See guard.
		DisableLocalhostProtection: true,
	})
}

// listLife is how long clients may keep the list of tools, in ms. It is the same
// for everybody, and changes with the release and the configuration only.
const listLife = 300_000

func (a *API) registerMCP(e *echo.Echo) {
	cors := middleware.CORSWithConfig(middleware.CORSConfig{
		AllowOrigins: a.mcp.origins,
		AllowMethods: []string{http.MethodPost},
		AllowHeaders: []string{echo.HeaderContentType, echo.HeaderAuthorization, echo.HeaderAccept,
			"Mcp-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Session-Id", "Last-Event-Id"},
		ExposeHeaders: []string{echo.HeaderWWWAuthenticate},
	})
	e.POST(mcpPath, a.serveMCP, a.guard, cors, a.identify)
	e.OPTIONS(mcpPath, echo.NotFoundHandler, a.guard, cors)
}

// guard keeps web pages out that have no business here, as the protocol demands
// (2026-07-28, Streamable HTTP, security). A page's requests carry its Origin, even
// when its own name was rebound to our address, so that is what is checked. The
// Host is not, because many proxies do not keep it, but for a service of this
// machine: no proxy stands before that one.
func (a *API) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		for _, origin := range r.Header.Values(echo.HeaderOrigin) {
			if !slices.Contains(a.mcp.origins, origin) {
				return echo.NewHTTPError(http.StatusForbidden, "Web pages of this origin may not call here; MCP_ORIGINS names others that may.")
			}
		}
		if a.mcp.local && !isLoopback(r.Host) {
			return echo.NewHTTPError(http.StatusForbidden, "This server is for its own machine: call it as localhost.")
		}
		return next(c)
	}
}

// originOf is a URL's origin as browsers spell it: in small letters, and without
// the port that the scheme has by itself (RFC 6454, section 6).
func originOf(u *url.URL) string {
	port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	return u.Scheme + "://" + strings.TrimSuffix(strings.ToLower(u.Host), port)
}

// isLoopback tells whether host[:port] is this machine.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil && len(host) > 2 && host[0] == '[' {
		ip, err = netip.ParseAddr(host[1 : len(host)-1])
	}
	return err == nil && ip.IsLoopback()
}
