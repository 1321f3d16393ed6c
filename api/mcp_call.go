package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"flexbridge/bridge"
)

// toolCall is one call of a tool.
type toolCall struct {
	*exchange
	meta map[string]any

	text     string
	after    bridge.Cursor
	key      string
	about    bridge.About
	deadline time.Time

	conversation string // the handle's text, as it goes into the answer
	issued       bool   // and the caller did not have it before
	customer     bridge.Customer
}

// handle serves the calls of one tool. What goes wrong is a result, too, since a
// model sees nothing else.
func (a *API) handle(t tool) mcp.ToolHandler {
	return func(ctx context.Context, request *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		c := &toolCall{exchange: exchangeOf(ctx), meta: request.Params.Meta}
		c.deadline = c.arrived.Add(a.cfg.MCP.Wait)
		stop := a.alive(ctx, request, c)
		defer stop() // after a panic, too
		answer, err := a.serveCall(t, c, request.Params.Arguments)
		stop() // or progress, written last, could pass for the answer
		if err != nil {
			return a.failed(c, err), nil
		}
		c.noteAnswer(answer)
		c.stream.answering(answer.Written)
		return a.succeeded(c, answer), nil
	}
}

func (a *API) serveCall(t tool, c *toolCall, arguments []byte) (none bridge.Answer, err error) {
	in, err := t.read(arguments)
	if err != nil {
		return none, err
	}
	if t.opens {
		if c.text, err = readText("message", in.Message); err != nil {
			return none, err
		}
	}
	if c.after, err = parseAfter("cursor", in.Cursor); err != nil {
		return none, err
	}
	if c.key, err = checkKey(in.Key); err != nil {
		return none, err
	}
	if c.about, err = a.aboutCall(c, in); err != nil {
		return none, err
	}
	leave, err := a.enter(c.who)
	if err != nil {
		return none, err
	}
	defer leave()
	if err := a.identifyCall(t, c, in.Conversation); err != nil {
		return none, err
	}
	if t.says {
		// Too late for headers: the response may have begun.
		if err := a.spend(c.ctx, c.who, a.spender(c), make(http.Header)); err != nil {
			return none, err
		}
	}
	return t.run(c.ctx, c)
}

func (a *API) ask(ctx context.Context, c *toolCall) (bridge.Answer, error) {
	return a.asker.Ask(ctx, bridge.Question{
		Customer: c.customer, Text: c.text, After: c.after, Key: c.key, Deadline: c.deadline, About: c.about,
	})
}

// aboutCall is what a call says of its question. ChatGPT tells its user's language
// besides (OpenAI's plugin reference, _meta).
func (a *API) aboutCall(c *toolCall, in toolInput) (bridge.About, error) {
	about, err := givenAbout{in.Context, in.Locale}.read(bridge.ByMCP)
	if err == nil && about.Locale == "" {
		about.Locale, _ = parseLocale(c.said("openai/locale"))
	}
	return about, err
}

func (a *API) wait(ctx context.Context, c *toolCall) (bridge.Answer, error) {
	return a.asker.Await(ctx, c.customer, c.after, c.deadline)
}

func (a *API) endAt(ctx context.Context, c *toolCall) (bridge.Answer, error) {
	return a.asker.End(ctx, c.customer, c.after)
}

// spender is whose budget a call takes from. Whoever leaves the conversation out is
// a new customer with each call, so that ChatGPT's name for its user counts instead.
func (a *API) spender(c *toolCall) bridge.Customer {
	if subject := c.said("openai/subject"); c.issued && c.who.person == nil && subject != "" {
		return a.customer(c.who, "openai subject", subject)
	}
	return c.customer
}

const kindHandle = "handle"

