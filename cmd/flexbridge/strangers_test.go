package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
)

// What strangers may do is bounded in size and time; requests that wait are not cut.
func TestStrangers(t *testing.T) {
	const limit = 200 * time.Millisecond
	w := newWorld(t, nil, flexsim.Config{})
	w.tune = append(w.tune, func(t *timings) {
		t.server.ReadHeaderTimeout, t.server.ReadTimeout, t.server.WriteTimeout = limit, 2*limit, 3*limit
		t.body = limit
	})
	r := w.start(nil)
	waits := w.asking(r, "ann", "Is anybody there?")
	conversation := w.asked("Is anybody there?")

	const host = " HTTP/1.1\r\nHost: x\r\n"
	post := "POST /send/" + username("eve") + host + "Content-Type: application/json\r\n"
	var strangers sync.WaitGroup
	for name, row := range map[string]struct {
		sends  string
		drips  string // again and again, until the end
		status int    // 0: the connection is closed without an answer
	}{
		"large header":       {sends: "GET /livez" + host + "X: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", status: http.StatusRequestHeaderFieldsTooLarge},
		"many headers":       {sends: "GET /livez" + host + strings.Repeat("X: x\r\n", 8<<10) + "\r\n", status: http.StatusRequestHeaderFieldsTooLarge},
		"long URL":           {sends: "GET /replies/" + strings.Repeat("x", 40<<10) + host + "\r\n", status: http.StatusRequestHeaderFieldsTooLarge},
		"long query":         {sends: "GET /livez?" + strings.Repeat("x", 40<<10) + host + "\r\n", status: http.StatusRequestHeaderFieldsTooLarge},
		"header never comes": {},
		"header drips":       {sends: "GET /livez" + host, drips: "X: x\r\n"},
		"header stops":       {sends: "GET /livez" + host + "X: "},
		"body never comes":   {sends: post + "Content-Length: 100\r\n\r\n{", status: http.StatusRequestTimeout},
		"body drips":         {sends: post + "Transfer-Encoding: chunked\r\n\r\n", drips: "1\r\n{\r\n", status: http.StatusRequestTimeout},
		"large body":         {sends: post + "Content-Length: 200000\r\n\r\n" + strings.Repeat("x", 150_000), status: http.StatusRequestEntityTooLarge},
		"no HTTP":            {sends: "\x16\x03\x01 hello\r\n\r\n", status: http.StatusBadRequest},
	} {
		strangers.Go(func() {
			status, err := stranger(strings.TrimPrefix(r.url, "http://"), row.sends, row.drips)
			if err != nil || status != row.status {
				t.Errorf("%s: got %d, %v, want %d", name, status, err, row.status)
			}
		})
	}
	got := now(r.send(t.Context(), "bob", map[string]any{"msg": "And here?", "wait": 1})) // longer than every limit
	strangers.Wait()
	w.want(got, "pending", "")
	w.reply(conversation, "Yes.")
	w.want(<-waits, "replied", "Yes.")
}

// stranger sends, drips, and reads until the server closes the connection, which
// has to happen within some seconds. The status is 0 without an answer.
func stranger(address, sends, drips string) (status int, err error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		_, err := io.WriteString(c, sends)
		for ; err == nil && drips != ""; <-tick.C {
			_, err = io.WriteString(c, drips) // fails once the connection is closed
		}
	}()
	in := bufio.NewReader(c)
	if _, err := in.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, nil // closed, or reset if it was still sending
	}
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return 0, fmt.Errorf("reading the answer: %w", err)
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err != nil {
		return res.StatusCode, err
	}
	if !res.Close {
		return res.StatusCode, fmt.Errorf("the connection stays open")
	}
	return res.StatusCode, nil
}
