package store_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"flexbridge/bridge"
	"flexbridge/store"
	"flexbridge/store/storetest"
)

// Two implementations of one contract are each other's model: the same changes
// in the same order have the same results, ages aside.
func TestMemoryAndRedisAgree(t *testing.T) {
	inRedis := open(t, storetest.StartRedis(t).URL, store.Config{})
	rapid.Check(t, func(t *rapid.T) {
		p := pair{t: t, prefix: rand.Text(), memory: store.NewMemory(store.Config{}), redis: inRedis}
		t.Repeat(map[string]func(*rapid.T){
			"keep": p.keep, "read": p.read, "find": p.find, "claim": p.claim,
			"directory": p.directory, "enter": p.enter, "tell": p.tell,
			"lease": p.lease, "record": p.record, "release": p.release,
			"begin": p.begin, "move": p.move, "said": p.said, "forget": p.forget,
		})
	})
}

type pair struct {
	t             *rapid.T
	prefix        string // of every name, so that each run is alone
	memory, redis bridge.Mailbox
}

var agesAside = cmp.Options{
	cmpopts.IgnoreFields(bridge.Inbox{}, "GapAge", "LookAge"),
	cmpopts.IgnoreFields(bridge.Opening{}, "Taken"),
	cmpopts.IgnoreFields(bridge.Saying{}, "Hold", "Life"),
	cmp.Comparer(func(a, b bridge.Cursor) bool { return a == b }),
}

// both compares what the two return.
func (p pair) both(do func(context.Context, bridge.Mailbox) ([]any, error)) {
	want, err := do(context.Background(), p.memory)
	if err != nil {
		p.t.Fatalf("Memory: %v", err)
	}
	got, err := do(context.Background(), p.redis)
	if err != nil {
		p.t.Fatalf("Redis: %v", err)
	}
	if diff := cmp.Diff(want, got, agesAside); diff != "" {
		p.t.Fatalf("(-Memory +Redis):\n%s", diff)
	}
}

func (p pair) conversation(t *rapid.T) string {
	return p.prefix + rapid.SampledFrom([]string{"CH1", "CH2"}).Draw(t, "conversation")
}

func (p pair) customer(t *rapid.T) bridge.Customer {
	return bridge.Customer(p.prefix + rapid.SampledFrom([]string{"ana", "bob"}).Draw(t, "customer"))
}

// long is never over during a run; a negative one is over at once.
func long(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{time.Hour, time.Hour, -time.Second, 0}).Draw(t, "duration")
}

var (
	index = rapid.OneOf(rapid.IntRange(0, 12), rapid.IntRange(0, 12), rapid.SampledFrom([]int{40, 999_999_999}))
	sids  = rapid.SliceOfN(rapid.SampledFrom([]string{"", "MB1", "MB2", "MB3"}), 0, 2)
)

func (p pair) keep(t *rapid.T) {
	u := bridge.Update{
		Believe:   rapid.OneOf(rapid.Just(0), index).Draw(t, "believe"),
		From:      rapid.OneOf(rapid.Just(0), index).Draw(t, "from"),
		Joined:    sids.Draw(t, "joined"),
		Left:      sids.Draw(t, "left"),
		Closed:    bridge.Closing(rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "closed")),
		Abandoned: rapid.Bool().Draw(t, "abandoned"),
		OwnedOnly: rapid.Bool().Draw(t, "owned only"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "messages") {
		i := index.Draw(t, "index")
		u.Messages = append(u.Messages, bridge.Message{
			SID: fmt.Sprint("IM", i), Index: i, Text: rapid.String().Draw(t, "text"),
			Kind:        rapid.SampledFrom([]bridge.Kind{bridge.FromCustomer, bridge.FromAgent, bridge.Automatic}).Draw(t, "kind"),
			Nonce:       rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "nonce"),
			Participant: rapid.SampledFrom([]string{"", "MB1", "MB4"}).Draw(t, "participant"),
		})
	}
	if rapid.IntRange(0, 3).Draw(t, "owner") == 0 {
		u.Owner = &bridge.Owner{Customer: p.customer(t), Generation: rapid.IntRange(0, 3).Draw(t, "generation")}
	}
	conversation := p.conversation(t)
	p.both(func(ctx context.Context, m bridge.Mailbox) ([]any, error) {
		kept, err := m.Keep(ctx, conversation, u)
		return []any{kept}, err
	})
}

