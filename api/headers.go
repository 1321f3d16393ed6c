package api

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

const (
	headerResourcePolicy = "Cross-Origin-Resource-Policy"

	// contentPolicy lets a browser that shows an answer as a page load nothing.
	contentPolicy = "default-src 'none'; frame-ancestors 'none'"
)

// secureHeaders tell browsers to do nothing with any answer but read it. A handler
// that needs more says so itself.
func secureHeaders(publicURL string) http.Header {
	headers := http.Header{
		echo.HeaderXContentTypeOptions:   {"nosniff"},
		echo.HeaderReferrerPolicy:        {"no-referrer"}, // usernames stand in paths
		echo.HeaderXFrameOptions:         {"DENY"},
		echo.HeaderContentSecurityPolicy: {contentPolicy},
		headerResourcePolicy:             {"same-origin"},
	}
	// Whatever stands before this service speaks TLS, so the request does not tell.
	if strings.HasPrefix(publicURL, "https:") {
		headers[echo.HeaderStrictTransportSecurity] = []string{"max-age=31536000"}
	}
	return headers
}

// secure begins each answer with them.
func (a *API) secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		maps.Copy(c.Response().Header(), a.headers)
		return next(c)
	}
}

// stylePolicy lets a page have the one style sheet that stands in it.
func stylePolicy(html string) string {
	_, rest, _ := strings.Cut(html, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	return contentPolicy + "; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
