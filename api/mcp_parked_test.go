package api_test

import (
	"bufio"
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge"
)

var parked = flag.Int("parked", 200, "how many calls TestParked parks at once")

// TestParked tells what a call that waits costs this side, through each door: its
// clients are bare connections, which hold no goroutine. When the process drains,
// all get their answer and nothing is left.
//
//	go test ./api -run TestParked -parked 2000 -v
func TestParked(t *testing.T) {
	mcpCall := func(url, era string) *http.Request {
		return rpc(t, url, era, "tools/call", args{"name": "ask_agent", "arguments": args{"message": "May order 4711 still be changed?"}})
	}
	rows := map[string]func(url string) *http.Request{
		"send": func(url string) *http.Request {
			r, err := http.NewRequest("POST", url+"/send/"+username, strings.NewReader(`{"msg":"May order 4711 still be changed?"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			return r
		},
		"mcp " + eras[0]: func(url string) *http.Request { return mcpCall(url, eras[0]) },
		"mcp " + eras[1]: func(url string) *http.Request { return mcpCall(url, eras[1]) },
	}
	for name, request := range rows {
		t.Run(name, func(t *testing.T) {
			entered := make(chan struct{}, *parked)
			d := &desk{do: func(ctx context.Context, _ call) (bridge.Answer, error) {
				entered <- struct{}{}
				<-ctx.Done()
				return bridge.Answer{Status: bridge.Pending, Cursor: cursor}, nil
			}}
			waits, drain := context.WithCancelCause(context.Background())
			server := listen(t, mcpConfig(t), d, func(s *http.Server) {
				s.BaseContext = func(net.Listener) context.Context { return waits }
			})
			bytesBefore, goroutinesBefore := usage()
			connections := make([]net.Conn, *parked)
			for i := range connections {
				c, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := request(server.URL).Write(c); err != nil {
					t.Fatal(err)
				}
				connections[i] = c
				<-entered
			}
			bytes, goroutines := usage()
			t.Logf("%d parked: %.1f KB and %.2f goroutines each", *parked,
				float64(bytes-bytesBefore)/float64(*parked)/1000, float64(goroutines-goroutinesBefore)/float64(*parked))

			start := time.Now()
			drain(bridge.ErrDraining)
			for _, c := range connections {
				response, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Fatal(err)
				}
				if body, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(body), `"status":"pending"`) {
					t.Fatalf("the answer is %s, %v, want pending", body, err)
				}
				c.Close()
			}
			t.Logf("all answered %v after the drain began", time.Since(start))
			server.Close()
			for late := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
				if n := runtime.NumGoroutine(); n <= goroutinesBefore {
					break
				} else if time.Now().After(late) {
					t.Fatalf("%d goroutines are left, before there were %d", n, goroutinesBefore)
				}
			}
		})
	}
}

// usage is what this process holds: heap and stacks, in bytes, and goroutines.
func usage() (bytes uint64, goroutines int) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse, runtime.NumGoroutine()
}
