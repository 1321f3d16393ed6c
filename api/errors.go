package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge"
)

// What is wrong with a request before its fields are looked at.
var (
	errBodySlow  = errors.New("the body did not arrive in time")
	errTooLarge  = errors.New("the body is too large")
	errMediaType = errors.New("the body is not JSON")

	errUnknownConversation = errors.New("the handle was not issued to this caller, or it has expired")
)

const (
	codeInternal = "internal"
	codeOther    = "other" // an error of HTTP that has none of its own
)

// problems is the one place where errors meet HTTP: the first row that is in an
// error's chain. The detail tells a model what to do; {error} in it is
// the error's own text, which is for the caller. What is in no row is 500:
// a Desk's ErrTaken, ErrClosed and ErrGone never leave the bridge.
var problems = []struct {
	err        error
	status     int
	code       string
	retryAfter int // seconds at least; see spread
	detail     string
}{
	{bridge.ErrInvalid, http.StatusBadRequest, "invalid", 0,
		"{error}. Correct this and call again."},
	{bridge.ErrCursorAhead, http.StatusConflict, "cursor_ahead", 0,
		"{error}. Call again with the `cursor` of the last answer, unchanged, or without `after`."},
	{bridge.ErrKeyReused, http.StatusConflict, "key_reused", 0,
		"{error}. Use a new key for a new question; the old key goes only with its own text."},
	{bridge.ErrUnsure, http.StatusGatewayTimeout, "unsure", 0,
		"It is not known yet whether the question was said. Repeat this call unchanged, it will not be asked twice."},
	{bridge.ErrDraining, http.StatusServiceUnavailable, "draining", 1,
		"This server is stopping. Repeat this call unchanged after a second, another server answers it."},
	{bridge.ErrBusy, http.StatusServiceUnavailable, "busy", 5,
		"Too much is going on just now, and nothing was changed. Repeat this call unchanged after some seconds."},
	{bridge.ErrMailbox, http.StatusServiceUnavailable, "mailbox_unavailable", 5,
		"Replies cannot be read just now, and none is lost. Repeat this call unchanged after some seconds."},
	{bridge.ErrDeskUnavailable, http.StatusServiceUnavailable, "desk_unavailable", 10,
		"The agents' desk cannot be reached just now, and nothing was said there. Repeat this call unchanged after some seconds."},
	{bridge.ErrDeskRefused, http.StatusBadGateway, "desk_refused", 0,
		"The agents' desk refused this, and trying again does not help. Tell the user that no agent can be asked now."},

	{errUnauthenticated, http.StatusUnauthorized, "unauthenticated", 0,
		"This service wants to know who calls: an Authorization header of the scheme Bearer is missing. Tell the user that no agent can be asked before it is set up."},
	{errInvalidToken, http.StatusUnauthorized, "invalid_token", 0,
		"The credentials are not valid here, or not any more. Call again with valid ones, or tell the user that no agent can be asked before they are."},
	{errAuthUnavailable, http.StatusServiceUnavailable, "auth_unavailable", 10,
		"It cannot be checked just now who calls, and nothing was changed. Repeat this call unchanged after some seconds."},
	{errRateLimited, http.StatusTooManyRequests, "rate_limited", 0,
		"{error}. Nothing was said to the agents. Wait that long, then repeat this call unchanged."},
	{errTooManyWaiting, http.StatusTooManyRequests, "too_many_waiting", 5,
		"Too many requests of this application are waiting for replies, and this one did nothing. Repeat this call unchanged after some seconds."},
	{errUnknownConversation, http.StatusNotFound, "unknown_conversation", 0,
		"This `conversation` is not known: it was not issued to you, was altered, or has expired. Do not guess another; call ask_agent without `conversation` to start a new one."},

	{errLink, http.StatusNotFound, "link_invalid", 0,
		"This is no link to a file, or not the whole of it. Use the `url` of an answer, unchanged."},
	{errLinkExpired, http.StatusGone, "link_expired", 0,
		"The link has expired, the file has not. Call GET /replies/{username} with a cursor from before the file's message: its answer has a fresh `url`."},
	{errFileGone, http.StatusNotFound, "media_gone", 0,
		"The file is not at the agents' desk any more. Ask the agent to send it again."},
	{errFileRefused, http.StatusForbidden, "media_refused", 0,
		"The file is too large, or of a type that is not passed on. Its name, type and size are all that can be told of it."},

	{errBodySlow, http.StatusRequestTimeout, "body_timeout", 0,
		"The request's body did not arrive in time. Call again."},
	{errTooLarge, http.StatusRequestEntityTooLarge, "too_large", 0,
		fmt.Sprintf("The request's body is over %d bytes. Call again with a shorter text.", maxRequest)},
	{errMediaType, http.StatusUnsupportedMediaType, "media_type", 0,
		"The request's body is not JSON. Call again with Content-Type: application/json, in UTF-8, not compressed."},
	{echo.ErrNotFound, http.StatusNotFound, "not_found", 0,
		"There is nothing at this path; GET /openapi.yaml tells what there is."},
	{echo.ErrMethodNotAllowed, http.StatusMethodNotAllowed, "method_not_allowed", 0,
		"This path does not take this method; the Allow header names those it takes."},
}

