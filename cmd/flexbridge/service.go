package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/api"
	"flexbridge/bridge"
	"flexbridge/bridge/flex"
	"flexbridge/store"
	"flexbridge/webhook"
)

// serve runs the service until ctx is done, and then drains it.
func serve(ctx context.Context) error {
	c, err := loadConfig()
	if err != nil {
		return err
	}
	s, err := newService(ctx, c, c.logger())
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.ListenAddr)
	if err != nil {
		return errors.Join(fmt.Errorf("LISTEN_ADDR: %w", err), s.close())
	}
	if err := s.operate(); err != nil {
		return errors.Join(err, listener.Close(), s.close())
	}
	boundGarbage()
	return s.run(ctx, listener)
}

// service is one replica.
type service struct {
	config   Config
	log      *slog.Logger
	echo     *echo.Echo // cmd may add routes before run
	bridge   *bridge.Bridge
	desk     *flex.Desk
	mail     mailbox
	server   *http.Server
	callers  *api.API
	metrics  *metrics
	identity *comparison // nil without Redis
	traces   *traces     // nil without a collector
	draining atomic.Bool

	ops     *http.Server // nil without OPS_ADDR
	opsAddr string       // where it listens
	opsDone chan struct{}
}

// mailbox is a store that is closed in the end.
type mailbox interface {
	bridge.Mailbox
	api.Limiter
	api.Adopter
	io.Closer
}

type memory struct{ *store.Memory }

func (memory) Close() error { return nil }

// timings are of the parts that the environment does not set; tests shorten them.
type timings struct {
	bridge bridge.Config
	store  store.Config
	desk   flex.Config
	body   time.Duration // api.Config.BodyTimeout
	park   time.Duration // api.Config.ParkAfter
	server *http.Server

	keepAlive time.Duration // of MCP calls
}

// newService wires a service that listens nowhere yet. ctx ends the wait for the
// issuer, if there is one.
func newService(ctx context.Context, c Config, logger *slog.Logger, tune ...func(*timings)) (s *service, err error) {
	traces, err := openTraces(logger)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			traces.close()
		}
	}()
	logger = slog.New(labelled{traces.logger(logger).Handler()})
	keys, err := bridge.NewKeyring([]byte(c.IdentitySecret))
	if err != nil {
		return nil, fmt.Errorf("IDENTITY_SECRET: %w", err)
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	measured := newMetrics()
	t := timings{server: newServer()}
	for _, f := range tune {
		f(&t)
	}
	traces.tune(&t)
	t.desk.AccountSID, t.desk.AuthToken = c.AccountSID, string(c.AuthToken)
	t.desk.APIKey, t.desk.APISecret = c.APIKey, string(c.APISecret)
	t.desk.TellShift = c.TellShift
	t.desk.FlowSID, t.desk.WorkspaceSID, t.desk.WorkflowSID = c.FlowSID, c.WorkspaceSID, c.WorkflowSID
	t.desk.ServiceSID, t.desk.APIURL = c.ServiceSID, c.APIURL
	t.desk.WebhookURL, t.desk.ConsoleScope = c.PublicURL+webhook.Path, c.WebhookScope == "console"
	t.desk.InactiveAfter, t.desk.ClosedAfter = c.InactiveAfter, c.ClosedAfter
	t.desk.CustomerName, t.desk.Keys, t.desk.Logger = c.CustomerName, keys, logger
	t.desk.Tried = measured.tried
	desk, err := flex.New(t.desk)
	if err != nil {
		return nil, err
	}
	auth, err := c.auth(ctx)
	if err != nil {
		return nil, err
	}
	t.store.Retention, t.store.Observe = c.Retention, measured.commanded
	mail, err := openMailbox(c, t.store, logger)
	if err != nil {
		return nil, err
	}
	s = &service{config: c, log: logger, echo: echo.New(), desk: desk, mail: mail, server: t.server, metrics: measured, traces: traces}
	t.bridge.Wait = min(c.Wait, c.MCPWait)
	t.bridge.MaxParked, t.bridge.LooksPerSecond, t.bridge.Logger = c.MaxParked, c.LooksPerSecond, logger
	t.bridge.Observer = measured
	s.bridge = bridge.New(desk, mail, keys, t.bridge)
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.callers, err = api.New(api.Config{
		PublicURL: c.PublicURL, Wait: c.Wait, Keys: keys, Auth: auth, Ready: s.ready,
		Limiter: mail, QuestionsPerCustomer: c.QuestionsPerCustomer, QuestionsPerCaller: c.QuestionsPerCaller,
		MaxParkedPerCaller: c.MaxParkedPerCaller, BodyTimeout: t.body, ParkAfter: t.park,
		MCP: api.MCP{
			Wait: c.MCPWait, KeepAlive: t.keepAlive, HandleLife: c.Retention,
			Origins: c.origins(), Challenge: c.AppsChallenge, Adopter: mail,
		},
		Files: desk, LinkLife: c.MediaLinks,
		Contact: c.Contact, Version: version(), Logger: logger, Tracer: traces.spans(), Problem: measured.problem,
	}, s.bridge)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	tokens := []string{string(c.AuthToken)}
	if c.AuthTokenSecondary != "" {
		tokens = append(tokens, string(c.AuthTokenSecondary))
	}
	if c.WebhookVerify == observe {
		logger.Error("WEBHOOK_VERIFY is observe: webhooks without Twilio's signature are acknowledged, and replies wait for a look at Twilio; go back to enforce when none is logged any more")
	}
	hooks, err := webhook.New(webhook.Config{
		PublicURL: c.PublicURL, AccountSID: c.AccountSID, AuthTokens: tokens, Keys: keys,
		Observe: c.WebhookVerify == observe, Note: measured.received, Logger: logger,
	}, traces.deliverer(s.bridge))
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.callers.Register(s.echo)
	hooks.Register(s.echo)
	measured.watch(s)
	if redis, ok := mail.(*store.Redis); ok {
		measured.watchRedis(redis)
		s.identity = compareIdentity(redis, keys.Fingerprint(), logger)
	}
	return s, nil
}

