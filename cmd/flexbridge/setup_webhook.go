package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"flexbridge/bridge/flex"
)

// planWebhook makes the service's webhook ours.
func (s *setup) planWebhook(ctx context.Context) error {
	now, err := s.account.ServiceWebhook(ctx, s.service)
	if err != nil {
		return err
	}
	wanted := flex.Webhook{PostURL: s.config.hookURL(), PreURL: now.PreURL, Method: http.MethodPost, Filters: flex.Events()}
	if now.PreURL != "" {
		// Its owner needs the events that it has.
		wanted.Filters = append(wanted.Filters, missing(wanted.Filters, now.Filters)...)
	}
	if now.PostURL == wanted.PostURL && now.Method == wanted.Method && len(missing(now.Filters, wanted.Filters)) == 0 {
		return nil
	}
	global, err := s.account.GlobalWebhook(ctx)
	if err != nil {
		return err
	}
	switch {
	case now.PostURL != "" && !s.config.isHook(now.PostURL):
		s.lost = append(s.lost, "the service's webhook goes to "+hostOf(now.PostURL)+", which would hear nothing any more")
	case now.PostURL == "" && now.PreURL == "":
		for _, address := range s.config.others(global) {
			s.lost = append(s.lost, "the account's webhook goes to "+hostOf(address)+", which would hear no more of this service")
		}
	}
	if now.PreURL != "" && now.Method != wanted.Method {
		s.lost = append(s.lost, "the service's pre-event webhook at "+hostOf(now.PreURL)+" would get POST instead of "+now.Method)
	}
	s.change(fmt.Sprintf("set the webhook of the service %s to POST %s, for %s", s.service, wanted.PostURL, strings.Join(wanted.Filters, " ")),
		func(ctx context.Context) error { return s.account.SetServiceWebhook(ctx, s.service, wanted) })
	return nil
}

// others are the addresses of a webhook that are not ours. A pre-event one decides
// what may be said, so that it matters no less.
func (c Config) others(w flex.Webhook) (addresses []string) {
	for _, address := range []string{w.PostURL, w.PreURL} {
		if address != "" && !c.isHook(address) {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// planNoWebhook takes the service's webhook back, if it is ours.
func (s *setup) planNoWebhook(ctx context.Context) error {
	now, err := s.account.ServiceWebhook(ctx, s.service)
	if err != nil || !s.config.isHook(now.PostURL) {
		return err
	}
	now.PostURL = ""
	s.change("remove our webhook from the service "+s.service+"; conversations that were opened with it are heard of later",
		func(ctx context.Context) error { return s.account.SetServiceWebhook(ctx, s.service, now) })
	return nil
}

// missing are those of want that have lacks.
func missing(have, want []string) (names []string) {
	for _, name := range want {
		if !slices.Contains(have, name) {
			names = append(names, name)
		}
	}
	return names
}

// hostOf names whose URL it is, without what may be secret in it.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "an unreadable URL"
	}
	return u.Host
}
