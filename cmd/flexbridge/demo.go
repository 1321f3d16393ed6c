package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/api"
	"flexbridge/bridge/flex/flexsim"
)

// demo runs the real service between a pretend Twilio, in the same process but
// over real HTTP and with real signatures, and a pretend agent.
func demo(ctx context.Context, addr string, silent bool, out io.Writer) error {
	listener, err := listenLoopback(addr)
	if err != nil {
		return err
	}
	d, err := newDemo(ctx, listener.Addr().String(), silent, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	fmt.Fprintf(out, story, d.service.config.PublicURL)
	return errors.Join(d.service.run(ctx, listener), d.close())
}

const story = `A pretend agent waits for questions. In another terminal:

  curl -s %[1]s/send/a-customer-of-the-demo -H 'Content-Type: application/json' -d '{"msg":"Do you ship to Norway?"}'

The request waits until the agent has answered, a few seconds. Ask again, and it is the same conversation.
Speak as the agent yourself, or end the conversation; the next question opens a new one:

  curl -s %[1]s/demo/agent -H 'Content-Type: application/json' -d '{"say":"Anything else?"}'
  curl -s '%[1]s/replies/a-customer-of-the-demo?wait=5'
  curl -s %[1]s/demo/agent -H 'Content-Type: application/json' -d '{"close":true}'

MCP clients find it at %[1]s/mcp. Everything that happens is logged here. Ctrl-C ends the demo.

`

func listenLoopback(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("--addr: %w", err)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("--addr: %q is not a loopback address: the demo lets anybody speak as the agent", host)
	}
	return net.Listen("tcp", addr)
}

// demonstration is a service and the world around it.
type demonstration struct {
	service *service
	twilio  *flexsim.Sim
	rest    *http.Server
	agent   *flexsim.Agent
	pause   time.Duration // before the agent accepts, and before it answers
}

func newDemo(ctx context.Context, addr string, silent bool, logger *slog.Logger) (*demonstration, error) {
	d := &demonstration{pause: 1500 * time.Millisecond}
	var account flexsim.Config
	if !silent {
		account.OnTask, account.OnMessage = d.accept, d.answer
	}
	d.twilio = flexsim.New(account)
	d.agent = d.twilio.Agent("ana.lopez@example.com")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d.rest = &http.Server{Handler: d.twilio}
	go func() { _ = d.rest.Serve(listener) }() // ends with close
	d.service, err = newService(ctx, Config{
		PublicURL:  "http://" + addr,
		AccountSID: flexsim.AccountSID, AuthToken: flexsim.AuthToken, FlowSID: flexsim.FlowSID,
		APIURL:         "http://" + listener.Addr().String(),
		WebhookScope:   "conversation",
		WebhookVerify:  "enforce",
		AuthMode:       string(api.ModeNone),
		IdentitySecret: Secret(rand.Text() + rand.Text()),
		Wait:           40 * time.Second, MCPWait: 50 * time.Second, MaxParked: 1000, LooksPerSecond: 20, Retention: time.Hour,
		MediaLinks: time.Hour,
	}, logger)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.service.echo.POST("/demo/agent", d.speak)
	return d, nil
}

func (d *demonstration) close() error {
	d.twilio.Close()
	return d.rest.Close()
}

// accept joins a conversation that waits for an agent.
func (d *demonstration) accept(ctx context.Context, t flexsim.Task) {
	if pause(ctx, d.pause) {
		_ = d.agent.Join(t.Conversation) // it may have been closed meanwhile
	}
}

// answer replies to what the customer says.
func (d *demonstration) answer(ctx context.Context, m flexsim.Message) {
	if !strings.HasPrefix(m.Author, "flexbridge-") || !pause(ctx, 2*d.pause) {
		return
	}
	_, _ = d.agent.Say(m.Conversation, fmt.Sprintf("You asked: %q. Let me think… yes!", m.Text))
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// speak plays the agent: {"say": "…"}, {"leave": true} or {"close": true}, in the
// newest conversation or in the one named.
func (d *demonstration) speak(c echo.Context) error {
	var order struct {
		Conversation string `json:"conversation"`
		Say          string `json:"say"`
		Leave        bool   `json:"leave"`
		Close        bool   `json:"close"`
	}
	if err := c.Bind(&order); err != nil {
		return err
	}
	if all := d.twilio.Conversations(); order.Conversation == "" && len(all) > 0 {
		order.Conversation = all[len(all)-1].SID
	}
	var err error
	switch {
	case order.Conversation == "":
		err = errors.New("there is no conversation yet: ask something first")
	case order.Say != "":
		_, err = d.agent.Say(order.Conversation, order.Say)
	case order.Leave:
		err = d.agent.Leave(order.Conversation)
	case order.Close:
		err = d.agent.Close(order.Conversation)
	default:
		err = errors.New(`nothing to do: send {"say":"…"}, {"leave":true} or {"close":true}`)
	}
	if err != nil {
		return echo.NewHTTPError(http.StatusConflict, err.Error())
	}
	return c.NoContent(http.StatusNoContent)
}
