package store

import (
	"context"
	"crypto/rand"

	"github.com/redis/go-redis/v9"

	"flexbridge/bridge"
)

// Begin records that a question is about to be said; see bridge.Mailbox.
func (r *Redis) Begin(ctx context.Context, c bridge.Customer, id string, s bridge.Saying) (bridge.Saying, bridge.Progress, error) {
	answer, err := r.run(ctx, beginScript, sayingKey(c, id), s.Generation, s.Conversation, s.Nonce, s.TextHash,
		s.After.String(), ms(s.Hold), ms(s.Life), rand.Text())
	if err != nil {
		return bridge.Saying{}, 0, err
	}
	var there bridge.Saying
	progress, _ := answer.number("progress", 0)
	there.Generation, _ = answer.number("generation", 0)
	there.Conversation, _ = answer.text("conversation")
	there.Nonce, _ = answer.text("nonce")
	there.TextHash, _ = answer.text("hash")
	there.After = answer.cursor("after")
	there.Index, _ = answer.number("index", 0)
	there.Hold = answer.age("until", 0)
	there.Life = answer.age("life", 0)
	return there, bridge.Progress(progress), answer.err
}

// Move rewrites the record; see bridge.Mailbox.
func (r *Redis) Move(ctx context.Context, c bridge.Customer, id string, s bridge.Saying) error {
	return r.rewrite(ctx, moveScript, c, id, s, ms(s.Hold))
}

// Said records that the question was said; see bridge.Mailbox.
func (r *Redis) Said(ctx context.Context, c bridge.Customer, id string, s bridge.Saying) error {
	return r.rewrite(ctx, saidScript, c, id, s, int64(s.Index))
}

func (r *Redis) rewrite(ctx context.Context, how *redis.Script, c bridge.Customer, id string, s bridge.Saying, last int64) error {
	_, err := r.change(ctx, how, sayingKey(c, id), s.Nonce, s.Generation, s.Conversation, s.TextHash,
		s.After.String(), ms(s.Life), wakeChannel(string(c)), last)
	return err
}

// Forget removes the record; see bridge.Mailbox.
func (r *Redis) Forget(ctx context.Context, c bridge.Customer, id string, s bridge.Saying) error {
	_, err := r.change(ctx, forgetScript, sayingKey(c, id), s.Nonce, wakeChannel(string(c)))
	return err
}
