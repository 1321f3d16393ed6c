package api

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/labstack/echo/v4"
)

// Why a caller is not let in. What is wrapped around them is for the log: a caller
// must not learn from it which keys there are.
var (
	errUnauthenticated = errors.New("no credentials")
	errInvalidToken    = errors.New("the credentials are not valid")
	errAuthUnavailable = errors.New("it cannot be checked who calls")
)

// tokenForm is b64token of RFC 6750, section 2.1.
var tokenForm = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// bearerToken is what the Authorization header holds (RFC 6750, section 2.1). The
// other places that the RFC knows, query and body, are not looked at: a URL ends up
// in logs.
func bearerToken(r *http.Request) (string, error) {
	values := r.Header.Values(echo.HeaderAuthorization)
	switch len(values) {
	case 0:
		return "", errUnauthenticated
	case 1:
	default:
		// Whatever stands before this service may have checked the other one.
		return "", fmt.Errorf("%w: more than one Authorization header", errInvalidToken)
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimLeft(token, " ")
	switch {
	case !strings.EqualFold(scheme, "Bearer"):
		return "", fmt.Errorf("%w: not of the scheme Bearer", errUnauthenticated)
	case token == "":
		return "", fmt.Errorf("%w: no token", errUnauthenticated)
	case !tokenForm.MatchString(token):
		return "", fmt.Errorf("%w: not of a token's form", errInvalidToken)
	}
	return token, nil
}

// challenge is the WWW-Authenticate header of a refusal at this path (RFC 6750,
// section 3), and empty if err is none. Where tokens come from an issuer it names
// the document that tells which (RFC 9728, section 5.1).
func (a *API) challenge(path string, err error) string {
	var challenge strings.Builder
	challenge.WriteString(`Bearer realm="flexbridge"`)
	switch {
	case errors.Is(err, errInvalidToken):
		challenge.WriteString(`, error="invalid_token", error_description="The credentials are not valid here, or not any more"`)
	case !errors.Is(err, errUnauthenticated):
		return ""
	}
	if a.cfg.Auth.scheme().mode == ModeOIDC {
		fmt.Fprintf(&challenge, `, resource_metadata="%s%s"`, a.cfg.PublicURL, resourceOf(path).metadataPath())
	}
	return challenge.String()
}