func (p pair) read(t *rapid.T) {
	conversation, after := p.conversation(t), index.Draw(t, "after")-2
	p.both(func(ctx context.Context, m bridge.Mailbox) ([]any, error) {
		in, err := m.Read(ctx, conversation, after)
		return []any{in, in.LookAge < 0, in.GapAge == 0 || in.Top > in.Mark}, err
	})
}

func (p pair) find(t *rapid.T) {
	conversation, nonce := p.conversation(t), token.Draw(t, "nonce")
	p.both(func(ctx context.Context, m bridge.Mailbox) ([]any, error) {
		index, found, err := m.Find(ctx, conversation, nonce)
		return []any{index, found}, err
	})
}

func (p pair) claim(t *rapid.T) {
	conversation, d := p.conversation(t), long(t)
	p.both(func(ctx context.Context, m bridge.Mailbox) ([]any, error) {
		ok, err := m.Claim(ctx, conversation, d)
		return []any{ok}, err
	})
}

func (p pair) directory(t *rapid.T) {
	c := p.customer(t)
	p.both(func(ctx context.Context, m bridge.Mailbox) ([]any, error) {
		d, err := m.Directory(ctx, c)
		return []any{d}, err
	})
}

func (p pair) enter(t *rapid.T) {
	c := p.customer(t)
	conversations := rapid.MapOfN(rapid.IntRange(0, 3), rapid.SampledFrom([]string{"CH1", "CH2", ""}), 0, 2).Draw(t, "conversations")
	p.both(func(ctx context.Context, m bridge.Mailbox) ([]any, error) { return nil, m.Enter(ctx, c, conversations) })
}

func (p pair) tell(t *rapid.T) {
	c := p.customer(t)
	told := bridge.At(rapid.IntRange(0, 11).Draw(t, "generation"), "CH1", rapid.IntRange(-1, 11).Draw(t, "index"))
	p.both(func(ctx context.Context, m bridge.Mailbox) ([]any, error) { return nil, m.Tell(ctx, c, told) })
}

var token = rapid.SampledFrom([]string{"a", "b"})

func (p pair) lease(t *rapid.T) {
	c, by, d := p.customer(t), token.Draw(t, "token"), long(t)
	p.both(func(ctx context.Context, m bridge.Mailbox) ([]any, error) {
		o, held, err := m.Lease(ctx, c, by, d)
		return []any{o, held, o.Taken > 0}, err
	})
}

func (p pair) record(t *rapid.T) {
	c, by, d := p.customer(t), token.Draw(t, "token"), long(t)
	o := bridge.Opening{Generation: rapid.IntRange(0, 3).Draw(t, "generation"), Conversation: "CH1", Done: bridge.Joined}
	p.both(func(ctx context.Context, m bridge.Mailbox) ([]any, error) {
		held, err := m.Record(ctx, c, by, o, d)
		return []any{held}, err
	})
}

func (p pair) release(t *rapid.T) {
	c, by := p.customer(t), token.Draw(t, "token")
	p.both(func(ctx context.Context, m bridge.Mailbox) ([]any, error) { return nil, m.Release(ctx, c, by) })
}

func (p pair) saying(t *rapid.T) (bridge.Customer, string, bridge.Saying) {
	s := bridge.Saying{
		Generation: rapid.IntRange(0, 3).Draw(t, "generation"), Conversation: p.conversation(t),
		Nonce: token.Draw(t, "nonce"), TextHash: token.Draw(t, "hash"), Index: rapid.IntRange(0, 9).Draw(t, "index"),
		Hold: long(t), Life: long(t),
	}
	if rapid.Bool().Draw(t, "after") {
		s.After = bridge.At(1, "CH1", s.Index)
	}
	return p.customer(t), token.Draw(t, "id"), s
}

func (p pair) begin(t *rapid.T) {
	c, id, s := p.saying(t)
	p.both(func(ctx context.Context, m bridge.Mailbox) ([]any, error) {
		there, progress, err := m.Begin(ctx, c, id, s)
		return []any{there, progress}, err
	})
}

func (p pair) move(t *rapid.T) {
	c, id, s := p.saying(t)
	p.both(func(ctx context.Context, m bridge.Mailbox) ([]any, error) { return nil, m.Move(ctx, c, id, s) })
}

func (p pair) said(t *rapid.T) {
	c, id, s := p.saying(t)
	p.both(func(ctx context.Context, m bridge.Mailbox) ([]any, error) { return nil, m.Said(ctx, c, id, s) })
}

func (p pair) forget(t *rapid.T) {
	c, id, s := p.saying(t)
	p.both(func(ctx context.Context, m bridge.Mailbox) ([]any, error) { return nil, m.Forget(ctx, c, id, s) })
}
