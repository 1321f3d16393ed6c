package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/api"
	"flexbridge/bridge"
	"flexbridge/bridge/flex"
	"flexbridge/store"
	"flexbridge/webhook"
)

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
func newService(ctx context.Context, c Config, logger *slog.Logger, tune ...func(*timings)) (*service, error) {
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	t := timings{server: newServer()}
	for _, f := range tune {
		f(&t)
	}
	s := &service{config: c, log: logger, echo: echo.New(), server: t.server, metrics: newMetrics()}
	s.echo.HideBanner, s.echo.HidePort = true, true
	if err := s.wire(ctx, t); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// wire makes the parts, each from those before it. After an error close closes those
// that there are.
func (s *service) wire(ctx context.Context, t timings) (err error) {
	if s.traces, err = openTraces(s.log); err != nil {
		return err
	}
	s.log = slog.New(labelled{s.traces.logger(s.log).Handler()})
	s.traces.tune(&t)
	keys, err := bridge.NewKeyring([]byte(s.config.IdentitySecret))
	if err != nil {
		return fmt.Errorf("IDENTITY_SECRET: %w", err)
	}
	if s.desk, err = flex.New(s.deskConfig(t, keys)); err != nil {
		return err
	}
	auth, err := s.config.auth(ctx)
	if err != nil {
		return err
	}
	if s.mail, err = s.openMailbox(t); err != nil {
		return err
	}
	s.bridge = bridge.New(s.desk, s.mail, keys, s.bridgeConfig(t))
	if s.callers, err = api.New(s.apiConfig(t, keys, auth), s.bridge); err != nil {
		return err
	}
	if s.config.WebhookVerify == observe {
		s.log.Error("WEBHOOK_VERIFY is observe: webhooks without Twilio's signature are acknowledged, and replies wait for a look at Twilio; go back to enforce when none is logged any more")
	}
	hooks, err := webhook.New(s.webhookConfig(keys), s.traces.deliverer(s.bridge))
	if err != nil {
		return err
	}
	s.callers.Register(s.echo)
	hooks.Register(s.echo)
	s.metrics.watch(s)
	if redis, ok := s.mail.(*store.Redis); ok {
		s.metrics.watchRedis(redis)
		s.identity = compareIdentity(redis, keys.Fingerprint(), s.log)
	}
	return nil
}

func (s *service) deskConfig(t timings, keys *bridge.Keyring) flex.Config {
	c, d := s.config, t.desk
	d.AccountSID, d.AuthToken = c.AccountSID, string(c.AuthToken)
	d.APIKey, d.APISecret = c.APIKey, string(c.APISecret)
	d.TellShift = c.TellShift
	d.FlowSID, d.WorkspaceSID, d.WorkflowSID = c.FlowSID, c.WorkspaceSID, c.WorkflowSID
	d.ServiceSID, d.APIURL = c.ServiceSID, c.APIURL
	d.WebhookURL, d.ConsoleScope = c.PublicURL+webhook.Path, c.WebhookScope == "console"
	d.InactiveAfter, d.ClosedAfter = c.InactiveAfter, c.ClosedAfter
	d.CustomerName, d.Keys, d.Logger = c.CustomerName, keys, s.log
	d.Tried = s.metrics.tried
	return d
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

func (s *service) openMailbox(t timings) (mailbox, error) {
	config := t.store
	config.Retention, config.Observe = s.config.Retention, s.metrics.commanded
	if s.config.RedisURL == "" {
		s.log.Warn("REDIS_URL is empty: conversations are remembered by this process alone, so run only one")
		return memory{store.NewMemory(config)}, nil
	}
	redis, err := store.OpenRedis(string(s.config.RedisURL), config)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	return redis, nil
}

func (s *service) bridgeConfig(t timings) bridge.Config {
	c, b := s.config, t.bridge
	b.Wait = min(c.Wait, c.MCPWait)
	b.MaxParked, b.LooksPerSecond = c.MaxParked, c.LooksPerSecond
	b.Logger, b.Observer = s.log, s.metrics
	return b
}

func (s *service) apiConfig(t timings, keys *bridge.Keyring, auth api.Auth) api.Config {
	c := s.config
	return api.Config{
		PublicURL: c.PublicURL, Wait: c.Wait, Keys: keys, Auth: auth, Ready: s.ready,
		Limiter: s.mail, QuestionsPerCustomer: c.QuestionsPerCustomer, QuestionsPerCaller: c.QuestionsPerCaller,
		MaxParkedPerCaller: c.MaxParkedPerCaller, BodyTimeout: t.body, ParkAfter: t.park,
		MCP: api.MCP{
			Wait: c.MCPWait, KeepAlive: t.keepAlive, HandleLife: c.Retention,
			Origins: c.origins(), Challenge: c.AppsChallenge, Adopter: s.mail,
		},
		Files: s.desk, LinkLife: c.MediaLinks,
		Contact: c.Contact, Version: version(), Logger: s.log, Tracer: s.traces.spans(), Problem: s.metrics.problem,
	}
}

func (s *service) webhookConfig(keys *bridge.Keyring) webhook.Config {
	c := s.config
	tokens := []string{string(c.AuthToken)}
	if c.AuthTokenSecondary != "" {
		tokens = append(tokens, string(c.AuthTokenSecondary))
	}
	return webhook.Config{
		PublicURL: c.PublicURL, AccountSID: c.AccountSID, AuthTokens: tokens, Keys: keys,
		Observe: c.WebhookVerify == observe, Note: s.metrics.received, Logger: s.log,
	}
}