// identifyCall finds whose conversation a call is about: the handle's, or a new one.
func (a *API) identifyCall(t tool, c *toolCall, given *string) error {
	now := time.Now()
	renewed := now.Add(a.cfg.MCP.HandleLife)
	var h bridge.Handle
	switch {
	case given != nil && *given != "":
		var known bool
		if h, known = a.cfg.Keys.Unseal(*given, now, c.who.holder()...); !known {
			return errUnknownConversation
		}
		c.conversation = *given
		if h.Expires.Sub(now) < a.cfg.MCP.HandleLife/2 {
			h.Expires = renewed
			c.conversation = a.cfg.Keys.Seal(h, c.who.holder()...)
		}
	case t.opens || c.who.person != nil:
		h = bridge.NewHandle(renewed)
		if err := a.adopt(c, &h); err != nil {
			return err
		}
		c.conversation, c.issued = a.cfg.Keys.Seal(h, c.who.holder()...), true
	default:
		return &inputError{"conversation", "required: the `conversation` of an earlier answer, unchanged; " + toolAsk + " starts one"}
	}
	c.customer = a.customer(c.who, kindHandle, h.ID)
	c.noteCustomer(c.customer)
	return nil
}

// holder tells whose a handle is: the person's, who may come through any client, or
// else the application's.
func (who caller) holder() []string {
	switch {
	case who.person != nil:
		return append([]string{"person"}, who.person...)
	case who.application != "":
		return []string{"application", who.application}
	default:
		return []string{"anyone"}
	}
}

// adoptFor is how long a call without a handle may be repeated: the longest wait
// that a client has, and the time in which the same text attaches after that.
const adoptFor = 170 * time.Second

// adopt gives a repeat of a call without a handle the first one's: ChatGPT gives up
// after 60 s, calls again, and has not seen the answer that had it. What it says of
// its user and chat is known to every server the user connects, so it identifies
// nobody: it takes both and the very same text, for minutes. Source of the names:
// OpenAI's plugin reference, _meta.
func (a *API) adopt(c *toolCall, h *bridge.Handle) error {
	session, subject := c.said("openai/session"), c.said("openai/subject")
	if c.who.person != nil || c.text == "" || session == "" || subject == "" || a.cfg.MCP.Adopter == nil {
		return nil
	}
	id := a.cfg.Keys.Repeat(append([]string{subject, session, c.text}, c.who.holder()...)...)
	first, err := a.cfg.MCP.Adopter.Adopt(c.ctx, id, h.ID, adoptFor)
	if err != nil {
		return fmt.Errorf("attaching a repeat: %w: %w", bridge.ErrMailbox, err)
	}
	h.ID = first
	return nil
}

// said is what the client says of itself under a name, if it is of sane length.
func (c *toolCall) said(name string) string {
	text, _ := c.meta[name].(string)
	if utf8.RuneCountInString(text) > maxMeta {
		return ""
	}
	return text
}

// alive gives signs of life while a call waits, until stop.
func (a *API) alive(ctx context.Context, request *mcp.CallToolRequest, c *toolCall) (stop func()) {
	token := request.Params.GetProgressToken()
	return pulse(a.cfg.MCP.KeepAlive/4, a.cfg.MCP.KeepAlive, func() {
		c.stream.comment("waiting")
		if token == nil {
			return
		}
		// A caller who left is noticed elsewhere.
		_ = request.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: token,
			Progress:      time.Since(c.arrived).Seconds(),
			Total:         a.cfg.MCP.Wait.Seconds(),
			Message:       "waiting for a person",
		})
	})
}

// failed tells a model what went wrong. It is logged here, as the response is
// a success to HTTP.
func (a *API) failed(c *toolCall, err error) *mcp.CallToolResult {
	p := problemOf(err)
	if p.Code == codeInternal && callerLeft(c.ctx) {
		c.note(outcomeLeft)
		return errorResult(p, "")
	}
	c.note(p.Code)
	a.cfg.Problem(p.Code)
	if p.Status >= http.StatusInternalServerError {
		level := slog.LevelWarn
		if p.Code == codeInternal {
			level = slog.LevelError
		}
		a.log.LogAttrs(c.ctx, level, "tool", slog.String("outcome", p.Code), slog.Any("err", err))
	}
	if !c.issued {
		return errorResult(p, "")
	}
	return errorResult(p, c.conversation)
}