func openMailbox(c Config, config store.Config, logger *slog.Logger) (mailbox, error) {
	if c.RedisURL == "" {
		logger.Warn("REDIS_URL is empty: conversations are remembered by this process alone, so run only one")
		return memory{store.NewMemory(config)}, nil
	}
	redis, err := store.OpenRedis(string(c.RedisURL), config)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	return redis, nil
}

// ready tells why nothing should be sent here now.
func (s *service) ready(ctx context.Context) error {
	if s.draining.Load() {
		return bridge.ErrDraining
	}
	return s.mail.Ping(ctx)
}

// newServer bounds what a stranger may send, in size and time.
func newServer() *http.Server {
	return &http.Server{
		ErrorLog: log.New(io.Discard, "", 0), // strangers' broken connections
		// The handlers extend these for requests that wait.
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10, // the URL included
		// OPTIONS * is answered, and logged, as whatever else there is not.
		DisableGeneralOptionsHandler: true,
	}
}

// run serves until ctx is done. Then it says that it is not ready, and when those who
// ask that have had the time to hear it, it listens no more. Only after that requests
// that wait are answered pending, so that none comes back here; what is being said or
// kept is finished, and the store is closed.
func (s *service) run(ctx context.Context, listener net.Listener) error {
	waits, drain := context.WithCancelCause(context.Background())
	defer drain(nil)
	server := s.server
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close") // and not later, when a request is on its way over it
		}
		s.echo.ServeHTTP(w, r)
	})
	server.RegisterOnShutdown(func() { drain(bridge.ErrDraining) }) // runs when nothing listens
	server.BaseContext = func(net.Listener) context.Context { return waits }
	lines := api.Listen(server, listener)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(lines) }()
	s.log.Info("serving", "address", listener.Addr().String(), "public_url", s.config.PublicURL, "auth_mode", s.config.AuthMode, "version", version())

	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		s.log.Info("draining", "waiting", s.bridge.Parked())
		s.draining.Store(true)
		lines.Retire()
		<-time.After(s.config.DrainDelay)
		// Saying has until its request's deadline, and ten seconds at least.
		grace, cancel := context.WithTimeout(context.Background(), max(s.config.Wait, s.config.MCPWait)+10*time.Second)
		defer cancel()
		err = errors.Join(server.Shutdown(grace), lines.Wait(grace))
		<-failed
	}
	err = errors.Join(err, server.Close(), s.close(), s.closeOps())
	s.log.Info("stopped")
	return err
}

// close closes what newService opened, the last first.
func (s *service) close() error {
	if s.bridge != nil {
		s.bridge.Close()
	}
	if s.identity != nil {
		s.identity.close()
	}
	s.desk.CloseIdleConnections()
	err := s.mail.Close()
	s.traces.close()
	return err
}
