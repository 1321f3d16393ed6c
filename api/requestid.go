package api

import (
	"context"
	"crypto/rand"
	"regexp"
	"sync/atomic"

	"github.com/labstack/echo/v4"
)

// marks are what the context of an exchange carries.
type marks struct {
	id    string
	calls atomic.Int32
}

type marksKey struct{} // *marks

func marksOf(ctx context.Context) *marks {
	m, _ := ctx.Value(marksKey{}).(*marks)
	return m
}

// RequestID names the exchange on behalf of which something is done, or is empty.
func RequestID(ctx context.Context) string {
	if m := marksOf(ctx); m != nil {
		return m.id
	}
	return ""
}

// NoteCall counts a call to the desk on behalf of an exchange, for its line in the log.
func NoteCall(ctx context.Context) {
	if m := marksOf(ctx); m != nil {
		m.calls.Add(1)
	}
}

func callsOf(ctx context.Context) int {
	if m := marksOf(ctx); m != nil {
		return int(m.calls.Load())
	}
	return 0
}

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
