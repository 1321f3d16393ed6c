package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// nodeClients are the official TypeScript SDK's, by their arguments of
// testdata/mcp_client.js, and the revision each speaks with us.
var nodeClients = []nodeClient{
	{"client", "modern", "2026-07-28"},
	{"client", "legacy", "2025-11-25"},
	{"sdk", "legacy", "2025-11-25"},
}

type nodeClient struct{ sdk, era, version string }

func (c nodeClient) String() string { return c.sdk + " " + c.era }

// nodeSession is a session of testdata/mcp_client.js. It is safe for concurrent use.
type nodeSession struct {
	mu    sync.Mutex
	stdin io.Writer
	last  int
	calls map[int]chan<- nodeResult
}

type nodeResult struct {
	ID      int
	Version string // in the first, whose ID is 0, alone
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
	select {
	case got, open := <-result:
		switch {
		case !open:
			return nil, errors.New("the client ended")
		case got.Result == nil:
			return nil, errors.New(got.Error)
		}
		return got.Result, nil
	case <-time.After(patience + 10*time.Second):
		return nil, errors.New("the client says nothing")
	}
}

func (s *nodeSession) send(params *mcp.CallToolParams, patience time.Duration, result chan<- nodeResult) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.calls[s.last] = result
	return json.NewEncoder(s.stdin).Encode(map[string]any{"id": s.last, "timeout": patience.Milliseconds(), "params": params})
}

// read passes results on until the client ends, or writes what is none.
func (s *nodeSession) read(lines *bufio.Scanner) {
	for lines.Scan() {
		var got nodeResult
		if json.Unmarshal(lines.Bytes(), &got) != nil || !s.pass(got) {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, result := range s.calls {
		close(result)
	}
}

func (s *nodeSession) pass(got nodeResult) (waited bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	result, waited := s.calls[got.ID]
	if waited {
		delete(s.calls, got.ID)
		result <- got
	}
	return waited
}

// nodeAssistants are one of each kind, at the replicas in turn.
func (w *world) nodeAssistants(kinds []nodeClient, replicas ...*replica) map[string]*assistant {
	w.t.Helper()
	all := make(map[string]*assistant)
	for i, c := range kinds {
		all[c.String()] = w.nodeAssistant(c, replicas[i%len(replicas)])
	}
	return all
}

func (w *world) nodeAssistant(c nodeClient, r *replica) *assistant {
	w.t.Helper()
	command := node(context.Background(), w.t, "testdata/mcp_client.js", c.sdk, c.era, r.url+"/mcp")
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
			w.t.Errorf("%v: %v", c, err)
		}
	})
	if got := <-connected; got.Version != c.version {
		w.t.Fatalf("%v connected with %q, want %s", c, got.Version, c.version)
	}
	return &assistant{w.t, s}
}
