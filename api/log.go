package api

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge"
)

const outcomeLeft = "caller_left"

// Note tells what became of an exchange that another package serves, for its line
// in the log. The SIDs may be empty.
func Note(c echo.Context, outcome, conversation, message string) {
	m := noted(c)
	m.outcome = outcome
	if conversation != "" {
		m.about = append(make([]slog.Attr, 0, 2), slog.String("conversation", conversation))
		if message != "" {
			m.about = append(m.about, slog.String("message", message))
		}
	}
}

// noteAnswer does the same of an answer.
func noteAnswer(c echo.Context, answer bridge.Answer) {
	m := noted(c)
	m.outcome = string(answer.Status)
	m.about = append(make([]slog.Attr, 0, 2), slog.Int("messages", len(answer.Messages)))
	if answer.Conversation != "" {
		m.about = append(m.about, slog.String("conversation", answer.Conversation))
	}
}

// logExchange has every exchange end in over.
func (a *API) logExchange(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		noted(c).arrived = time.Now()
		a.traceExchange(c)
		if err := next(c); !noted(c).parked {
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
	status, m := c.Response().Status, noted(c)
	outcome := m.outcome
	attrs := append(make([]slog.Attr, 0, 16), // room for all
		slog.String("method", clean(c.Request().Method, 16)),
		slog.String("route", c.Path()),
		slog.Duration("wait", time.Since(m.arrived)),
	)
	if m.caller.application != "" {
		attrs = append(attrs, slog.String("caller", clean(m.caller.application, 64)))
	}
	if m.why != "" {
		attrs = append(attrs, slog.String("why", clean(m.why, 200)))
	}
	if m.customer != "" {
		attrs = append(attrs, slog.String("customer", string(m.customer[:8])))
	}
	attrs = append(attrs, m.about...)
	if calls := m.calls.Load(); calls > 0 {
		attrs = append(attrs, slog.Int("twilio_calls", int(calls)))
	}
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
		if m.why == "" {
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
