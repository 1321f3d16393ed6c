package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"flexbridge/api"
)

// ofOIDC is for the checks of how people sign in.
func (d *doctor) ofOIDC(f func() finding) finding {
	if api.Mode(d.config.AuthMode) != api.ModeOIDC {
		return ok("not used: AUTH_MODE is %s", d.config.AuthMode)
	}
	return f()
}

// issuer asks it as the service does at its start.
func (d *doctor) issuer(ctx context.Context) finding {
	return d.ofOIDC(func() finding {
		if _, err := d.config.auth(ctx); err != nil {
			return bad("see that it runs, can be reached from here, and calls itself exactly as OIDC_ISSUER does: the service does not start without it", "%v", err)
		}
		return ok("%s answers", d.config.OIDCIssuer)
	})
}

// mcpResource is what MCP clients name to the issuer as the resource that they want
// a token for (RFC 8707, section 2).
func (d *doctor) mcpResource() string { return d.config.PublicURL + "/mcp" }

func (d *doctor) audience(context.Context) finding {
	return d.ofOIDC(func() finding {
		if !slices.Contains(d.config.audiences(), d.mcpResource()) {
			return warning("add it to OIDC_AUDIENCE, unless the issuer writes something else there into their tokens' aud",
				"OIDC_AUDIENCE does not have %s, which MCP clients ask for", d.mcpResource())
		}
		return ok("OIDC_AUDIENCE has %s, which MCP clients ask for", d.mcpResource())
	})
}

// resourceMetadata looks at what tells clients where to sign in (RFC 9728).
func (d *doctor) resourceMetadata(ctx context.Context) finding {
	const path = "/.well-known/oauth-protected-resource"
	return d.ofOIDC(func() finding {
		for _, path := range []string{path, path + "/mcp"} {
			status, body, err := d.get(ctx, path)
			if err != nil {
				return silent(err)
			}
			if status != http.StatusOK {
				return bad("let the proxy pass "+path+" below PUBLIC_URL to the service, and start that with this environment",
					"%s is answered with HTTP %d", path, status)
			}
			var said struct {
				Issuers []string `json:"authorization_servers"`
			}
			if err := json.Unmarshal([]byte(body), &said); err != nil || !slices.Contains(said.Issuers, d.config.OIDCIssuer) {
				return bad("start the service with this environment, and let nothing else answer there", "%s does not name OIDC_ISSUER", path)
			}
		}
		return ok("%s tells where to sign in", path)
	})
}
