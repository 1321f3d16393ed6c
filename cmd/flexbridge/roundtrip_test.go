package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
	"flexbridge/webhook"
)

func TestReplyReachesTheOtherReplica(t *testing.T) {
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	hooks := w.start(nil)
	parked := w.start(hooks) // its conversations' webhooks go to the other one
	first := w.asking(parked, "ann", "may I?")
	sid := w.asked("may I?")
	w.reply(sid, "you may")
	got := w.want(<-first, "replied", "you may")
	if got.Agent != "joined" || got.Messages[0].Author != "Ana Lopez" || got.Messages[0].Kind != "agent" {
		t.Fatalf("answer = %+v, want Ana Lopez, an agent, who joined", got)
	}
	// It is the same conversation from either side.
	second := w.asking(hooks, "ann", "and now?", got.Cursor)
	if again := w.asked("and now?"); again != sid {
		t.Fatalf("asked in %s, want %s", again, sid)
	}
	w.reply(sid, "now, too")
	w.want(<-second, "replied", "now, too")
}

func TestTwentyCustomersAtOnce(t *testing.T) {
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	a := w.start(nil)
	b := w.start(a)
	var all sync.WaitGroup
	for i := range 20 {
		r := []*replica{a, b}[i%2]
		name, question := fmt.Sprintf("customer%d", i), fmt.Sprintf("question %d", i)
		all.Go(func() {
			asked := w.asking(r, name, question)
			sid := w.asked(question)
			for n := range 3 {
				w.reply(sid, fmt.Sprintf("reply %d.%d", i, n))
			}
			got := <-asked
			texts, cursor := got.texts(), got.Cursor
			for n := 0; got.err == nil && len(texts) < 3*len("reply 0.0") && n < 3; n++ {
				got = now(b.replies(t.Context(), name, cursor, 10))
				texts, cursor = texts+"|"+got.texts(), got.Cursor
			}
			want := fmt.Sprintf("reply %d.0|reply %d.1|reply %d.2", i, i, i)
			if got.err != nil || texts != want {
				t.Errorf("%s got %q (%v), want %q", name, texts, got.err, want)
			}
		})
	}
	all.Wait()
	if n := len(w.twilio.Conversations()); n != 20 {
		t.Errorf("%d conversations, want 20", n)
	}
}

// each runs a test with memory and with Redis.
func each(t *testing.T, test func(t *testing.T, redis *storetest.Server)) {
	t.Run("memory", func(t *testing.T) { test(t, nil) })
	t.Run("redis", func(t *testing.T) { test(t, storetest.StartRedis(t)) })
}

func TestPendingAnswerIsReadLater(t *testing.T) {
	each(t, func(t *testing.T, redis *storetest.Server) {
		w := newWorld(t, redis, flexsim.Config{})
		r := w.start(nil)
		got := w.want(now(r.send(t.Context(), "ann", map[string]any{"msg": "may I?", "wait": 0})), "pending", "")
		sid := w.asked("may I?")
		c, _ := w.twilio.Conversation(sid)
		if since := c.Messages[0].Created.UTC().Format(time.RFC3339); got.Agent != "waiting" || got.Since != since {
			t.Fatalf("agent = %s since %s, want waiting since %s", got.Agent, got.Since, since)
		}
		w.reply(sid, "you may")
		for range 2 {
			got := w.want(now(r.replies(t.Context(), "ann", got.Cursor, 10)), "replied", "you may")
			if got.Since != "" {
				t.Fatalf("answered, but waiting since %s", got.Since)
			}
		}
	})
}

func TestCallerWhoHungUpReadsLater(t *testing.T) {
	each(t, func(t *testing.T, redis *storetest.Server) {
		w := newWorld(t, redis, flexsim.Config{})
		r := w.start(nil)
		ctx, hangUp := context.WithCancel(t.Context())
		asked := later(func() (answer, error) { return r.send(ctx, "ann", map[string]any{"msg": "may I?"}) })
		sid := w.asked("may I?")
		hangUp()
		if got := <-asked; !errors.Is(got.err, context.Canceled) {
			t.Fatalf("the call came back with %+v, want hung up", got)
		}
		w.reply(sid, "you may")
		w.want(now(r.replies(t.Context(), "ann", "", 10)), "replied", "you may")
		// Asked again, it is not said again.
		w.want(now(r.send(t.Context(), "ann", map[string]any{"msg": "may I?"})), "replied", "you may")
		if c, _ := w.twilio.Conversation(sid); len(c.Messages) != 2 {
			t.Fatalf("the conversation has %d messages, want 2", len(c.Messages))
		}
	})
}

func TestClosedConversationIsFollowedByANewOne(t *testing.T) {
	each(t, func(t *testing.T, redis *storetest.Server) {
		w := newWorld(t, redis, flexsim.Config{})
		r := w.start(nil)
		asked := w.asking(r, "ann", "may I?")
		sid := w.asked("may I?")
		if err := w.agent.Close(sid); err != nil {
			t.Fatal(err)
		}
		w.want(<-asked, "closed", "")
		next := w.asking(r, "ann", "anybody?")
		second := w.asked("anybody?")
		if second == sid {
			t.Fatal("asked in the closed conversation")
		}
		w.reply(second, "here")
		got := w.want(<-next, "replied", "here")
		w.reply(second, "anything else?")
		w.want(now(r.end(t.Context(), "ann", got.Cursor)), "closed", "anything else?")
		if c, _ := w.twilio.Conversation(second); c.State != flexsim.Closed {
			t.Fatalf("after /end the conversation is %s", c.State)
		}
	})
}

