package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
	"flexbridge/webhook"
)

// TestGarbageWhileParked: strangers' slow, huge and forged requests cost no parked
// request its reply, and the process no memory.
func TestGarbageWhileParked(t *testing.T) {
	const parked = 1000
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	f := newFront(t)
	p := w.startProcess(f, func(c *Config) { c.Wait = 4 * time.Minute })
	f.to(p.replica)
	var results []<-chan result
	for i := range parked {
		results = append(results, w.asking(p.replica, fmt.Sprintf("customer%d", i), fmt.Sprintf("question %d", i)))
		if i%50 == 0 {
			w.until(func() bool { return len(w.twilio.Tasks()) >= i })
		}
	}
	w.until(func() bool { return len(w.twilio.Tasks()) == parked })
	before := p.memory(t)
	t.Logf("memory with %d parked requests: %d MB", parked, before>>20)

	address := strings.TrimPrefix(p.url, "http://")
	secret := username("stranger")
	body := strings.Repeat("x", 64<<10)
	garbage := []struct {
		name     string
		each, at int // requests, and how many at once
		throw    func(i int) string
		want     string
	}{
		{"forged webhooks", 10_000, 64, func(i int) string { return p.forge(i) }, "403"},
		{"bodies without an end", 200, 200, func(int) string {
			return trickle(address, "POST /send/"+secret+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"msg\": \"")
		}, "408"},
		{"webhooks without an end", 200, 200, func(int) string {
			return trickle(address, "POST "+webhook.Path+" HTTP/1.1\r\nHost: x\r\nX-Twilio-Signature: x\r\nContent-Length: 1000\r\n\r\nBody=")
		}, "408"},
		{"headers without an end", 200, 200, func(int) string {
			return trickle(address, "GET /replies/"+secret+" HTTP/1.1\r\nHost: x\r\nX-Header: ")
		}, "closed"},
		{"headers over the limit", 500, 50, func(int) string {
			return trickle(address, "GET /replies/"+secret+" HTTP/1.1\r\nHost: x\r\nX-Header: "+body+"\r\n\r\n")
		}, "431"},
		{"URLs over the limit", 500, 50, func(int) string {
			return trickle(address, "GET /replies/"+secret+"?after="+body+" HTTP/1.1\r\nHost: x\r\n\r\n")
		}, "431"},
		{"bodies over the limit", 500, 50, func(int) string {
			return post(p.url+"/send/"+secret, `{"msg":"`+body+body+`"}`)
		}, "413"},
		{"bodies that are no JSON", 2000, 50, func(int) string { return post(p.url+"/send/"+secret, body) }, "400"},
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, g := range garbage {
		got := map[string]int{}
		numbers := make(chan int)
		for range g.at {
			all.Go(func() {
				for i := range numbers {
					outcome := g.throw(i)
					mu.Lock()
					got[outcome]++
					mu.Unlock()
				}
			})
		}
		all.Go(func() {
			for i := range g.each {
				numbers <- i
			}
			close(numbers)
		})
		t.Cleanup(func() {
			t.Logf("%d %s: %v", g.each, g.name, got)
			if got[g.want] != g.each {
				t.Errorf("%s were answered with %v, want %s for all %d", g.name, got, g.want, g.each)
			}
		})
	}
	all.Wait()
	after := p.memory(t)
	t.Logf("memory after the garbage: %d MB", after>>20)
	if after > before+before/2+(32<<20) {
		t.Errorf("the garbage cost %d MB of memory, which were %d MB", (after-before)>>20, before>>20)
	}
	for _, c := range w.twilio.Conversations() {
		w.reply(c.SID, "to "+c.Messages[0].Text)
	}
	for i, c := range results {
		w.want(<-c, "replied", fmt.Sprintf("to question %d", i))
	}
}

// memory is what the process has resident, in bytes.
func (p *process) memory(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		t.Skipf("memory can be measured on Linux only: %v", err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}

// forge posts a webhook that says what somebody would like to have been said.
func (p *process) forge(i int) string {
	form := url.Values{
		"AccountSid": {flexsim.AccountSID}, "EventType": {"onMessageAdded"}, "Source": {"SDK"},
		"ConversationSid": {fmt.Sprintf("CH%032x", i)}, "MessageSid": {fmt.Sprintf("IM%032x", i)},
		"Index": {"1"}, "Author": {"mallory"}, "Body": {"an invented reply"},
	}
	req, err := http.NewRequest(http.MethodPost, p.url+webhook.Path, strings.NewReader(form.Encode()))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Twilio-Signature", flexsim.Sign("another token", p.url+webhook.Path, form))
	return do(req)
}

func post(address, body string) string {
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Content-Type", "application/json")
	return do(req)
}

// do is the status, or the error.
func do(req *http.Request) string {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return fmt.Sprint(res.StatusCode)
}

// trickle sends the beginning of a request, and then a byte each second until the
// other side has had enough. It returns the status, or that there was none.
func trickle(address, beginning string) string {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	ctx, answered := context.WithTimeout(context.Background(), 30*time.Second)
	defer answered()
	var sending sync.WaitGroup
	defer sending.Wait()
	defer answered()
	sending.Go(func() {
		_, err := io.WriteString(conn, beginning)
		for each := time.NewTicker(time.Second); err == nil; {
			select {
			case <-each.C:
				_, err = io.WriteString(conn, "x")
			case <-ctx.Done():
				return
			}
		}
	})
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	answer := make([]byte, len("HTTP/1.1 200"))
	switch _, err := io.ReadFull(conn, answer); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "still open"
	case err != nil:
		return "closed"
	}
	return string(answer[len("HTTP/1.1 "):])
}
