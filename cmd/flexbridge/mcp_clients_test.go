package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

// nodeClients are the official TypeScript SDK's, by their arguments of
// testdata/mcp_client.js, and the revision each speaks with us.
var nodeClients = []struct{ library, era, version string }{
	{"client", "modern", "2026-07-28"},
	{"client", "legacy", "2025-11-25"},
	{"sdk", "legacy", "2025-11-25"},
}

// nodeSession is a session of testdata/mcp_client.js. It is safe for concurrent use.
type nodeSession struct {
	mu    sync.Mutex
	stdin io.Writer
	last  int
	calls map[int]chan<- nodeResult
}

type nodeResult struct {
	ID      int
	Version string // in the first line alone
	Result  *mcp.CallToolResult
	Error   string
}

// CallTool waits for the client's own word, whose patience is ctx's.
func (s *nodeSession) CallTool(ctx context.Context, params *mcp.CallToolParams) (*mcp.CallToolResult, error) {
	patience := time.Minute
	if deadline, limited := ctx.Deadline(); limited {
		patience = time.Until(deadline)
	}
	result := make(chan nodeResult, 1)
	if err := s.send(params, patience, result); err != nil {
		return nil, err
	}
	got, open := <-result
	switch {
	case !open:
		return nil, errors.New("the client ended")
	case got.Result == nil:
		return nil, errors.New(got.Error)
	}
	return got.Result, nil
}

func (s *nodeSession) send(params *mcp.CallToolParams, patience time.Duration, result chan<- nodeResult) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.calls[s.last] = result
	return json.NewEncoder(s.stdin).Encode(map[string]any{"id": s.last, "timeout": patience.Milliseconds(), "params": params})
}

// read passes results on until the client ends.
func (s *nodeSession) read(lines *bufio.Scanner) {
	for lines.Scan() {
		var got nodeResult
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
			got.Error = err.Error()
		}
		s.mu.Lock()
		result := s.calls[got.ID]
		delete(s.calls, got.ID)
		s.mu.Unlock()
		result <- got
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, result := range s.calls {
		close(result)
	}
}

// nodeAssistants are one of each kind, at the replicas in turn.
func (w *world) nodeAssistants(replicas ...*replica) map[string]*assistant {
	w.t.Helper()
	all := make(map[string]*assistant)
	for i, c := range nodeClients {
		all[c.library+" "+c.era] = w.nodeAssistant(replicas[i%len(replicas)], c.library, c.era, c.version)
	}
	return all
}

func (w *world) nodeAssistant(r *replica, library, era, version string) *assistant {
	w.t.Helper()
	command := node(context.Background(), w.t, "testdata/mcp_client.js", library, era, r.url+"/mcp")
	command.Stderr = w.t.Output()
	stdin, err := command.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	s := &nodeSession{stdin: stdin, calls: make(map[int]chan<- nodeResult)}
	lines, connected, ended := bufio.NewScanner(stdout), make(chan nodeResult, 1), make(chan struct{})
	lines.Buffer(nil, 1<<20)
	s.calls[0] = connected
	go func() {
		defer close(ended)
		s.read(lines)
	}()
	w.t.Cleanup(func() {
		_ = stdin.Close()
		<-ended
		if err := command.Wait(); err != nil {
			w.t.Errorf("%s %s: %v", library, era, err)
		}
	})
	if got := <-connected; got.Version != version {
		w.t.Fatalf("%s %s connected with %q, want %s", library, era, got.Version, version)
	}
	return &assistant{w.t, s}
}

// What other people's clients get: the reply to a question that waits, and again
// and again one that came while nobody waited.
func TestMCPNodeRoundTrip(t *testing.T) {
	w := newWorld(t, nil, flexsim.Config{})
	r := w.start(nil, func(c *Config) { c.MCPWait = time.Second })
	for name, a := range w.nodeAssistants(r) {
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
// reply to a question that was asked once: with their conversation, or in their
// first call by the ids that ChatGPT gives. Only those of the new era hang up when
// they give up; the others leave the call as it stands.
func TestMCPNodeCutAndRepeated(t *testing.T) {
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	one := w.start(nil)
	two := w.start(one)
	parked := func(n int) func() bool {
		return func() bool { return one.bridge.Parked()+two.bridge.Parked() == n }
	}
	first, again := w.nodeAssistants(one), w.nodeAssistants(two)
	type question struct {
		client, text string
		after        told
		meta         mcp.Meta
	}
	var questions []question
	for name, a := range first {
		hello := a.asking(t.Context(), name+": hello?", told{}, nil)
		w.reply(w.asked(name+": hello?"), "hello")
		questions = append(questions,
			question{client: name, text: name + ": and now?", after: a.want(<-hello, "replied", "hello")},
			question{client: name, text: name + ": may I?", meta: mcp.Meta{"openai/subject": "v1/user", "openai/session": "v1/" + name}})
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
	w.until(parked(4))
	for _, q := range questions {
		asked[q.text] = again[q.client].asking(t.Context(), q.text, q.after, q.meta)
	}
	w.until(parked(4 + len(questions)))
	for _, q := range questions {
		w.reply(w.asked(q.text), "to "+q.text)
		again[q.client].want(<-asked[q.text], "replied", "to "+q.text)
	}
	if n := w.messages(); n != 3*6 {
		t.Errorf("%d messages, want 18: each question once and its reply", n)
	}
}

func TestMCPNodeConversationsNeverMix(t *testing.T) {
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	one := w.start(nil)
	clients := w.nodeAssistants(one, w.start(one))
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
