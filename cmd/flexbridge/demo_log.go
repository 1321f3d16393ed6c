package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// overhear passes each record on, and has it heard before that, debug level and all.
type overhear struct {
	slog.Handler
	heard func(context.Context, slog.Record)
}

func (o overhear) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelDebug }

func (o overhear) Handle(ctx context.Context, r slog.Record) error {
	o.heard(ctx, r)
	if !o.Handler.Enabled(ctx, r.Level) || ofConsole(r) {
		return nil
	}
	return o.Handler.Handle(ctx, r)
}

func (o overhear) WithAttrs(attrs []slog.Attr) slog.Handler {
	return overhear{o.Handler.WithAttrs(attrs), o.heard}
}

func (o overhear) WithGroup(name string) slog.Handler {
	return overhear{o.Handler.WithGroup(name), o.heard}
}

// ofConsole is of the page's own requests, which are nothing to read about.
func ofConsole(r slog.Record) bool {
	route := attributes(r)["route"]
	return route.Kind() == slog.KindString && strings.HasPrefix(route.String(), consolePath)
}

func attributes(r slog.Record) map[string]slog.Value {
	all := make(map[string]slog.Value)
	r.Attrs(func(a slog.Attr) bool {
		all[a.Key] = a.Value
		return true
	})
	return all
}

// heard makes steps of what the service logs.
func (d *demonstration) heard(ctx context.Context, r slog.Record) {
	attrs := attributes(r)
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	customer := d.people.owner(attrs["conversation"].String())
	switch {
	case r.Message == "exchange" && x != nil:
		// Only the customer may be left out, of a caller that was refused.
		name := ""
		if v := attrs["customer"]; v.Kind() == slog.KindString {
			name = v.String()
		}
		d.ended(x, name, attrs["outcome"].String(), int(attrs["status"].Int64()), attrs["wait"].Duration())
	case r.Message == "exchange":
	case r.Message == "looked":
		d.feed.add(step{Who: ofService, Customer: customer, Title: "Looked at Twilio's list",
			Detail: fmt.Sprintf("%v new, known up to message %v", attrs["new"], attrs["mark"])})
	case r.Message == "draining":
		d.feed.add(step{Who: ofFault, Title: "The service drains",
			Detail: fmt.Sprintf("%v waiting requests are answered pending at once", attrs["waiting"])})
	case r.Message == "serving":
		d.feed.add(step{Who: ofService, Title: "The service is up", Detail: "with an empty memory"})
	case r.Level >= slog.LevelWarn && attrs["conversation"].Kind() == slog.KindString,
		r.Level >= slog.LevelWarn && x != nil, r.Message == "Twilio is asked again":
		if x != nil && customer == "" {
			x.mu.Lock()
			customer = x.customer
			x.mu.Unlock()
		}
		d.feed.add(step{Who: ofFault, Customer: customer, Title: r.Message, Detail: pairs(r)})
	}
}

func pairs(r slog.Record) string {
	var all []string
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "conversation" {
			all = append(all, fmt.Sprintf("%s %v", a.Key, a.Value))
		}
		return true
	})
	return strings.Join(all, ", ")
}
