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
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"flexbridge/api"
	"flexbridge/bridge"
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
	fmt.Fprintf(out, story, d.config.PublicURL)
	return errors.Join(d.run(ctx, listener), d.close())
}

const story = `A pretend agent waits for questions. See one travel, and break things on its way, in a browser:

  %[1]s/demo

Or in another terminal:

  curl -s %[1]s/send/a-customer-of-the-demo -H 'Content-Type: application/json' -d '{"msg":"Do you ship to Norway?"}'

The request waits until the agent has answered, a few seconds. Ask again, and it is the same conversation.
Speak as the agent yourself, or end the conversation; the next question opens a new one:

  curl -s %[1]s/demo/agent -H 'Content-Type: application/json' -d '{"say":"Anything else?"}'
  curl -s '%[1]s/replies/a-customer-of-the-demo?wait=5'
  curl -s %[1]s/demo/agent -H 'Content-Type: application/json' -d '{"close":true}'

MCP clients find it at %[1]s/mcp, Prometheus its metrics at %[1]s/metrics. Everything that happens is logged here. Ctrl-C ends the demo.

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

// demonstration is a service and the world around it. The console at /demo shows
// what happens there; nothing of the service knows that it is watched.
type demonstration struct {
	config Config
	keys   *bridge.Keyring
	log    *slog.Logger
	twilio *flexsim.Sim
	rest   *http.Server
	agent  *flexsim.Agent
	feed   *feed
	people people
	asking asking
	tally  tally
	marks  marks
	faults faults
	again  chan struct{} // has a value when the service is to start again

	mu      sync.Mutex
	service *service      // which runs now
	auto    bool          // the agent accepts and answers by itself
	pause   time.Duration // before it accepts; it answers after twice that
}

func newDemo(ctx context.Context, addr string, silent bool, logger *slog.Logger) (*demonstration, error) {
	d := &demonstration{auto: !silent, pause: 1500 * time.Millisecond, again: make(chan struct{}, 1), feed: newFeed()}
	d.log = slog.New(overhear{logger.Handler(), d.heard})
	d.twilio = flexsim.New(flexsim.Config{OnTask: d.onTask, OnMessage: d.onMessage})
	d.agent = d.twilio.Agent("ana.lopez@example.com")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d.rest = &http.Server{Handler: d.watchREST(d.twilio)}
	go func() { _ = d.rest.Serve(listener) }() // ends with close
	d.config = Config{
		PublicURL:  "http://" + addr,
		AccountSID: flexsim.AccountSID, AuthToken: flexsim.AuthToken, FlowSID: flexsim.FlowSID,
		APIURL:         "http://" + listener.Addr().String(),
		WebhookScope:   "conversation",
		WebhookVerify:  "enforce",
		AuthMode:       string(api.ModeNone),
		IdentitySecret: Secret(rand.Text() + rand.Text()),
		Wait:           40 * time.Second, MCPWait: 50 * time.Second, MaxParked: 1000, LooksPerSecond: 20, Retention: 24 * time.Hour,
		MediaLinks: time.Hour,
	}
	d.keys, err = bridge.NewKeyring([]byte(d.config.IdentitySecret))
	if err == nil {
		err = d.renew(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// renew makes the service anew. What the one before kept in memory is gone.
func (d *demonstration) renew(ctx context.Context) error {
	// The console copies answers as handlers write them; so each waits in its own.
	inHandlers := func(t *timings) { t.park = time.Hour }
	s, err := newService(ctx, d.config, d.log, inHandlers)
	if err != nil {
		return err
	}
	d.furnish(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.service = s
	return nil
}

func (d *demonstration) current() *service {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.service
}

// run serves until ctx is done. Told to start again, it drains one service while the
// next takes the connections, as behind a load balancer.
func (d *demonstration) run(ctx context.Context, listener net.Listener) error {
	shared := share(listener)
	defer shared.close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { d.watchTwilio(ctx); return nil })
	drain := func() {}
	for {
		turn, cancel := context.WithCancel(ctx)
		s, l := d.current(), shared.listen()
		group.Go(func() error { return s.run(turn, l) })
		group.Go(func() error { d.witness(turn, s.mail); return nil })
		drain()
		drain = cancel
		select {
		case <-d.again:
		case <-ctx.Done():
			cancel()
			return group.Wait()
		}
		if err := d.renew(ctx); err != nil {
			cancel()
			stop()
			return errors.Join(err, group.Wait())
		}
	}
}

func (d *demonstration) close() error {
	d.twilio.Close()
	return d.rest.Close()
}
