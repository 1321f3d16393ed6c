package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge"
)

// Auth tells who calls: [NoAuth], [BearerAuth] or [OIDCAuth]. It is safe for
// concurrent use.
type Auth interface {
	// identify returns who made a request, by its header alone: the body may not have
	// arrived. Its errors are errUnauthenticated, errInvalidToken and
	// errAuthUnavailable, which say more to the log than callers are told.
	identify(*http.Request) (caller, error)
	// scheme is what the documents state.
	scheme() scheme
}

// scheme is the kind of credentials that a deployment wants.
type scheme struct {
	mode     Mode
	provider provider // of oidc
}

// Mode names who may call.
type Mode string

const (
	ModeNone   Mode = "none"
	ModeBearer Mode = "bearer"
	ModeOIDC   Mode = "oidc"
)

// caller is who calls, as far as the credentials tell.
type caller struct {
	// application is the name of the key or the OAuth client that was used; empty
	// when anybody may call.
	application string
	// person is the customer, as issuer and subject, when the credentials name one.
	// When not, customers are told apart by the username or the handle they give.
	person []string
}

// NoAuth lets anybody call. The username is a capability then.
func NoAuth() Auth { return noAuth{} }

type noAuth struct{}

func (noAuth) identify(*http.Request) (caller, error) { return caller{}, nil }

func (noAuth) scheme() scheme { return scheme{mode: ModeNone} }

// customer is who asks: the person, or the name within what the application may
// name. Each kind of name is a domain of its own, so that the same text under two
// applications, or as a username and as a handle, is two customers.
func (a *API) customer(who caller, kind, name string) bridge.Customer {
	switch {
	case who.person != nil:
		return a.cfg.Keys.Customer("oidc", who.person...)
	case who.application != "":
		return a.cfg.Keys.Customer("bearer "+kind, who.application, name)
	default:
		return a.cfg.Keys.Customer(kind, name)
	}
}

const kindUsername = "username"

// identify lets nobody pass whom Auth does not know.
func (a *API) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		who, err := a.cfg.Auth.identify(c.Request())
		if err != nil {
			noted(c).why = err.Error()
			if challenge := a.challenge(c.Request().URL.Path, err); challenge != "" {
				c.Response().Header().Set(echo.HeaderWWWAuthenticate, challenge)
			}
			return err
		}
		noted(c).caller = who
		return next(c)
	}
}

func callerOf(c echo.Context) caller { return noted(c).caller }
