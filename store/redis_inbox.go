package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"flexbridge/bridge"
)

// Keep keeps what has become known; see bridge.Mailbox.
func (r *Redis) Keep(ctx context.Context, conversation string, u bridge.Update) (bridge.Kept, error) {
	letters, err := seal(u.Messages)
	if err != nil {
		return bridge.Kept{}, err
	}
	var owner bridge.Owner
	if u.Owner != nil {
		owner = *u.Owner
	}
	came := joined(u)
	args := append(make([]any, 0, 11+4*len(letters)+len(came)+len(u.Left)),
		wakeChannel(conversation), ms(r.cfg.Retention), u.Believe, int(u.Closed), bit(u.OwnedOnly),
		string(owner.Customer), owner.Generation, int(hopeOf(u)), u.From, len(letters), len(came))
	for _, l := range letters {
		args = append(args, l.index, int(l.whose), l.nonce, l.text)
	}
	for _, sid := range came {
		args = append(args, sid)
	}
	for _, sid := range u.Left {
		if sid != "" {
			args = append(args, sid)
		}
	}
	answer, err := r.run(ctx, keepScript, conversationKey(conversation), args...)
	if err != nil {
		return bridge.Kept{}, err
	}
	var kept bridge.Kept
	kept.Mark, _ = answer.number("mark", -1)
	kept.New, _ = answer.number("new", 0)
	kept.Late, _ = answer.number("late", 0)
	kept.Replies, _ = answer.number("replies", 0)
	kept.Repaired, _ = answer.number("repaired", 0)
	kept.Skipped, _ = answer.number("skipped", 0)
	answered := answer.list("answered")
	if answer.err != nil {
		return kept, answer.err
	}
	for pair := range slices.Chunk(answered, 2) {
		d, err := between(pair[0], pair[1])
		if err != nil {
			return kept, err
		}
		kept.Answered = append(kept.Answered, d)
	}
	return kept, nil
}

// Read returns what is known; see bridge.Mailbox.
func (r *Redis) Read(ctx context.Context, conversation string, after int) (bridge.Inbox, error) {
	answer, err := r.run(ctx, readScript, conversationKey(conversation), after)
	if err != nil {
		return bridge.Inbox{}, err
	}
	var in bridge.Inbox
	customer, owned := answer.text("customer")
	generation, _ := answer.number("generation", 0)
	if owned {
		in.Owner = &bridge.Owner{Customer: bridge.Customer(customer), Generation: generation}
	}
	in.Mark, _ = answer.number("mark", -1)
	in.Top, _ = answer.number("top", -1)
	in.Own, _ = answer.number("own", -1)
	closed, _ := answer.number("closed", int(bridge.NotClosed))
	in.Closed = bridge.Closing(closed)
	agents, known := answer.number("agents", 0)
	in.Agent = agentState(known, agents)
	in.GapAge = answer.age("gap_at", 0)
	in.LookAge = answer.age("looked", never)
	h, _ := answer.number("hope", int(unsaid))
	in.Abandoned = hope(h) == none
	if text, waits := answer.text("unanswered"); waits {
		message, err := unseal(text)
		if err != nil {
			return bridge.Inbox{}, err
		}
		in.Unanswered = message.SentAt
	}
	for _, text := range answer.list("messages") {
		message, err := unseal(text)
		if err != nil {
			return bridge.Inbox{}, err
		}
		in.Messages = append(in.Messages, message)
	}
	if answer.err != nil {
		return bridge.Inbox{}, answer.err
	}
	return in, nil
}

// Find finds the customer's message by its nonce; see bridge.Mailbox.
func (r *Redis) Find(ctx context.Context, conversation, nonce string) (int, bool, error) {
	key := conversationKey(conversation)
	index, err := r.client.HGet(ctx, key, "n:"+nonce).Int()
	switch {
	case errors.Is(err, redis.Nil):
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("%s: %w", key, err)
	}
	return index, true, nil
}

// Claim claims a look; see bridge.Mailbox.
func (r *Redis) Claim(ctx context.Context, conversation string, d time.Duration) (bool, error) {
	return r.change(ctx, claimScript, conversationKey(conversation), ms(d), ms(r.cfg.Retention))
}
