package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"flexbridge/bridge/flex/flexsim"
)

// proxyTests are what a proxy must do for us.
var proxyTests = map[string]func(*proxied){
	"park, answer and log no names":   (*proxied).parks,
	"tell who left":                   (*proxied).tellsWhoLeft,
	"survive a replica's end":         (*proxied).drains,
	"refuse what is too large":        (*proxied).refusesLarge,
	"pass signs of life and files on": (*proxied).streams,
	"pass a token of 20 KB, no 60 KB": (*proxied).passesHeaders,
}

func (p *proxied) parked() (counts []int) {
	for _, r := range p.replicas {
		counts = append(counts, r.bridge.Parked())
	}
	return counts
}

// askAll parks requests of so many customers, some at each replica.
func (p *proxied) askAll(n int) (answers []<-chan result) {
	p.t.Helper()
	for i := range n {
		answers = append(answers, p.asking(p.front, fmt.Sprint("ann", i), fmt.Sprint("may I? ", i)))
	}
	p.until(func() bool { c := p.parked(); return c[0]+c[1] == n })
	if c := p.parked(); c[0] == 0 || c[1] == 0 {
		p.t.Fatalf("parked at the replicas are %v, want some at each", c)
	}
	return answers
}

func (p *proxied) parks() {
	const n = 20
	answers := p.askAll(n)
	for i := range n {
		p.reply(p.asked(fmt.Sprint("may I? ", i)), "you may")
	}
	for _, answer := range answers {
		p.want(<-answer, "replied", "you may")
	}
	// Their signatures were right, so nobody had to ask Twilio.
	for _, d := range p.twilio.Webhooks() {
		if d.Status != http.StatusNoContent && d.Status != http.StatusOK {
			p.t.Errorf("a webhook was answered %d, %v", d.Status, d.Err)
		}
	}
	log := p.logs("/send")
	for _, secret := range []string{username("ann0"), "0123456789abcdef", "may I"} {
		if strings.Contains(log, secret) {
			p.t.Errorf("the logs have %q:\n%s", secret, log)
		}
	}
}

// logs are all that the proxy wrote, once what must be there is.
func (p *proxied) logs(must string) (all string) {
	p.t.Helper()
	p.until(func() bool {
		all = ""
		files, _ := filepath.Glob(filepath.Join(p.dir, "*.log"))
		for _, name := range files {
			text, _ := os.ReadFile(name)
			all += string(text)
		}
		return strings.Contains(all, must)
	})
	return all
}

func (p *proxied) tellsWhoLeft() {
	for name, ask := range map[string]func(ctx context.Context) (answer, error){
		"ann": func(ctx context.Context) (answer, error) {
			return p.front.send(ctx, "ann", map[string]any{"msg": "may I?"})
		},
		"bob": func(ctx context.Context) (answer, error) { return p.front.replies(ctx, "ann", "", 40) },
	} {
		ctx, leave := context.WithCancel(p.t.Context())
		left := later(func() (answer, error) { return ask(ctx) })
		p.until(func() bool { c := p.parked(); return c[0]+c[1] == 1 })
		leave()
		if got := <-left; got.err == nil {
			p.t.Fatalf("%s: answer = %+v, want none", name, got)
		}
		p.until(func() bool { c := p.parked(); return c[0]+c[1] == 0 })
	}
}

