package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

// eras are a revision of MCP without sessions and one with the old handshake.
var eras = []string{"2026-07-28", "2025-06-18"}

// assistant is an MCP client.
type assistant struct {
	t       *testing.T
	session interface {
		CallTool(context.Context, *mcp.CallToolParams) (*mcp.CallToolResult, error)
	}
}

func (w *world) assistant(r *replica, era string) *assistant {
	w.t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(w.t.Context(), &mcp.StreamableClientTransport{
		Endpoint: r.url + "/mcp", HTTPClient: http.DefaultClient, MaxRetries: -1, DisableStandaloneSSE: true,
	}, &mcp.ClientSessionOptions{ProtocolVersion: era})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = session.Close() })
	return &assistant{w.t, session}
}

// told is what a tool answered.
type told struct {
	answer
	Conversation string
}

type toldResult struct {
	told
	err error
}

// call calls a tool; meta may be nil.
func (a *assistant) call(ctx context.Context, tool string, arguments map[string]any, meta mcp.Meta) (got toldResult) {
	result, err := a.session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments, Meta: meta})
	if err != nil {
		return toldResult{err: err}
	}
	if result.IsError {
		return toldResult{err: errors.New(result.Content[0].(*mcp.TextContent).Text)}
	}
	text, err := json.Marshal(result.StructuredContent)
	if err == nil {
		err = json.Unmarshal(text, &got.told)
	}
	got.err = err
	return got
}

// asking asks in the background, after an earlier answer, which may be none.
func (a *assistant) asking(ctx context.Context, message string, after told, meta mcp.Meta) <-chan toldResult {
	c := make(chan toldResult, 1)
	go func() {
		c <- a.call(ctx, "ask_agent", map[string]any{"message": message, "conversation": after.Conversation, "cursor": after.Cursor}, meta)
	}()
	return c
}

func (a *assistant) waiting(after told) toldResult {
	return a.call(a.t.Context(), "wait_for_agent", map[string]any{"conversation": after.Conversation, "cursor": after.Cursor}, nil)
}

func (a *assistant) want(got toldResult, status, texts string) told {
	a.t.Helper()
	if got.err != nil || got.Status != status || got.texts() != texts || got.Conversation == "" {
		a.t.Fatalf("the tool answered %+v, %v, want %s %q", got.told, got.err, status, texts)
	}
	return got.told
}

func eachEra(t *testing.T, test func(t *testing.T, redis *storetest.Server, era string)) {
	for _, era := range eras {
		t.Run(era, func(t *testing.T) {
			each(t, func(t *testing.T, redis *storetest.Server) { test(t, redis, era) })
		})
	}
}

// messages is how many were written in all conversations.
func (w *world) messages() (n int) {
	for _, c := range w.twilio.Conversations() {
		n += len(c.Messages)
	}
	return n
}

func TestMCPRoundTrip(t *testing.T) {
	eachEra(t, func(t *testing.T, redis *storetest.Server, era string) {
		w := newWorld(t, redis, flexsim.Config{})
		r := w.start(nil, func(c *Config) { c.MCPWait = time.Second })
		a := w.assistant(r, era)
		// A reply to a question that waits.
		asked := a.asking(t.Context(), "may I?", told{}, nil)
		sid := w.asked("may I?")
		w.reply(sid, "you may")
		first := a.want(<-asked, "replied", "you may")
		// One that comes while nobody waits is read later, as often as you like.
		pending := a.want(<-a.asking(t.Context(), "and now?", first, nil), "pending", "")
		w.reply(sid, "now, too")
		read := pending
		for range 2 {
			pending = a.want(a.waiting(read), "replied", "now, too")
		}
		w.reply(sid, "anything else?")
		ended := a.call(t.Context(), "end_conversation", map[string]any{"conversation": first.Conversation, "cursor": pending.Cursor}, nil)
		last := a.want(ended, "closed", "anything else?")
		if c, _ := w.twilio.Conversation(sid); c.State != flexsim.Closed {
			t.Errorf("after end_conversation it is %s", c.State)
		}
		// The handle goes on, in a new conversation at the desk.
		again := a.asking(t.Context(), "anybody?", last, nil)
		second := w.asked("anybody?")
		w.reply(second, "here")
		if got := a.want(<-again, "replied", "here"); second == sid || got.Conversation != first.Conversation {
			t.Errorf("asked in %s as %s, want a new conversation and the same handle", second, got.Conversation)
		}
	})
}

