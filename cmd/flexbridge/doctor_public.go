package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"syscall"
	"time"
)

// newClient reaches PUBLIC_URL as Twilio does: over no proxy, following nobody
// elsewhere, trusting no certificate that it would not.
func (d *doctor) newClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: d.roots}, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// place is PUBLIC_URL, which is of its form whenever a check reads it.
func (d *doctor) place() *url.URL {
	u, _ := url.Parse(d.config.PublicURL)
	return u
}

func (d *doctor) address(ctx context.Context) finding {
	host := d.place().Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return ok("%s needs no name", host)
	}
	_, err := d.lookup(ctx, host)
	unknown := new(net.DNSError)
	switch {
	case errors.As(err, &unknown) && unknown.IsNotFound:
		return bad("make a DNS record for it, or correct PUBLIC_URL", "the name %s does not exist", host)
	case err != nil:
		return finding{Status: unchecked, Text: "the name " + host + " could not be looked up", Do: "see whether DNS works on this machine"}
	}
	return ok("%s has an address", host)
}

// renewal is how long before its end a certificate ought to have been renewed.
const renewal = 14 * 24 * time.Hour

func (d *doctor) certificate(ctx context.Context) finding {
	place := d.place()
	if place.Scheme == "http" {
		return ok("none: http, on this machine only")
	}
	port := place.Port()
	if port == "" {
		port = "443"
	}
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: d.roots}}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(place.Hostname(), port))
	if err != nil {
		return untrusted(err, place)
	}
	defer conn.Close()
	last := conn.(*tls.Conn).ConnectionState().PeerCertificates[0].NotAfter
	if time.Until(last) < renewal {
		return warning("renew it; Twilio calls nobody whose certificate has expired", "it expires on %s", last.Format(time.DateOnly))
	}
	return ok("trusted until %s", last.Format(time.DateOnly))
}

// untrusted explains why there is no connection that Twilio would use.
func untrusted(err error, place *url.URL) finding {
	const renew = "let it be renewed, such as by ACME"
	var (
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		plain   tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && time.Now().Before(invalid.Cert.NotBefore):
		return bad("see whether this machine's clock is right", "the certificate is valid from %s only", invalid.Cert.NotBefore.Format(time.DateOnly))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return bad(renew, "the certificate expired on %s", invalid.Cert.NotAfter.Format(time.DateOnly))
	case errors.As(err, &name):
		return bad("get a certificate for it, or correct PUBLIC_URL", "the certificate is not for %s", place.Hostname())
	case errors.As(err, &unknown) && unknown.Cert != nil && unknown.Cert.CheckSignatureFrom(unknown.Cert) == nil:
		return bad("get one that the world trusts: Twilio refuses it", "the certificate is self-signed")
	case errors.As(err, &unknown):
		return bad("let the server send the whole chain, or get one that the world trusts", "the certificate comes from nobody that is trusted")
	case errors.As(err, &plain):
		return bad("let a proxy speak TLS there, or correct the port in PUBLIC_URL", "what answers at %s does not speak TLS", place.Host)
	}
	return silent(err)
}

// silent explains why nothing answers.
func silent(err error) finding {
	var late net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return bad("start the service, and the proxy in front of it", "nothing listens there")
	case errors.As(err, &late) && late.Timeout():
		return bad("see whether the service hangs, and whether a firewall is in between", "no answer in time")
	}
	return bad("see the proxy's log", "the connection fails: %v", err)
}

// description is what the service there says of itself.
type description struct{ url, version string }

var (
	describedURL     = regexp.MustCompile(`(?m)^\s*- url: ("(?:[^"\\]|\\.)*")`)
	describedVersion = regexp.MustCompile(`(?m)^\s*version: ("(?:[^"\\]|\\.)*")`)
	describedTitle   = regexp.MustCompile(`(?m)^\s*title: Flexbridge$`)
)

func (d *doctor) publicURL(ctx context.Context) finding {
	status, _, err := d.get(ctx, "/livez")
	switch {
	case err != nil:
		return silent(err)
	case status >= 300 && status < 400:
		return bad("set PUBLIC_URL to where it leads: Twilio follows no redirect with what it posts", "PUBLIC_URL answers /livez by a redirect (HTTP %d)", status)
	case status != http.StatusOK:
		return bad("let the proxy pass everything below PUBLIC_URL to the service, and see that it runs", "PUBLIC_URL answers /livez with HTTP %d", status)
	}
	status, document, err := d.get(ctx, "/openapi.yaml")
	if err != nil {
		return silent(err)
	}
	if status != http.StatusOK || !describedTitle.MatchString(document) {
		return bad("correct PUBLIC_URL, or let the proxy pass requests to the service", "something else than flexbridge answers there")
	}
	d.server = description{described(document, describedURL), described(document, describedVersion)}
	return ok("%s answers", d.config.PublicURL)
}

// described is the JSON string that the pattern finds.
func described(document string, pattern *regexp.Regexp) (text string) {
	if m := pattern.FindStringSubmatch(document); m != nil {
		_ = json.Unmarshal([]byte(m[1]), &text) // one that is none is as good as none
	}
	return text
}

func (d *doctor) get(ctx context.Context, path string) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.config.PublicURL+path, nil)
	if err != nil {
		return 0, "", err
	}
	return d.do(r)
}

func (d *doctor) do(r *http.Request) (status int, body string, err error) {
	res, err := d.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, string(text), err
}

// sameService compares what answers with this program and its environment.
func (d *doctor) sameService(context.Context) finding {
	switch {
	case d.server.url != d.config.PublicURL:
		return bad("start the service with this environment", "the service there calls itself %q", d.server.url)
	case d.server.version != version():
		return warning("deploy one of the two, or ask the doctor of the same version", "the service there is %q, this is %q", d.server.version, version())
	}
	return ok("%s, there and here", version())
}
