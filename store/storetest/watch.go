package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"flexbridge/bridge"
)

// crowd watches everything that a change could wake.
type crowd struct {
	t       *testing.T
	m       bridge.Mailbox
	watches map[string]bridge.Watch
	fence   string
	fenced  bridge.Watch
	count   int
}

func newCrowd(t *testing.T, m bridge.Mailbox, conversations map[string]string, customers map[string]bridge.Customer) *crowd {
	c := &crowd{t: t, m: m, watches: make(map[string]bridge.Watch), fence: newConversation()}
	add := func(name string, w bridge.Watch, err error) bridge.Watch {
		check(t, err)
		t.Cleanup(w.Close)
		c.watches[name] = w
		return w
	}
	for name, sid := range conversations {
		w, err := m.Watch(t.Context(), sid)
		add(name, w, err)
	}
	for name, customer := range customers {
		w, err := m.WatchCustomer(t.Context(), customer)
		add(name, w, err)
	}
	w, err := m.Watch(t.Context(), c.fence)
	c.fenced = add("fence", w, err)
	delete(c.watches, "fence")
	return c
}

// wants checks whom a change wakes. Wakes of one server keep their order, so once
// the fence was woken, nobody else is woken by the change: on a Cluster, where the
// fence may be another node's, that is told of a later change.
func (c *crowd) wants(what string, change func(), want ...string) {
	c.t.Helper()
	change()
	for _, name := range want {
		select {
		case <-c.watches[name].C():
		case <-time.After(10 * time.Second):
			c.t.Errorf("%s does not wake %s", what, name)
		}
	}
	keep(c.t, c.m, c.fence, messages(c.count))
	c.count++
	awaitWake(c.t, c.fenced)
	for name, w := range c.watches {
		select {
		case <-w.C():
			c.t.Errorf("%s, or what was before it, wakes %s", what, name)
		default:
		}
	}
}

func awaitWake(t *testing.T, w bridge.Watch) {
	t.Helper()
	select {
	case <-w.C():
	case <-time.After(10 * time.Second):
		t.Fatal("never woken")
	}
}

func wakesOfConversations(t *testing.T, m bridge.Mailbox) {
	conv, owner := newConversation(), newCustomer()
	cr := newCrowd(t, m, map[string]string{"conversation": conv, "another": newConversation()},
		map[string]bridge.Customer{"customer": owner})
	update := func(u bridge.Update) func() { return func() { keep(t, m, conv, u) } }
	dup := messages(0)
	unowned := messages(5)
	unowned.OwnedOnly = true
	for _, s := range []struct {
		what string
		u    bridge.Update
		want []string
	}{
		{"nothing", bridge.Update{}, nil},
		{"an update of what nobody owns", unowned, nil},
		{"the owner", bridge.Update{Owner: &bridge.Owner{Customer: owner}}, []string{"conversation"}},
		{"the owner again", bridge.Update{Owner: &bridge.Owner{Customer: owner}}, nil},
		{"nobody's coming", bridge.Update{Abandoned: true}, []string{"conversation"}},
		{"nobody's coming again", bridge.Update{Abandoned: true}, nil},
		{"a message", messages(0), []string{"conversation"}},
		{"a duplicate", dup, nil},
		{"a message beyond a gap", messages(3), []string{"conversation"}},
		{"believing what changes nothing", bridge.Update{Believe: 2}, nil},
		{"believing", bridge.Update{Believe: 3}, []string{"conversation"}},
		{"a late message", messages(2), []string{"conversation"}},
		{"joining", bridge.Update{Joined: []string{"MB1"}}, []string{"conversation"}},
		{"joining again", bridge.Update{Joined: []string{"MB1"}}, nil},
		{"leaving", bridge.Update{Left: []string{"MB1"}}, []string{"conversation"}},
		{"leaving again", bridge.Update{Left: []string{"MB1"}}, nil},
		{"joining late", bridge.Update{Joined: []string{"MB1"}}, nil},
		{"closing", bridge.Update{Closed: bridge.CloseHeard}, []string{"conversation"}},
		{"closing again", bridge.Update{Closed: bridge.CloseHeard}, nil},
		{"closing for good", bridge.Update{Closed: bridge.CloseLooked}, []string{"conversation"}},
	} {
		cr.wants(s.what, update(s.u), s.want...)
	}
	cr.wants("reading", func() { read(t, m, conv, -1) })
	cr.wants("claiming", func() { _, err := m.Claim(t.Context(), conv, hour); check(t, err) })
}

