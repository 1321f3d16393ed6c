package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
)

// limitBody bounds the request's body in size and time. The time stays bounded
// until extend, because the server reads on behind a refusal.
func (a *API) limitBody(c echo.Context) {
	r := c.Request()
	r.Body = http.MaxBytesReader(c.Response(), r.Body, maxRequest)
	// A ResponseWriter without deadlines reads from memory.
	_ = http.NewResponseController(c.Response().Writer).SetReadDeadline(time.Now().Add(a.cfg.BodyTimeout))
}

func readBody(c echo.Context) ([]byte, error) {
	body, err := io.ReadAll(c.Request().Body)
	switch tooLarge := new(http.MaxBytesError); {
	case err == nil:
		return body, nil
	case errors.As(err, &tooLarge):
		return nil, errTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errBodySlow
	default:
		return nil, &inputError{"body", "a body that arrives whole"}
	}
}

func isJSON(h http.Header) bool {
	kind, parameters, err := mime.ParseMediaType(h.Get(echo.HeaderContentType))
	charset, given := parameters["charset"]
	return err == nil && kind == echo.MIMEApplicationJSON &&
		(!given || strings.EqualFold(charset, "utf-8")) && h.Get(echo.HeaderContentEncoding) == ""
}

// field is where a member of an object goes, and what may stand there. A null
// counts as left out, as models like to spell every member out.
type field struct {
	into    any
	allowed string
}

// decodeObject reads one flat object. encoding/json alone would let unknown,
// repeated and otherwise capitalised names pass, and would replace bytes that are
// not UTF-8 without a word.
func decodeObject(body []byte, fields map[string]field) error {
	if !utf8.Valid(body) {
		return &inputError{"body", "UTF-8"}
	}
	malformed := &inputError{"body", "one JSON object and nothing after it"}
	d := json.NewDecoder(bytes.NewReader(body))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return malformed
	}
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		name, isName := token.(string)
		if err != nil || !isName {
			return malformed
		}
		f, known := fields[name]
		if !known {
			return unknown(name, slices.Sorted(maps.Keys(fields)))
		}
		if seen[name] {
			return &inputError{name, "given once"}
		}
		seen[name] = true
		err = d.Decode(f.into)
		if wrongType := new(json.UnmarshalTypeError); errors.As(err, &wrongType) {
			return &inputError{name, f.allowed}
		}
		if err != nil {
			return malformed
		}
	}
	if _, err := d.Token(); err != nil {
		return malformed
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return malformed
	}
	return nil
}

// readQuery returns the parameters, none but those allowed and none twice.
func readQuery(c echo.Context, allowed ...string) (map[string]string, error) {
	values, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return nil, &inputError{"query", "name=value pairs, percent-encoded"}
	}
	query := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(allowed, name) {
			return nil, unknown(name, allowed)
		}
		if len(values[name]) > 1 {
			return nil, &inputError{name, "given once"}
		}
		query[name] = values[name][0]
	}
	return query, nil
}

func unknown(name string, allowed []string) error {
	return &inputError{clean(name, 64), "not known here; known are: " + strings.Join(allowed, ", ")}
}
