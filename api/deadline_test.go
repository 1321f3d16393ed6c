package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"flexbridge/api"
	"flexbridge/bridge"
)

// listen serves over real HTTP with limits shorter than any wait.
func listen(t testing.TB, cfg api.Config, d api.Asker, change func(*http.Server)) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(newServer(t, cfg, d))
	server.Config.ReadHeaderTimeout = 10 * time.Second // else it is ReadTimeout, which tests shorten for what comes after
	server.Listener = patient{api.Listen(server.Config, server.Listener)}
	change(server.Config)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// patient is a listener that is closed when all who are parked have been answered.
type patient struct{ *api.Listener }

func (p patient) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(p.Listener.Close(), p.Wait(ctx))
}

// A wait outlives the server's own limits, which are for requests that do not
// wait: past WriteTimeout the answer would be dropped without a word, past
// ReadTimeout the caller taken for gone.
func TestWaitOutlivesServerLimits(t *testing.T) {
	const limit = 30 * time.Millisecond
	d := &desk{do: func(ctx context.Context, _ call) (bridge.Answer, error) {
		select {
		case <-ctx.Done():
			return bridge.Answer{}, ctx.Err()
		case <-time.After(3 * limit):
			return replied, nil
		}
	}}
	server := listen(t, config(t), d, func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = limit, limit })
	for _, r := range []struct{ method, path, body string }{
		{"POST", "/send/" + username, `{"msg":"hi"}`},
		{"GET", "/replies/" + username, ""},
		{"POST", "/end/" + username, ""},
	} {
		request, err := http.NewRequest(r.method, server.URL+r.path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatalf("%s %s: %v", r.method, r.path, err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != 200 || err != nil || !strings.Contains(string(body), `"replied"`) {
			t.Errorf("%s %s = %d %q, %v, want the answer", r.method, r.path, response.StatusCode, body, err)
		}
	}
}

// A body that never ends is given up, and the connection with it.
func TestBodyNeverEnds(t *testing.T) {
	cfg := config(t)
	cfg.BodyTimeout = 30 * time.Millisecond
	d := &desk{}
	server := listen(t, cfg, d, func(*http.Server) {})
	for _, row := range []struct {
		username, length string
		status           int
	}{
		{username, "Content-Length: 1000", http.StatusRequestTimeout},
		{username, "Transfer-Encoding: chunked", http.StatusRequestTimeout},
		{"short", "Content-Length: 1000", http.StatusBadRequest}, // refused before the body was looked at
	} {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST /send/%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s\r\n\r\n5\r\n{", row.username, row.length)
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		if p := asProblem(t, response.StatusCode, response.Header, body); p.Status != row.status || !response.Close {
			t.Errorf("POST with %s = %+v, close %v, want %d and the end", row.length, p, response.Close, row.status)
		}
		c.Close()
	}
	if len(d.calls) != 0 {
		t.Errorf("calls = %v, want none", d.calls)
	}
}

// A caller who hangs up while waiting gets nothing, and its answer is not taken
// for told.
func TestCallerLeaves(t *testing.T) {
	for name, end := range map[string]func(context.Context) (bridge.Answer, error){
		"with an error":  func(ctx context.Context) (bridge.Answer, error) { return bridge.Answer{}, ctx.Err() },
		"with an answer": func(context.Context) (bridge.Answer, error) { return replied, nil },
	} {
		t.Run(name, func(t *testing.T) {
			written := false
			parked := make(chan struct{})
			d := &desk{do: func(ctx context.Context, _ call) (bridge.Answer, error) {
				close(parked)
				<-ctx.Done()
				answer, err := end(ctx)
				return onWritten(answer, func() { written = true }), err
			}}
			cfg := config(t)
			log := logTo(&cfg)
			handler := newServer(t, cfg, d)
			served := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(served)
				handler.ServeHTTP(w, r)
			}))
			defer server.Close()
			ctx, leave := context.WithCancel(t.Context())
			go func() {
				<-parked
				leave()
			}()
			request, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/replies/"+username, nil)
			if err != nil {
				t.Fatal(err)
			}
			if response, err := server.Client().Do(request); err == nil {
				response.Body.Close()
				t.Errorf("GET = %d, want to have left", response.StatusCode)
			}
			<-served
			if written {
				t.Error("the answer counts as written, want not")
			}
			if !strings.Contains(log.String(), "level=INFO") || !strings.Contains(log.String(), "outcome=caller_left") {
				t.Errorf("log = %s, want a line that is no warning", log)
			}
		})
	}
}

// An answer counts as written when it was written: not when writing failed, and
// also while the process stops, which ends the request's context as well.
func TestWritten(t *testing.T) {
	draining, drain := context.WithCancelCause(t.Context())
	drain(bridge.ErrDraining)
	gone, leave := context.WithCancel(t.Context())
	leave()
	inHand, hangUp := context.WithCancel(t.Context())
	rows := map[string]struct {
		ctx  context.Context
		w    http.ResponseWriter
		want bool
	}{
		"written":       {t.Context(), httptest.NewRecorder(), true},
		"draining":      {draining, httptest.NewRecorder(), true},
		"caller left":   {gone, httptest.NewRecorder(), false},
		"hung up after": {inHand, &broken{ResponseRecorder: httptest.NewRecorder(), written: hangUp}, true},
		"write failed":  {t.Context(), &broken{ResponseRecorder: httptest.NewRecorder(), write: errors.New("broken pipe")}, false},
		"flush failed":  {t.Context(), &broken{ResponseRecorder: httptest.NewRecorder(), flush: errors.New("broken pipe")}, false},
		"without flush": {t.Context(), struct{ http.ResponseWriter }{httptest.NewRecorder()}, true},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			written := false
			d := &desk{answer: onWritten(replied, func() { written = true })}
			newServer(t, config(t), d).ServeHTTP(row.w, request("POST", "/send/"+username, `{"msg":"hi"}`).WithContext(row.ctx))
			if written != row.want {
				t.Errorf("Written was called: %v, want %v", written, row.want)
			}
		})
	}
}

// broken is a ResponseWriter on a connection that failed.
type broken struct {
	*httptest.ResponseRecorder
	write, flush error
	written      func() // may be nil
}

func (b *broken) Write(p []byte) (int, error) {
	if b.write != nil {
		return 0, b.write
	}
	if b.written != nil {
		defer b.written()
	}
	return b.ResponseRecorder.Write(p)
}

func (b *broken) FlushError() error { return b.flush }
