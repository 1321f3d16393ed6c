package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"path"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

//go:embed console/*.html console/*.css console/*.js console/icon.svg
var console embed.FS

const (
	consolePath = "/demo"

	// consolePolicy lets the page have its own files, and talk to its own service.
	consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// furnish adds the console to a service that does not run yet.
func (d *demonstration) furnish(s *service) {
	s.echo.Use(d.watchHTTP)
	s.echo.GET(consolePath, d.page, d.guard)
	s.echo.GET(consolePath+"/:file", d.page, d.guard)
	s.echo.GET(consolePath+"/events", d.events, d.guard)
	s.echo.GET(metricsPath, echo.WrapHandler(s.metrics.handler()), d.guard)
	s.echo.POST(consolePath+"/agent", d.speak, d.guard)
	s.echo.POST(consolePath+"/habit", d.setHabit, d.guard)
	s.echo.POST(consolePath+"/faults", d.breakThings, d.guard)
}

// guard keeps other pages' hands off: those of other origins, and those whose name
// was rebound to this machine.
func (d *demonstration) guard(next echo.HandlerFunc) echo.HandlerFunc {
	other := http.NewCrossOriginProtection()
	return func(c echo.Context) error {
		host, _, err := net.SplitHostPort(c.Request().Host)
		if err != nil {
			host = c.Request().Host
		}
		if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
			return echo.NewHTTPError(http.StatusForbidden, "The demo is for its own machine: call it as "+d.config.PublicURL+".")
		}
		if err := other.Check(c.Request()); err != nil {
			return echo.NewHTTPError(http.StatusForbidden, "Only the demo's own page may do that.")
		}
		return next(c)
	}
}

// page serves a file of the page. Under another of the machine's names the page
// could not call /mcp, which takes its own origin only.
func (d *demonstration) page(c echo.Context) error {
	name := c.Param("file")
	if name == "" {
		name = "index.html"
		if "http://"+c.Request().Host != d.config.PublicURL {
			return c.Redirect(http.StatusTemporaryRedirect, d.config.PublicURL+consolePath)
		}
	}
	body, err := console.ReadFile("console/" + name)
	if err != nil {
		return echo.ErrNotFound
	}
	header := c.Response().Header()
	header.Set(echo.HeaderContentSecurityPolicy, consolePolicy)
	header.Set(echo.HeaderCacheControl, "no-cache")
	return c.Blob(http.StatusOK, mime.TypeByExtension(path.Ext(name)), body)
}

const (
	gather = 20 * time.Millisecond // what happens within is sent together
	pulse  = 15 * time.Second      // between signs of life
)

// events tells a page what happens, as server-sent events, until it leaves or the
// service drains: "step" with an ID, and "state" whenever that changed.
func (d *demonstration) events(c echo.Context) error {
	w := c.Response()
	w.Header().Set(echo.HeaderContentType, "text/event-stream")
	w.Header().Set(echo.HeaderCacheControl, "no-store")
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	last, _ := strconv.Atoi(c.Request().Header.Get("Last-Event-ID"))
	var told []byte
	fmt.Fprint(w, "retry: 300\n\n")
	for {
		steps, changed := d.feed.since(last)
		for _, s := range steps {
			text, err := json.Marshal(s)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "id: %d\nevent: step\ndata: %s\n\n", s.ID, text)
			last = s.ID
		}
		now, err := json.Marshal(d.state())
		if err != nil {
			return err
		}
		if !bytes.Equal(now, told) {
			fmt.Fprintf(w, "event: state\ndata: %s\n\n", now)
			told = now
		}
		_ = rc.SetWriteDeadline(time.Now().Add(2 * pulse))
		if rc.Flush() != nil {
			return nil // it left
		}
		select {
		case <-changed:
			pause(c.Request().Context(), gather)
		case <-time.After(pulse):
			fmt.Fprint(w, ": alive\n\n")
		case <-c.Request().Context().Done():
			return nil
		}
	}
}