// drains: the end of a replica, while callers come, loses nothing. What meets it in
// the instant in which it closes is refused, and need only be repeated.
func (p *proxied) drains() {
	answers := p.askAll(10)
	stays := p.replicas[1].bridge.Parked()
	stopped := make(chan error, 1)
	go func() { stopped <- p.replicas[0].stop() }()
	refused := 0
	once := func(ask func() (answer, error)) {
		got := now(ask())
		if got.HTTP == http.StatusBadGateway || got.HTTP == http.StatusServiceUnavailable {
			refused++
			got = now(ask())
		}
		p.want(got, "pending", "")
	}
	for i := range 40 {
		name := fmt.Sprint("bob", i)
		once(func() (answer, error) {
			return p.front.send(p.t.Context(), name, map[string]any{"msg": "hello?", "wait": 0})
		})
		once(func() (answer, error) { return p.front.replies(p.t.Context(), name, "", 0) })
	}
	if err := <-stopped; err != nil || refused > 2 {
		p.t.Fatalf("the replica's end = %v, %d of 80 calls were refused, want 2 at most", err, refused)
	}
	for i := range answers {
		p.reply(p.asked(fmt.Sprint("may I? ", i)), "you may")
	}
	drained := 0
	for i, answer := range answers {
		got := <-answer
		if got.Status == "pending" {
			drained++
			got = now(p.front.replies(p.t.Context(), fmt.Sprint("ann", i), got.Cursor, 20))
		}
		p.want(got, "replied", "you may")
	}
	if drained != 10-stays {
		p.t.Errorf("%d were drained, want the %d of one replica", drained, 10-stays)
	}
}

func (p *proxied) refusesLarge() {
	waits := p.asking(p.front, "ann", "may I?")
	sid := p.asked("may I?")
	for _, path := range []string{"/send/" + username("bob"), "/mcp", "/twilio/webhook"} {
		res, err := http.Post(p.front.url+path, "application/json", io.LimitReader(endless{}, 20<<20))
		if err != nil {
			p.t.Fatalf("POST %s: %v", path, err)
		}
		res.Body.Close()
		// The service itself may be faster, and refuse a webhook without signature.
		unsigned := res.StatusCode == http.StatusForbidden && path == "/twilio/webhook"
		if res.StatusCode != http.StatusRequestEntityTooLarge && !unsigned {
			p.t.Errorf("POST %s of 20 MB = %s, want 413", path, res.Status)
		}
	}
	p.reply(sid, "you may")
	p.want(<-waits, "replied", "you may")
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func (p *proxied) passesHeaders() {
	for size, passes := range map[int]bool{20 << 10: true, 60 << 10: false} {
		req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.front.url+"/livez", nil)
		if err != nil {
			p.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.Repeat("a", size))
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
		}
		// Over HTTP/2 it may be refused without an answer.
		if got := err == nil && res.StatusCode == http.StatusOK; got != passes {
			p.t.Errorf("a token of %d bytes passes %v (%v), want %v", size, got, err, passes)
		}
	}
}

const askByMCP = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask_agent","arguments":{"message":"may I?"}}}`

// streams: an event stream comes as it is written, and a file byte for byte.
func (p *proxied) streams() {
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.front.url+"/mcp", strings.NewReader(askByMCP))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Mcp-Protocol-Version", "2025-06-18")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	lines, alive, answered := bufio.NewScanner(res.Body), 0, false
	for lines.Scan() {
		if lines.Text() == ": waiting" {
			if alive++; alive == 3 { // and nobody has answered yet
				if _, err := p.agent.Send(p.asked("may I?"), "you may", picture); err != nil {
					p.t.Fatal(err)
				}
			}
		}
		answered = answered || strings.Contains(lines.Text(), `"status":"replied"`)
	}
	if alive < 3 || !answered || lines.Err() != nil {
		p.t.Errorf("POST /mcp = %s: %d signs of life, answered %v, %v", res.Status, alive, answered, lines.Err())
	}
	// The same conversation's picture, as another caller gets it.
	asked := p.want(now(p.front.send(p.t.Context(), "ann", map[string]any{"msg": "and I?", "wait": 0})), "pending", "")
	sent, err := p.agent.Send(p.asked("and I?"), "here", picture)
	if err != nil {
		p.t.Fatal(err)
	}
	got := p.want(now(p.front.replies(p.t.Context(), "ann", asked.Cursor, 20)), "replied", "here")
	link := got.Messages[0].Media[0].URL
	want, _ := io.ReadAll(flexsim.Content(sent.Media[0].SID, picture.Size))
	if status, _, body := open(p.t, link); status != http.StatusOK || !bytes.Equal(body, want) {
		p.t.Errorf("GET %s = %d, %d bytes, want the picture", link, status, len(body))
	}
	if _, token, _ := strings.Cut(link, "/media/"); strings.Contains(p.logs("/media"), token) {
		p.t.Error("the logs have the key to a file")
	}
}