func wakesOfCustomers(t *testing.T, m bridge.Mailbox) {
	c, s := newCustomer(), saying()
	ctx := t.Context()
	cr := newCrowd(t, m, map[string]string{"conversation": s.Conversation},
		map[string]bridge.Customer{"customer": c, "another": newCustomer()})
	lease := func(token string) func() {
		return func() { _, _, err := m.Lease(ctx, c, token, hour); check(t, err) }
	}
	record := func(token string) func() {
		return func() { _, err := m.Record(ctx, c, token, bridge.Opening{Done: bridge.Created}, hour); check(t, err) }
	}
	cr.wants("Lease", lease("a"))
	cr.wants("Record", record("a"), "customer")
	cr.wants("Record without the lease", record("b"))
	cr.wants("Release without the lease", func() { check(t, m.Release(ctx, c, "b")) })
	cr.wants("Release", func() { check(t, m.Release(ctx, c, "a")) }, "customer")
	cr.wants("Release again", func() { check(t, m.Release(ctx, c, "a")) })
	cr.wants("Enter", func() { check(t, m.Enter(ctx, c, map[int]string{0: s.Conversation})) })
	cr.wants("Tell", func() { check(t, m.Tell(ctx, c, bridge.At(0, s.Conversation, 1))) })

	begin := func() { _, _, err := m.Begin(ctx, c, "k", s); check(t, err) }
	stranger := s
	stranger.Nonce = "other"
	cr.wants("Begin", begin)
	cr.wants("Move", func() { check(t, m.Move(ctx, c, "k", s)) }, "customer")
	cr.wants("Move by a stranger", func() { check(t, m.Move(ctx, c, "k", stranger)) })
	cr.wants("Said by a stranger", func() { check(t, m.Said(ctx, c, "k", stranger)) })
	cr.wants("Said", func() { check(t, m.Said(ctx, c, "k", s)) }, "customer")
	cr.wants("Move when it is said", func() { check(t, m.Move(ctx, c, "k", s)) })
	cr.wants("Said again", func() { check(t, m.Said(ctx, c, "k", s)) })
	cr.wants("Forget by a stranger", func() { check(t, m.Forget(ctx, c, "k", stranger)) })
	cr.wants("Forget", func() { check(t, m.Forget(ctx, c, "k", bridge.Saying{Nonce: s.Nonce})) }, "customer")
	cr.wants("Forget again", func() { check(t, m.Forget(ctx, c, "k", s)) })
}

func watchersShare(t *testing.T, m bridge.Mailbox) {
	conv := newConversation()
	var ws []bridge.Watch
	for range 5 {
		w, err := m.Watch(t.Context(), conv)
		check(t, err)
		defer w.Close()
		ws = append(ws, w)
	}
	ws[0].Close()
	ws[0].Close()
	for i := range 3 { // several changes may come as one value
		keep(t, m, conv, messages(i))
	}
	for _, w := range ws[1:] {
		awaitWake(t, w)
	}
	select {
	case <-ws[0].C():
		t.Error("woken after Close")
	default:
	}
	for _, w := range ws[1:4] {
		w.Close()
	}
	again, err := m.Watch(t.Context(), conv)
	check(t, err)
	defer again.Close()
	keep(t, m, conv, messages(3))
	awaitWake(t, again)
	awaitWake(t, ws[4])
}

// Whoever watches, then reads, misses nothing, however the two fall around the
// keeping.
func watchBeforeRead(t *testing.T, m bridge.Mailbox) {
	for range 50 {
		conv := newConversation()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := m.Keep(t.Context(), conv, messages(0)); err != nil {
				t.Errorf("Keep = %v", err)
			}
		})
		w, err := m.Watch(t.Context(), conv)
		check(t, err)
		if len(read(t, m, conv, -1).Messages) == 0 {
			awaitWake(t, w)
			wantIndices(t, read(t, m, conv, -1), 0)
		}
		w.Close()
		wg.Wait()
	}
}

func contexts(t *testing.T, m bridge.Mailbox) {
	check(t, m.Ping(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := newCustomer()
	_, keeping := m.Keep(ctx, newConversation(), messages(0))
	_, reading := m.Read(ctx, newConversation(), -1)
	_, watching := m.Watch(ctx, newConversation())
	_, listing := m.Directory(ctx, c)
	for what, err := range map[string]error{
		"Keep": keeping, "Read": reading, "Watch": watching, "Directory": listing, "Ping": m.Ping(ctx),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s = %v with a context that has ended, want %v", what, err, context.Canceled)
		}
	}
}
