package api

import (
	"context"
	"crypto/rand"
	"log/slog"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge"
)

// marks are what the context of an exchange carries: what is known of it, for its
// line in the log most of all.
type marks struct {
	id    string
	calls atomic.Int32

	// These are its handler's, and of whoever answers in its place.
	parked   bool // the handler is not to answer
	arrived  time.Time
	caller   caller
	customer bridge.Customer
	outcome  string      // the answer's status or the problem's code
	why      string      // the caller was not let in
	about    []slog.Attr // the conversation, and what of it
}

type marksKey struct{} // *marks

// marksOf returns marks that nobody reads where there is no exchange.
func marksOf(ctx context.Context) *marks {
	if m, ok := ctx.Value(marksKey{}).(*marks); ok {
		return m
	}
	return new(marks)
}

func noted(c echo.Context) *marks { return marksOf(c.Request().Context()) }

// RequestID names the exchange on behalf of which something is done, or is empty.
func RequestID(ctx context.Context) string { return marksOf(ctx).id }

// NoteCall counts a call to the desk on behalf of an exchange, for its line in the log.
func NoteCall(ctx context.Context) { marksOf(ctx).calls.Add(1) }

// saneID is what proxies make: UUIDs, hex digits and the like.
var saneID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// identifyExchange gives each exchange a name: a proxy's X-Request-Id, or else 128
// random bits. It stands in the response, in problem documents, and with the log's
// handler in each line that is written on the exchange's behalf.
func identifyExchange(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		id := r.Header.Get(echo.HeaderXRequestID)
		if !saneID.MatchString(id) {
			id = rand.Text()
		}
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), marksKey{}, &marks{id: id})))
		return next(c)
	}
}
