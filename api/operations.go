package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge"
)

// answerSlack is how long after its deadline an answer may still be written. A
// question has some seconds of its own to be said in, however short the wait.
const answerSlack = 30 * time.Second

// send asks, and waits for the reply to that question.
func (a *API) send(c echo.Context) error {
	arrived := time.Now()
	in, err := a.readSend(c)
	if err != nil {
		return err
	}
	deadline := a.deadline(arrived, in.wait)
	extend(c, deadline)
	leave, err := a.enter(callerOf(c))
	if err != nil {
		return err
	}
	defer leave()
	if err := a.spend(c.Request().Context(), callerOf(c), in.customer, c.Response().Header()); err != nil {
		return err
	}
	answer, err := a.asker.Ask(c.Request().Context(), bridge.Question{
		Customer: in.customer, Text: in.text, After: in.after, Key: in.key, Deadline: deadline, About: in.about,
	})
	return a.reply(c, answer, err)
}

// replies waits for any reply after the cursor, and changes nothing.
func (a *API) replies(c echo.Context) error {
	arrived := time.Now()
	in, err := a.readReplies(c)
	if err != nil {
		return err
	}
	deadline := a.deadline(arrived, in.wait)
	extend(c, deadline)
	leave, err := a.enter(callerOf(c))
	if err != nil {
		return err
	}
	defer leave()
	answer, err := a.asker.Await(c.Request().Context(), in.customer, in.after, deadline)
	return a.reply(c, answer, err)
}

// end closes the conversation.
func (a *API) end(c echo.Context) error {
	arrived := time.Now()
	in, err := a.readEnd(c)
	if err != nil {
		return err
	}
	extend(c, arrived)
	leave, err := a.enter(callerOf(c))
	if err != nil {
		return err
	}
	defer leave()
	if err := a.spend(c.Request().Context(), callerOf(c), in.customer, c.Response().Header()); err != nil {
		return err
	}
	answer, err := a.asker.End(c.Request().Context(), in.customer, in.after)
	return a.reply(c, answer, err)
}

// deadline is when the caller must have its answer; it counts from the request's
// arrival, so that a slow body does not carry the answer beyond the caller's patience.
func (a *API) deadline(arrived time.Time, wait *int) time.Time {
	d := a.cfg.Wait
	if wait != nil {
		d = min(d, time.Duration(*wait)*time.Second)
	}
	return arrived.Add(d)
}

// extend lifts the time limits that are for requests that do not wait, the body's
// among them. Past its WriteTimeout a server drops the answer and nobody on this
// side is told.
func extend(c echo.Context, deadline time.Time) {
	rc := http.NewResponseController(c.Response().Writer)
	// A ResponseWriter without deadlines has no limits to lift.
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(deadline.Add(answerSlack))
}

// reply writes the answer, and says so to the bridge if it reached the caller as
// far as this side can tell. Whether the caller is still there is asked before
// writing: the write to one who left succeeds all the same, and one who is gone
// afterwards has most likely hung up with the answer in hand.
func (a *API) reply(c echo.Context, answer bridge.Answer, err error) error {
	if err != nil {
		return err
	}
	if callerLeft(c.Request().Context()) {
		return c.Request().Context().Err()
	}
	if err := writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, a.newAnswer(answer, a.door)); err != nil {
		c.Set(outcomeKey, outcomeLeft)
		return err
	}
	c.Set(outcomeKey, string(answer.Status))
	answer.Written()
	return nil
}

// callerLeft tells a caller that hung up from a process that stops: both end the
// request's context.
func callerLeft(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), bridge.ErrDraining)
}
