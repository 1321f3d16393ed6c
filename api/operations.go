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

// operation is one of the three: what it reads, whether it costs calls at the desk
// and so counts against the budgets, and what it has the bridge do.
type operation struct {
	read func(echo.Context) (input, error)
	says bool
	run  func(in input, deadline time.Time) run
}

// run is the operation with all it needs. It calls over once, on any goroutine, and
// perhaps before it returns.
type run func(ctx context.Context, over func(bridge.Answer, error))

// send asks, and waits for the reply to that question.
func (a *API) send() operation {
	return operation{a.readSend, true, func(in input, deadline time.Time) run {
		q := bridge.Question{
			Customer: in.customer, Text: in.text, After: in.after, Key: in.key, Deadline: deadline, About: in.about,
		}
		return func(ctx context.Context, over func(bridge.Answer, error)) { a.asker.AskThen(ctx, q, over) }
	}}
}

// replies waits for any reply after the cursor, and changes nothing.
func (a *API) replies() operation {
	return operation{a.readReplies, false, func(in input, deadline time.Time) run {
		customer, after := in.customer, in.after
		return func(ctx context.Context, over func(bridge.Answer, error)) {
			a.asker.AwaitThen(ctx, customer, after, deadline, over)
		}
	}}
}

// end closes the conversation.
func (a *API) end() operation {
	return operation{a.readEnd, true, func(in input, _ time.Time) run {
		customer, after := in.customer, in.after
		return func(ctx context.Context, over func(bridge.Answer, error)) { over(a.asker.End(ctx, customer, after)) }
	}}
}

// serve reads everything before it takes a place, and takes a place before it
// spends: what is refused costs nothing.
func (a *API) serve(o operation) echo.HandlerFunc {
	return func(c echo.Context) error {
		arrived := time.Now()
		in, err := o.read(c)
		if err != nil {
			return err
		}
		deadline := a.deadline(arrived, in.wait)
		extend(c, deadline)
		ctx, who := c.Request().Context(), callerOf(c)
		leave, err := a.enter(who)
		if err != nil {
			return err
		}
		defer func() {
			if !noted(c).parked {
				leave()
			}
		}()
		if o.says {
			if err := a.spend(ctx, who, in.customer, c.Response().Header()); err != nil {
				return err
			}
		}
		return a.attend(c, o.run(in, deadline), leave)
	}
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
		noted(c).outcome = outcomeLeft
		return err
	}
	noteAnswer(c, answer)
	answer.Written()
	return nil
}

// callerLeft tells a caller that hung up from a process that stops: both end the
// request's context.
func callerLeft(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), bridge.ErrDraining)
}
