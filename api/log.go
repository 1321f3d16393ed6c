package api

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge"
)

// What handlers note in echo's context for the log line of their exchange.
const (
	arrivedKey  = "flexbridge arrived"  // time.Time
	outcomeKey  = "flexbridge outcome"  // string: the answer's status or the problem's code
	customerKey = "flexbridge customer" // bridge.Customer
	whyKey      = "flexbridge why"      // string: why the caller was not let in

	aboutKey = "flexbridge about" // []slog.Attr: the conversation, and what of it

	outcomeLeft = "caller_left"
)

// Note tells what became of an exchange that another package serves, for its line
// in the log. The SIDs may be empty.
func Note(c echo.Context, outcome, conversation, message string) {
	c.Set(outcomeKey, outcome)
	if conversation == "" {
		return
	}
	about := []slog.Attr{slog.String("conversation", conversation)}
	if message != "" {
		about = append(about, slog.String("message", message))
	}
	c.Set(aboutKey, about)
}

// noteAnswer does the same of an answer.
func noteAnswer(c echo.Context, answer bridge.Answer) {
	c.Set(outcomeKey, string(answer.Status))
	about := []slog.Attr{slog.Int("messages", len(answer.Messages))}
	if answer.Conversation != "" {
		about = append(about, slog.String("conversation", answer.Conversation))
	}
	c.Set(aboutKey, about)
}

// logExchange has every exchange end in over.
func (a *API) logExchange(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Set(arrivedKey, time.Now())
		a.traceExchange(c)
		if err := next(c); !isParked(c) {
			a.over(c, err)
		}
		return nil
	}
}

// over is where every exchange ends, parked or not: it answers with the error, if
// there is one, and writes one line. The line has neither text nor username, so
// neither the URL nor, below 500, the error: both may hold what the caller wrote.
func (a *API) over(c echo.Context, err error) {
	committed := c.Response().Committed
	if err != nil {
		c.Error(err)
	}
	status := c.Response().Status
	arrived, _ := c.Get(arrivedKey).(time.Time)
	attrs := []slog.Attr{
		slog.String("method", clean(c.Request().Method, 16)),
		slog.String("route", c.Path()),
		slog.Duration("wait", time.Since(arrived)),
	}
	if application := callerOf(c).application; application != "" {
		attrs = append(attrs, slog.String("caller", clean(application, 64)))
	}
	if why, refused := c.Get(whyKey).(string); refused {
		attrs = append(attrs, slog.String("why", clean(why, 200)))
	}
	if customer, known := c.Get(customerKey).(bridge.Customer); known {
		attrs = append(attrs, slog.String("customer", string(customer[:8])))
	}
	if about, known := c.Get(aboutKey).([]slog.Attr); known {
		attrs = append(attrs, about...)
	}
	if calls := callsOf(c.Request().Context()); calls > 0 {
		attrs = append(attrs, slog.Int("twilio_calls", calls))
	}
	outcome, _ := c.Get(outcomeKey).(string)
	if err != nil && committed && outcome == "" {
		outcome = codeInternal // too late to answer so
	}
	level := slog.LevelInfo
	switch {
	case outcome == outcomeLeft: // no error of ours
	case err != nil && outcome == codeInternal:
		level = slog.LevelError
		attrs = append(attrs, slog.Any("err", err))
	case c.Path() == livePath || c.Path() == readyPath:
		level = slog.LevelDebug // asked every few seconds
	case status >= http.StatusInternalServerError:
		level = slog.LevelWarn
		if c.Get(whyKey) == nil {
			attrs = append(attrs, slog.Any("err", err))
		}
	}
	attrs = append(attrs, slog.Int("status", status), slog.String("outcome", outcome))
	a.log.LogAttrs(c.Request().Context(), level, "exchange", attrs...)
	a.tracedExchange(c, status, outcome)
}

// clean is text of strangers as it may stand in a log or an error: short, and in printable ASCII.
func clean(text string, longest int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if len(text) > longest {
		text = text[:longest] + "..."
	}
	return text
}
