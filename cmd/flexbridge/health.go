package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// health asks the service that listens at LISTEN_ADDR on this machine whether it
// lives. It is the container's health check, as the image has no shell.
func health(ctx context.Context) error {
	// serve refuses what else may be wrong with the environment.
	c, problems := readConfig()
	if err := badConfig(problems); err != nil {
		return err
	}
	address, err := localAddress(c.ListenAddr)
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/livez", nil)
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	// Not the default transport, which may be sent through a proxy.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", req.URL, res.Status)
	}
	return nil
}

// localAddress is where a service that listens at listen is reached from here.
func localAddress(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}