// TestRESTBudget holds the number of Twilio calls of each exchange.
func TestRESTBudget(t *testing.T) {
	budget := func(t *testing.T, redis *storetest.Server, route string) {
		w := newWorld(t, redis, flexsim.Config{})
		r := w.start(nil, routes[route])
		cursor := ""
		exchange := func(question string, calls int) {
			t.Helper()
			w.twilio.Reset()
			asked := w.asking(r, "ann", question, cursor)
			w.reply(w.asked(question), "yes")
			cursor = w.want(<-asked, "replied", "yes").Cursor
			if n := w.twilio.Count(); n != calls {
				t.Errorf("%q took %d calls, want %d: %v", question, n, calls, w.twilio.Calls())
			}
			t.Logf("REST calls of %q: %d", question, w.twilio.Count())
		}
		exchange("unknown customer", 6)
		exchange("open conversation", 1)
		exchange("still open", 1)
		w.want(now(r.end(t.Context(), "ann", cursor)), "closed", "")
		exchange("next conversation", 5)
	}
	for route := range routes {
		t.Run(route, func(t *testing.T) {
			each(t, func(t *testing.T, redis *storetest.Server) { budget(t, redis, route) })
		})
	}
}

func TestConsoleScope(t *testing.T) {
	for route, webhooks := range map[string]int{"studio": 1, "interactions": 0} {
		t.Run(route, func(t *testing.T) { testConsoleScope(t, route, webhooks) })
	}
}

func testConsoleScope(t *testing.T, route string, webhooks int) {
	// The service's webhook brings the events of all conversations, others' too.
	front := newFront(t)
	w := newWorld(t, nil, flexsim.Config{ServiceHook: flexsim.ServiceHook{
		URL: front.URL + webhook.Path, Filters: []string{"onMessageAdded", "onConversationStateUpdated", "onParticipantAdded", "onParticipantRemoved"},
	}})
	r := w.start(nil, routes[route], func(c *Config) { c.WebhookScope, c.PublicURL = "console", front.URL })
	front.to(r)
	asked := w.asking(r, "ann", "may I?")
	w.reply(w.asked("may I?"), "you may")
	w.want(<-asked, "replied", "you may")
	if n := w.twilio.Count(flexsim.CreateWebhook); n != webhooks {
		t.Fatalf("%d webhooks were made, want %d: a flow's alone", n, webhooks)
	}
}

func TestDrain(t *testing.T) {
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	other := w.start(nil)
	r := w.start(other)
	asked := w.asking(r, "ann", "may I?")
	sid := w.asked("may I?")
	w.until(func() bool { return r.bridge.Parked() == 1 })
	// One more is being said while the process is told to stop.
	hold := make(chan struct{})
	w.twilio.Break(flexsim.CreateMessage, 1, flexsim.Fault{Hold: hold})
	saying := w.asking(r, "bob", "me, too?")
	w.until(func() bool { return w.twilio.Count(flexsim.CreateMessage) == 2 })
	start := time.Now()
	go func() { _ = r.stop() }()
	got := w.want(<-asked, "pending", "")
	if took := time.Since(start); took > time.Second {
		t.Errorf("drained after %v, want a second at most", took)
	}
	close(hold)
	w.want(<-saying, "pending", "")
	<-r.stopped
	w.asked("me, too?")
	w.reply(sid, "you may")
	w.want(now(other.replies(t.Context(), "ann", got.Cursor, 10)), "replied", "you may")
}

func TestThousandParkedShareConnections(t *testing.T) {
	redis := storetest.StartRedis(t)
	w := newWorld(t, redis, flexsim.Config{})
	r := w.start(nil)
	first := w.asking(r, "customer0", "question 0")
	w.asked("question 0")
	few := redis.Clients()
	results := []<-chan result{first}
	client := http.DefaultTransport.(*http.Transport)
	defer client.CloseIdleConnections()
	for i := 1; i < 1000; i++ {
		results = append(results, w.asking(r, fmt.Sprintf("customer%d", i), fmt.Sprintf("question %d", i)))
		if i%50 == 0 { // not all at once: nobody's customers come so
			w.until(func() bool { return len(w.twilio.Tasks()) >= i })
		}
	}
	w.until(func() bool { return len(w.twilio.Tasks()) == 1000 })
	many := redis.Clients()
	t.Logf("Redis connections: %d with 1 parked request, %d with 1000", few, many)
	if many > 25 {
		t.Errorf("%d connections to Redis with 1000 parked requests, want 25 at most", many)
	}
	for _, c := range w.twilio.Conversations() {
		w.reply(c.SID, "to "+c.Messages[0].Text)
	}
	for i, c := range results {
		w.want(<-c, "replied", fmt.Sprintf("to question %d", i))
	}
	t.Logf("REST calls per first exchange: %.2f", float64(w.twilio.Count())/1000)
}
