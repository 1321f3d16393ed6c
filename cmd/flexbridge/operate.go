package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const metricsPath = "/metrics"

// operate listens at OPS_ADDR, if there is one, and serves operators from now on,
// until run has ended.
func (s *service) operate() error {
	if s.config.OpsAddr == "" {
		return nil
	}
	listener, err := net.Listen("tcp", s.config.OpsAddr)
	if err != nil {
		return fmt.Errorf("OPS_ADDR: %w", err)
	}
	e := echo.New()
	s.callers.RegisterHealth(e)
	e.GET(metricsPath, echo.WrapHandler(s.metrics.handler()))
	for name, f := range map[string]http.HandlerFunc{
		"": pprof.Index, "cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace,
	} {
		e.GET("/debug/pprof/"+name, echo.WrapHandler(f))
	}
	e.GET("/debug/pprof/:profile", echo.WrapHandler(http.HandlerFunc(pprof.Index)))
	// A profile takes as long as it is asked to.
	s.ops = &http.Server{Handler: e, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	s.opsAddr = listener.Addr().String()
	s.opsDone = make(chan struct{})
	go func() {
		defer close(s.opsDone)
		_ = s.ops.Serve(listener) // ends with close
	}()
	return nil
}

// closeOps ends it, whatever is being read there.
func (s *service) closeOps() error {
	if s.ops == nil {
		return nil
	}
	err := s.ops.Close()
	<-s.opsDone
	return err
}

// handler serves the metrics.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, EnableOpenMetrics: true})
}
