package api

import (
	"bytes"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge"
)

// input is a request of which everything was checked.
type input struct {
	customer bridge.Customer
	text     string
	after    bridge.Cursor
	key      string
	wait     *int // seconds; nil: not said
	about    bridge.About
}

// inputError names the field that is not of its form, and what is allowed.
type inputError struct{ field, allowed string }

func (e *inputError) Error() string { return e.field + ": " + e.allowed }

func (e *inputError) Unwrap() error { return bridge.ErrInvalid }

func (a *API) readSend(c echo.Context) (input, error) {
	var text, after, key *string
	var wait *int
	var about givenAbout
	in, err := a.readPost(c, map[string]field{
		"msg":     {&text, allowedText},
		"after":   {&after, "text"},
		"key":     {&key, allowedKey},
		"wait":    {&wait, allowedWait},
		"context": {&about.Context, allowedContext},
		"locale":  {&about.Locale, allowedLocale},
	})
	if err != nil {
		return input{}, err
	}
	if in.text, err = readText("msg", text); err != nil {
		return input{}, err
	}
	if in.after, err = parseAfter("after", after); err != nil {
		return input{}, err
	}
	if in.key, err = checkKey(key); err != nil {
		return input{}, err
	}
	if wait != nil && (*wait < 0 || *wait > maxWait) {
		return input{}, &inputError{"wait", allowedWait}
	}
	in.wait = wait
	in.about, err = about.read(bridge.ByAPI)
	return in, err
}

func (a *API) readReplies(c echo.Context) (input, error) {
	in, err := a.readCustomer(c)
	if err != nil {
		return input{}, err
	}
	query, err := readQuery(c, "after", "wait")
	if err != nil {
		return input{}, err
	}
	if after, given := query["after"]; given {
		if in.after, err = parseAfter("after", &after); err != nil {
			return input{}, err
		}
	}
	if wait, given := query["wait"]; given {
		seconds, err := strconv.Atoi(wait)
		if err != nil || !waitForm.MatchString(wait) || seconds > maxWait {
			return input{}, &inputError{"wait", allowedWait}
		}
		in.wait = &seconds
	}
	return in, nil
}

func (a *API) readEnd(c echo.Context) (input, error) {
	var after *string
	in, err := a.readPost(c, map[string]field{"after": {&after, "text"}})
	if err != nil {
		return input{}, err
	}
	in.after, err = parseAfter("after", after)
	return in, err
}

// readPost reads what every POST has: the customer, no query, and an object of
// these fields, or an empty body, which is an object without fields.
func (a *API) readPost(c echo.Context, fields map[string]field) (input, error) {
	a.limitBody(c)
	in, err := a.readCustomer(c)
	if err != nil {
		return input{}, err
	}
	if _, err := readQuery(c); err != nil {
		return input{}, err
	}
	body, err := readBody(c)
	if err != nil {
		return input{}, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return in, nil
	}
	if !isJSON(c.Request().Header) {
		return input{}, errMediaType
	}
	return in, decodeObject(body, fields)
}

func (a *API) readCustomer(c echo.Context) (input, error) {
	who := callerOf(c)
	if who.person != nil {
		// A username that a client made for the other ways of calling gives is ignored.
		return a.asking(c, a.customer(who, "", "")), nil
	}
	username := c.Param("username")
	// echo takes parameters from the path as it was sent if that matters.
	if c.Request().URL.RawPath != "" {
		if plain, err := url.PathUnescape(username); err == nil {
			username = plain
		}
	}
	if !usernameForm.MatchString(username) || distinct(username) < minDistinct {
		return input{}, &inputError{"username", allowedUsername}
	}
	return a.asking(c, a.customer(who, kindUsername, username)), nil
}

// distinct is how many different bytes a text is made of.
func distinct(text string) int {
	of := []byte(text)
	slices.Sort(of)
	return len(slices.Compact(of))
}

// asking notes the customer for the log.
func (a *API) asking(c echo.Context, customer bridge.Customer) input {
	noted(c).customer = customer
	return input{customer: customer}
}

// readText returns a question as the agents are to see it. Nothing is hidden from
// them, so that what they answer is what was asked.
func readText(field string, text *string) (string, error) {
	if text != nil && utf8.RuneCountInString(*text) <= maxText {
		if seen := plain(*text); strings.TrimSpace(seen) != "" {
			return seen, nil
		}
	}
	return "", &inputError{field, allowedText}
}

func checkKey(key *string) (string, error) {
	switch {
	case key == nil:
		return "", nil
	case !keyForm.MatchString(*key):
		return "", &inputError{"key", allowedKey}
	}
	return *key, nil
}

func parseAfter(field string, text *string) (bridge.Cursor, error) {
	if text == nil {
		return bridge.Cursor{}, nil
	}
	after, err := bridge.ParseCursor(*text)
	if err != nil {
		return after, &inputError{field, strings.TrimPrefix(err.Error(), bridge.ErrInvalid.Error()+": ")}
	}
	return after, nil
}
