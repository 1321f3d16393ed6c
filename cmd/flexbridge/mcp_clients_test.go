package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

// What other people's clients get: the reply to a question that waits, and again
// and again one that came while nobody waited.
func TestMCPNodeRoundTrip(t *testing.T) {
	w := newWorld(t, nil, flexsim.Config{})
	r := w.start(nil, func(c *Config) { c.MCPWait = time.Second })
	for name, a := range w.nodeAssistants(nodeClients, r) {
		asked := a.asking(t.Context(), name+": may I?", told{}, nil)
		sid := w.asked(name + ": may I?")
		w.reply(sid, "you may")
		first := a.want(<-asked, "replied", "you may")
		pending := a.want(<-a.asking(t.Context(), "and now?", first, nil), "pending", "")
		w.reply(sid, "now, too")
		for range 2 {
			a.want(a.waiting(pending), "replied", "now, too")
		}
		a.want(a.call(t.Context(), "end_conversation", map[string]any{"conversation": first.Conversation}, nil), "closed", "now, too")
	}
}

// Clients that give up after 5 seconds and call again, on another replica, get the
// reply to a question that was asked once.
func TestMCPNodeCutAndRepeated(t *testing.T) {
	t.Run("replied to the repeat", func(t *testing.T) { cutAndRepeat(t, nodeClients, false) })
	// Only those of the new era hang up when they give up. The others leave the call
	// standing, whose answer cannot be told from one that was read.
	t.Run("replied meanwhile", func(t *testing.T) { cutAndRepeat(t, nodeClients[:1], true) })
}

// cutAndRepeat has each client cut and repeat two questions: one with a conversation,
// and in a first call one with the ids that ChatGPT gives.
func cutAndRepeat(t *testing.T, kinds []nodeClient, meanwhile bool) {
	t.Parallel()
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	one := w.start(nil)
	two := w.start(one)
	first, second := w.nodeAssistants(kinds, one), w.nodeAssistants(kinds, two)
	type question struct {
		client, text string
		after        told
		meta         mcp.Meta
	}
	var questions []question
	standing := 0
	for _, c := range kinds {
		name := c.String()
		hello := first[name].asking(t.Context(), name+": hello?", told{}, nil)
		w.reply(w.asked(name+": hello?"), "hello")
		questions = append(questions,
			question{client: name, text: name + ": and now?", after: first[name].want(<-hello, "replied", "hello")},
			question{client: name, text: name + ": may I?", meta: mcp.Meta{"openai/subject": "v1/user", "openai/session": "v1/" + name}})
		if c.era == "legacy" {
			standing += 2
		}
	}
	reply := func() {
		for _, q := range questions {
			w.reply(w.asked(q.text), "to "+q.text)
		}
	}

	asked := make(map[string]<-chan toldResult)
	patience, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for _, q := range questions {
		asked[q.text] = first[q.client].asking(patience, q.text, q.after, q.meta)
	}
	for _, q := range questions {
		if got := <-asked[q.text]; got.err == nil || !strings.HasSuffix(got.err.Error(), "Request timed out") {
			t.Fatalf("%q came back with %+v, want cut", q.text, got)
		}
	}
	w.until(func() bool { return one.bridge.Parked() == standing })
	if meanwhile {
		reply()
	}
	for _, q := range questions {
		asked[q.text] = second[q.client].asking(t.Context(), q.text, q.after, q.meta)
	}
	if !meanwhile {
		w.until(func() bool { return two.bridge.Parked() == len(questions) })
		reply()
	}
	for _, q := range questions {
		second[q.client].want(<-asked[q.text], "replied", "to "+q.text)
	}
	if n, want := w.messages(), 6*len(kinds); n != want {
		t.Errorf("%d messages, want %d: each question once and its reply", n, want)
	}
}

func TestMCPNodeConversationsNeverMix(t *testing.T) {
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	one := w.start(nil)
	clients := w.nodeAssistants(nodeClients, one, w.start(one))
	var all sync.WaitGroup
	for name, a := range clients {
		for chat := range 2 {
			all.Go(func() {
				var last told
				for n := range 3 {
					question := fmt.Sprintf("%s: question %d.%d", name, chat, n)
					asked := a.asking(t.Context(), question, last, nil)
					w.reply(w.asked(question), "to "+question)
					got := <-asked
					if got.err != nil || got.texts() != "to "+question {
						t.Errorf("to %q came %q (%v)", question, got.texts(), got.err)
					}
					last = got.told
				}
			})
		}
	}
	all.Wait()
	if n, want := len(w.twilio.Conversations()), 2*len(clients); n != want {
		t.Errorf("%d conversations, want %d", n, want)
	}
}