// httpCodes are the codes of errors that other packages' handlers return with a
// status and a text of their own.
var httpCodes = map[int]string{
	http.StatusBadRequest:            "invalid",
	http.StatusForbidden:             "forbidden",
	http.StatusMethodNotAllowed:      "method_not_allowed",
	http.StatusRequestTimeout:        "body_timeout",
	http.StatusRequestEntityTooLarge: "too_large",
	http.StatusServiceUnavailable:    "unavailable",
}

// Codes lists every code that an error answer may have.
func Codes() []string {
	codes := []string{codeInternal, codeOther}
	for _, row := range problems {
		codes = append(codes, row.code)
	}
	for _, code := range httpCodes {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// problem is a problem document (RFC 9457). Its type is "about:blank", for which
// section 4.2.1 wants the status' own phrase as the title; what went wrong is
// told by the code.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"` // of the request, that is to be corrected
	ID     string `json:"request_id,omitempty"`

	retryAfter int // seconds
}

var (
	internal = newProblem(http.StatusInternalServerError, codeInternal,
		"Something went wrong on this side. Repeat this call unchanged once; if it fails again, tell the user that no agent can be asked now.")
	notReady = newProblem(http.StatusServiceUnavailable, "not_ready",
		"This server takes no requests just now.")
)

func newProblem(status int, code, detail string) problem {
	return problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code}
}

// problemOf is what a caller is told of an error.
func problemOf(err error) problem {
	for _, row := range problems {
		if !errors.Is(err, row.err) {
			continue
		}
		p := newProblem(row.status, row.code, row.detail)
		p.retryAfter = spread(row.retryAfter)
		p.Detail = strings.Replace(row.detail, "{error}", err.Error(), 1)
		if wrong := new(inputError); errors.As(err, &wrong) {
			p.Field = wrong.field
		}
		if limited := new(limitedError); errors.As(err, &limited) {
			p.retryAfter = limited.seconds
		}
		return p
	}
	if known := new(echo.HTTPError); errors.As(err, &known) {
		return newProblem(known.Code, cmp.Or(httpCodes[known.Code], codeOther), fmt.Sprint(known.Message))
	}
	return internal
}

// spread makes up to twice as much of some seconds, so that all who were turned away
// at once do not come back at once.
func spread(seconds int) int { return seconds + rand.IntN(seconds+1) }

// handleError is echo's HTTPErrorHandler. The log has its own view of the error,
// see logExchange.
func (a *API) handleError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	p := problemOf(err)
	// A caller who left comes back as the end of the context, which nobody knows. A
	// known error is written all the same: a body that is too slow ends the context,
	// too, and its sender is still there.
	if p.Code == codeInternal && callerLeft(c.Request().Context()) {
		noted(c).outcome = outcomeLeft
		return
	}
	if noted(c).outcome == "" {
		a.cfg.Problem(p.Code)
	}
	// What cannot be written cannot be told.
	_ = write(c, p)
}

// write answers with a problem document.
func write(c echo.Context, p problem) error {
	m := noted(c)
	m.outcome, p.ID = cmp.Or(m.outcome, p.Code), m.id
	if p.retryAfter > 0 {
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(p.retryAfter))
	}
	return writeJSON(c, p.Status, "application/problem+json", p)
}

// writeJSON writes a whole document and returns only when it has left this
// process, or with the error that kept it.
func writeJSON(c echo.Context, status int, contentType string, document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	header := c.Response().Header()
	header.Set(echo.HeaderCacheControl, "no-store") // replies are for one pair of eyes
	header.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	if err := c.Blob(status, contentType, body); err != nil {
		return err
	}
	// Not echo's Flush, which keeps the error to itself.
	err = http.NewResponseController(c.Response().Writer).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
