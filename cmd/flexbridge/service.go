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
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/api"
	"flexbridge/bridge"
	"flexbridge/bridge/flex"
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
	boundGarbage(leastGarbage)
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

// close closes what wire opened, the last first; it may not have come to all of it.
func (s *service) close() (err error) {
	if s.bridge != nil {
		s.bridge.Close()
	}
	if s.identity != nil {
		s.identity.close()
	}
	if s.desk != nil {
		s.desk.CloseIdleConnections()
	}
	if s.mail != nil {
		err = s.mail.Close()
	}
	s.traces.close()
	return err
}
