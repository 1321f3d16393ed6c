package bridge_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"flexbridge/bridge"
	"flexbridge/store"
	"flexbridge/store/storetest"
)

// TestRedisBudget holds which scripts an exchange runs in Redis, in order. Those that
// share a round trip are joined by a plus.
func TestRedisBudget(t *testing.T) {
	w := newTripWorld(t)
	first := w.ask("first?", bridge.Cursor{})
	w.trips.want("first question", "directory enter begin lease directory record keep enter record record record record move keep said release read")

	w.reply("first")
	first.wait(t).Written()
	w.trips.want("reply", "keep forget tell")

	second := w.ask("second?", bridge.Cursor{})
	w.trips.want("question without a cursor", "directory read begin keep said read")
	w.reply("second")
	second.wait(t)
	w.trips.want("reply", "keep")
	second.Written()
	w.trips.want("answer without a cursor written", "forget tell")

	third := w.ask("third?", second.Cursor)
	w.trips.want("question", "directory read begin keep said read")
	w.reply("third")
	third.wait(t)
	w.trips.want("reply", "keep")
	third.Written()
	w.trips.want("answer written", "forget")

	fourth := w.ask("fourth?", third.Cursor)
	w.trips.want("question with a newer cursor", "directory read tell begin keep said read")
	w.echo()
	w.trips.want("echo", "keep")
	w.reply("fourth")
	fourth.wait(t)
	w.trips.want("reply", "keep")

	poll := w.await(fourth.Cursor)
	w.trips.want("replies", "directory read")
	w.reply("by itself")
	poll.wait(t)
	w.trips.want("reply", "keep")
}

// tripWorld is a bridge over a real Redis whose round trips are listed.
type tripWorld struct {
	*bridge.Bridge
	t     *testing.T
	desk  *desk
	trips *trips
	sid   string
}

func newTripWorld(t *testing.T) *tripWorld {
	options, err := redis.ParseURL(storetest.StartRedis(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	trips := &trips{t: t, names: loadScripts(t, client), ended: make(chan struct{}, 100)}
	client.AddHook(trips)
	mail := store.NewRedis(client, store.Config{Probe: time.Hour})
	w := &tripWorld{t: t, desk: newDesk(), trips: trips, sid: sidOf(ann, 0)}
	w.Bridge = bridge.New(w.desk, mail, keys, bridge.Config{})
	t.Cleanup(func() {
		w.Close()
		_ = mail.Close()
	})
	return w
}

// call is one that is under way, and what it came back with.
type call struct {
	bridge.Answer
	out <-chan outcome
}

func (c *call) wait(t *testing.T) bridge.Answer {
	t.Helper()
	got := <-c.out
	if got.err != nil || got.Status != bridge.Replied {
		t.Fatalf("answer = %+v, %v, want replied", got.Answer, got.err)
	}
	c.Answer = got.Answer
	return c.Answer
}

func (w *tripWorld) ask(text string, after bridge.Cursor) *call {
	return &call{out: going(func() (bridge.Answer, error) {
		return w.Ask(w.t.Context(), bridge.Question{Customer: ann, Text: text, After: after, Deadline: time.Now().Add(time.Minute)})
	})}
}

func (w *tripWorld) await(after bridge.Cursor) *call {
	return &call{out: going(func() (bridge.Answer, error) {
		return w.Await(w.t.Context(), ann, after, time.Now().Add(time.Minute))
	})}
}

func (w *tripWorld) deliver(m bridge.Message) {
	w.t.Helper()
	if err := w.Deliver(w.t.Context(), bridge.Event{Conversation: w.sid, Ours: true, Message: &m}); err != nil {
		w.t.Fatalf("Deliver = %v", err)
	}
}

// echo reports the last question.
func (w *tripWorld) echo() {
	w.t.Helper()
	all := w.desk.opened()[0].messages
	w.deliver(all[len(all)-1])
}

func (w *tripWorld) reply(text string) {
	w.t.Helper()
	w.deliver(w.desk.agentSays(w.sid, text))
}

// trips lists the round trips of a client, in the order in which they begin.
type trips struct {
	t     *testing.T
	names map[string]string // of the scripts, by digest
	ended chan struct{}

	mu    sync.Mutex
	begun []string
}

// want fails unless just these trips are made. One too many is found by the next call.
func (l *trips) want(when, want string) {
	l.t.Helper()
	for range strings.Fields(want) {
		select {
		case <-l.ended:
		case <-time.After(10 * time.Second):
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if got := strings.Join(l.begun, " "); got != want {
		l.t.Fatalf("%s: round trips = %q, want %q", when, got, want)
	}
	l.t.Logf("%-32s %d  %s", when, len(l.begun), want)
	l.begun = nil
}

func (l *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return l.trip([]redis.Cmder{cmd}, func() error { return next(ctx, cmd) })
	}
}

func (l *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return l.trip(cmds, func() error { return next(ctx, cmds) })
	}
}

// trip makes one, and lists it unless it is of those with which a connection begins.
func (l *trips) trip(cmds []redis.Cmder, do func() error) error {
	var names []string
	for _, cmd := range cmds {
		switch cmd.Name() {
		case "hello", "client":
			return do()
		case "evalsha":
			names = append(names, l.names[cmd.Args()[1].(string)])
		default:
			names = append(names, cmd.Name())
		}
	}
	l.mu.Lock()
	l.begun = append(l.begun, strings.Join(names, "+"))
	l.mu.Unlock()
	err := do()
	l.ended <- struct{}{}
	return err
}

// loadScripts has the server know the scripts, and returns their names by digest.
func loadScripts(t *testing.T, client *redis.Client) map[string]string {
	files, err := filepath.Glob("../store/lua/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("Glob = %q, %v, want scripts", files, err)
	}
	names := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := client.ScriptLoad(t.Context(), string(text)).Result()
		if err != nil {
			t.Fatal(err)
		}
		names[digest] = strings.TrimSuffix(filepath.Base(file), ".lua")
	}
	return names
}