// A client that was cut before its first answer has no handle. ChatGPT's own ids
// lead its repeat to the question that was asked, on any replica.
func TestMCPFirstCallCutAndRepeated(t *testing.T) {
	eachEra(t, func(t *testing.T, redis *storetest.Server, era string) {
		w := newWorld(t, redis, flexsim.Config{})
		r := w.start(nil)
		other := r
		if redis != nil {
			other = w.start(r)
		}
		meta := mcp.Meta{"openai/subject": "v1/user", "openai/session": "v1/chat"}
		ctx, cut := context.WithCancel(t.Context())
		asked := w.assistant(r, era).asking(ctx, "may I?", told{}, meta)
		sid := w.asked("may I?")
		cut()
		if got := <-asked; !errors.Is(got.err, context.Canceled) {
			t.Fatalf("the call came back with %+v, want cut", got)
		}
		w.until(func() bool { return r.bridge.Parked() == 0 })
		a := w.assistant(other, era)
		again := a.asking(t.Context(), "may I?", told{}, meta)
		w.until(func() bool { return other.bridge.Parked() == 1 })
		w.reply(sid, "you may")
		a.want(<-again, "replied", "you may")
		if n := w.messages(); n != 2 {
			t.Errorf("%d messages, want the question once and its reply", n)
		}
	})
}

// With a handle the same text attaches without any help.
func TestMCPLaterCallCutAndRepeated(t *testing.T) {
	eachEra(t, func(t *testing.T, redis *storetest.Server, era string) {
		w := newWorld(t, redis, flexsim.Config{})
		r := w.start(nil)
		a := w.assistant(r, era)
		asked := a.asking(t.Context(), "hello?", told{}, nil)
		sid := w.asked("hello?")
		w.reply(sid, "hello")
		first := a.want(<-asked, "replied", "hello")

		ctx, cut := context.WithCancel(t.Context())
		asked = a.asking(ctx, "may I?", first, nil)
		w.asked("may I?")
		cut()
		if got := <-asked; !errors.Is(got.err, context.Canceled) {
			t.Fatalf("the call came back with %+v, want cut", got)
		}
		w.until(func() bool { return r.bridge.Parked() == 0 })
		again := a.asking(t.Context(), "may I?", first, nil)
		w.until(func() bool { return r.bridge.Parked() == 1 })
		w.reply(sid, "you may")
		a.want(<-again, "replied", "you may")
		if n := w.messages(); n != 4 {
			t.Errorf("%d messages, want two questions and two replies", n)
		}
	})
}

func TestMCPConversationsNeverMix(t *testing.T) {
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	replicas := []*replica{w.start(nil)}
	replicas = append(replicas, w.start(replicas[0]))
	var all sync.WaitGroup
	for i := range 8 {
		a := w.assistant(replicas[i%2], eras[i/2%2])
		all.Go(func() {
			var last told
			for n := range 3 {
				question, reply := fmt.Sprintf("question %d.%d", i, n), fmt.Sprintf("reply %d.%d", i, n)
				asked := a.asking(t.Context(), question, last, nil)
				w.reply(w.asked(question), reply)
				got := <-asked
				if got.err != nil || got.texts() != reply {
					t.Errorf("to %q came %q (%v), want %q", question, got.texts(), got.err, reply)
				}
				last = got.told
			}
		})
	}
	all.Wait()
	if n := len(w.twilio.Conversations()); n != 8 {
		t.Errorf("%d conversations, want 8", n)
	}
}

// A caller who hangs up leaves nobody parked, whatever revision it speaks.
func TestMCPDisconnectFreesTheSeat(t *testing.T) {
	for _, era := range eras {
		t.Run(era, func(t *testing.T) {
			w := newWorld(t, nil, flexsim.Config{})
			r := w.start(nil)
			ctx, hangUp := context.WithCancel(t.Context())
			asked := w.assistant(r, era).asking(ctx, "may I?", told{}, nil)
			w.asked("may I?")
			w.until(func() bool { return r.bridge.Parked() == 1 })
			hangUp()
			<-asked
			w.until(func() bool { return r.bridge.Parked() == 0 })
		})
	}
}

func TestMCPDrain(t *testing.T) {
	for _, era := range eras {
		t.Run(era, func(t *testing.T) {
			w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
			other := w.start(nil)
			r := w.start(other)
			a := w.assistant(r, era)
			asked := a.asking(t.Context(), "may I?", told{}, nil)
			sid := w.asked("may I?")
			w.until(func() bool { return r.bridge.Parked() == 1 })
			start := time.Now()
			stopped := make(chan error, 1)
			go func() { stopped <- r.stop() }()
			got := a.want(<-asked, "pending", "")
			if took := time.Since(start); took > time.Second {
				t.Errorf("drained after %v, want a second at most", took)
			}
			http.DefaultClient.CloseIdleConnections()
			if err := <-stopped; err != nil {
				t.Errorf("stopping: %v", err)
			}
			w.reply(sid, "you may")
			b := w.assistant(other, era)
			b.want(b.waiting(got), "replied", "you may")
		})
	}
}

// The demo can be tried with any MCP client.
func TestMCPInDemo(t *testing.T) {
	_, r := startDemo(t, false)
	w := &world{t: t}
	a := w.assistant(r, eras[0])
	got := a.call(t.Context(), "ask_agent", map[string]any{"message": "Do you ship to Norway?"}, nil)
	if got.err != nil || got.Status != "replied" || got.texts() == "" {
		t.Errorf("ask_agent = %+v, want the pretend agent's reply", got)
	}
}
