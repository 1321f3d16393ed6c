package main

import (
	"context"
	"log/slog"

	"flexbridge/api"
)

// labelled adds to each record on behalf of which exchange it was written.
type labelled struct{ slog.Handler }

func (l labelled) Handle(ctx context.Context, r slog.Record) error {
	if id := api.RequestID(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id))
	}
	return l.Handler.Handle(ctx, r)
}

func (l labelled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return labelled{l.Handler.WithAttrs(attrs)}
}

func (l labelled) WithGroup(name string) slog.Handler { return labelled{l.Handler.WithGroup(name)} }
