package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"flexbridge/bridge"
)

// exchange is one POST to /mcp, as its tool calls see it. Old revisions may send
// several calls in one.
type exchange struct {
	// ctx is the HTTP request's. The SDK's own end neither with a caller of an old
	// revision who left, nor when the process drains.
	ctx     context.Context
	who     caller
	arrived time.Time
	stream  *stream

	mu       sync.Mutex
	outcome  string
	customer bridge.Customer
	answer   *bridge.Answer // of the last call that had one
}

type exchangeKey struct{} // *exchange, in the SDK's contexts

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// note keeps what the log says of the exchange; the last call's word counts.
func (x *exchange) note(outcome string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.outcome = outcome
}

func (x *exchange) noteAnswer(a bridge.Answer) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.outcome, x.answer = string(a.Status), &a
}

func (x *exchange) noteCustomer(c bridge.Customer) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.customer = c
}

// serveMCP passes a request to the SDK, which returns when all of its calls have.
func (a *API) serveMCP(c echo.Context) error {
	arrived := time.Now()
	a.limitBody(c)
	body, err := readBody(c)
	if err != nil {
		return err
	}
	if err := checkBatch(body); err != nil {
		return err
	}
	extend(c, arrived.Add(a.cfg.MCP.Wait))
	request := c.Request().Context()
	x := &exchange{ctx: request, who: callerOf(c), arrived: arrived, stream: newStream(c.Response(), request)}
	defer x.stream.close()

	// The SDK ends a response with its request's context. A process that drains ends
	// that as well, and its answers are still to be written.
	ctx, cancel := context.WithCancelCause(context.WithValue(context.WithoutCancel(request), exchangeKey{}, x))
	defer cancel(nil)
	stop := context.AfterFunc(request, func() {
		if callerLeft(request) {
			cancel(context.Cause(request))
		}
	})
	defer stop()

	r := c.Request().WithContext(ctx)
	r.Body = io.NopCloser(bytes.NewReader(body))
	a.mcp.http.ServeHTTP(x.stream, r)
	x.finish(c)
	return nil
}

// maxBatch is how many messages one request may hold.
const maxBatch = 16

// checkBatch bounds what one request may ask for. The SDK takes a time for each
// message of a batch that grows with all of them.
func checkBatch(body []byte) error {
	if body = bytes.TrimSpace(body); len(body) == 0 || body[0] != '[' {
		return nil
	}
	var messages []json.RawMessage
	if err := json.Unmarshal(body, &messages); err != nil || len(messages) > maxBatch {
		return &inputError{"body", fmt.Sprintf("one JSON-RPC message, or a list of at most %d of them", maxBatch)}
	}
	return nil
}

// finish notes what became of the exchange, and tells the bridge of the answers
// that reached the caller as far as this side can tell.
func (x *exchange) finish(c echo.Context) {
	reached, failed := x.stream.close()
	x.mu.Lock()
	outcome, customer, answer := x.outcome, x.customer, x.answer
	x.mu.Unlock()
	if answer != nil {
		noteAnswer(c, *answer)
	}
	if failed {
		outcome = outcomeLeft
	}
	if outcome == "" && c.Response().Status == http.StatusAccepted {
		outcome = "notification"
	}
	m := noted(c)
	m.outcome, m.customer = cmp.Or(outcome, "rejected"), customer // or the SDK did not hand it on
	for _, written := range reached {
		written()
	}
}

// receive is around every request that the SDK hands on. A panic in there would
// end the process.
func (a *API) receive(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, request mcp.Request) (result mcp.Result, err error) {
		x := exchangeOf(ctx)
		x.note(method)
		defer func() {
			if p := recover(); p != nil {
				x.note(codeInternal)
				a.log.ErrorContext(ctx, "panic in "+method, "err", fmt.Sprintf("%v\n%s", p, debug.Stack()))
				result, err = nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: internal.Detail}
			}
		}()
		return next(ctx, method, request)
	}
}
