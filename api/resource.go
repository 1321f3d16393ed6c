package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// resource is a part of the service that tokens are made for, as the end of its
// URL: all of it, or MCP.
type resource string

const (
	resourceAll resource = ""
	resourceMCP resource = "/mcp"
)

// resourceOf is the one that a path belongs to.
func resourceOf(path string) resource {
	if path == string(resourceMCP) || strings.HasPrefix(path, string(resourceMCP)+"/") {
		return resourceMCP
	}
	return resourceAll
}

// metadataPath is where the resource is described (RFC 9728, section 3.1).
func (r resource) metadataPath() string {
	return "/.well-known/oauth-protected-resource" + string(r)
}

// resourceMetadata tells a client where to get tokens (RFC 9728, section 2).
type resourceMetadata struct {
	Resource string   `json:"resource"`
	Servers  []string `json:"authorization_servers"`
	Methods  []string `json:"bearer_methods_supported"`
}

// registerResources serves the descriptions, to any web page, where tokens come
// from an issuer.
func (a *API) registerResources(e *echo.Echo) {
	s := a.cfg.Auth.scheme()
	if s.mode != ModeOIDC {
		return
	}
	methods := []string{http.MethodGet, http.MethodHead}
	cors := middleware.CORSWithConfig(middleware.CORSConfig{AllowOrigins: []string{"*"}, AllowMethods: methods})
	for _, r := range []resource{resourceAll, resourceMCP} {
		document := resourceMetadata{
			Resource: a.cfg.PublicURL + string(r),
			Servers:  []string{s.provider.Issuer},
			Methods:  []string{"header"},
		}
		e.Match(methods, r.metadataPath(), func(c echo.Context) error {
			return c.JSON(http.StatusOK, document)
		}, cors)
		e.OPTIONS(r.metadataPath(), echo.NotFoundHandler, cors)
	}
}
