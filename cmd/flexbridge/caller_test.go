package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"flexbridge/bridge"
	"flexbridge/bridge/flex/flexsim"
)

// caller does what the answers tell a client to do: it gives back the cursor,
// repeats a call that failed unchanged, and asks nothing anew that is pending.
type caller struct {
	w      *world
	name   string
	at     func() *replica // where the next call goes
	wait   int             // seconds, of every call
	cursor string
	got    []string            // texts of replies, in the order in which they came
	failed func(answer, error) // hears of calls that failed and are repeated; may be nil
}

func (w *world) caller(name string, replicas ...*replica) *caller {
	next := -1
	return &caller{w: w, name: name, wait: 15, at: func() *replica {
		next++
		return replicas[next%len(replicas)]
	}}
}

func (c *caller) question(n int) string { return fmt.Sprintf("%s asks %d", c.name, n) }

// first sends the n-th question once, in the background.
func (c *caller) first(n int) <-chan result {
	r, body := c.at(), c.body(n)
	return later(func() (answer, error) { return r.send(c.w.t.Context(), c.name, body) })
}

func (c *caller) body(n int) map[string]any {
	return map[string]any{"msg": c.question(n), "key": fmt.Sprint("key ", n), "after": c.cursor, "wait": c.wait}
}

// ask has the n-th question answered: its status is replied or closed.
func (c *caller) ask(ctx context.Context, n int) (answer, error) {
	body := c.body(n)
	a, err := c.insist(ctx, func(r *replica) (answer, error) { return r.send(ctx, c.name, body) })
	for err == nil && a.Status == "pending" {
		a, err = c.read(ctx, c.wait)
	}
	return a, err
}

// read reads on after the cursor.
func (c *caller) read(ctx context.Context, wait int) (answer, error) {
	return c.insist(ctx, func(r *replica) (answer, error) { return r.replies(ctx, c.name, c.cursor, wait) })
}

// insist repeats a call until it succeeds or cannot.
func (c *caller) insist(ctx context.Context, call func(*replica) (answer, error)) (answer, error) {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		a, err := call(c.at())
		switch {
		case err == nil && a.HTTP == http.StatusOK:
			c.take(a)
			return a, nil
		case err == nil && a.HTTP < http.StatusBadGateway: // 500, too: it is not meant to happen
			return a, fmt.Errorf("%s got HTTP %d %s: %s", c.name, a.HTTP, a.Code, a.Detail)
		}
		if c.failed != nil {
			c.failed(a, err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return a, fmt.Errorf("%s gives up: HTTP %d %s (%w)", c.name, a.HTTP, a.Code, context.Cause(ctx))
		}
	}
}

func (c *caller) take(a answer) {
	for _, m := range a.Messages {
		c.got = append(c.got, m.Text)
	}
	c.cursor = a.Cursor
}

// truth is what Twilio knows of the caller.
type truth struct {
	conversations      []flexsim.Conversation
	questions, replies []string // in the order of their conversations and indices
}

func (c *caller) truth() truth {
	keys, err := bridge.NewKeyring([]byte(testConfig("").IdentitySecret))
	if err != nil {
		panic(err)
	}
	me := keys.Customer("username", username(c.name)).Identity()
	var t truth
	for _, conversation := range c.w.twilio.Conversations() {
		if !strings.HasPrefix(conversation.UniqueName, me+"-") {
			continue
		}
		t.conversations = append(t.conversations, conversation)
		for _, m := range conversation.Messages {
			if m.Author == me {
				t.questions = append(t.questions, m.Text)
			} else {
				t.replies = append(t.replies, m.Text)
			}
		}
	}
	return t
}

// follow reads on until as many replies have come as there are.
func (c *caller) follow(ctx context.Context) error {
	want := c.truth().replies
	for len(c.got) < len(want) {
		if _, err := c.read(ctx, 2); err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("%s got %d replies of %d: %w", c.name, len(c.got), len(want), err)
		}
	}
	return nil
}

// settled holds the full set: each caller has every reply to it once, in order,
// and no other; each question was asked once; and it all happened in so many
// conversations of each caller, with one task each.
func (w *world) settled(conversations int, callers ...*caller) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	w.until(func() bool { return w.twilio.Coming() == 0 })
	for _, c := range callers {
		if err := c.follow(ctx); err != nil {
			w.t.Errorf("reading on: %v", err)
		}
		if a, err := c.read(ctx, 0); err != nil || len(a.Messages) > 0 {
			w.t.Errorf("%s reads on behind the last reply: %+v, %v", c.name, a, err)
		}
		t := c.truth()
		if !slices.Equal(c.got, t.replies) {
			w.t.Errorf("%s got %q, want %q", c.name, c.got, t.replies)
		}
		if again := repeated(t.questions); len(again) > 0 {
			w.t.Errorf("%s's questions were asked more than once: %q", c.name, again)
		}
		if len(t.conversations) != conversations {
			w.t.Errorf("%s has %d conversations, want %d", c.name, len(t.conversations), conversations)
		}
		for _, conversation := range t.conversations {
			w.whole(conversation)
		}
	}
}

// whole holds that a conversation was opened once: one task, one hook of ours, and
// no flow twice.
func (w *world) whole(c flexsim.Conversation) {
	w.t.Helper()
	hooks := map[string]int{}
	for _, hook := range c.Hooks {
		hooks[hook.Target]++
	}
	if tasks := w.tasks(c.SID); tasks != 1 || hooks["webhook"] != 1 || hooks["studio"] > 1 {
		w.t.Errorf("%s has %d tasks and the hooks %v, want one of each", c.SID, tasks, hooks)
	}
}

func repeated(list []string) (again []string) {
	seen := map[string]bool{}
	for _, s := range list {
		if seen[s] {
			again = append(again, s)
		}
		seen[s] = true
	}
	return again
}
