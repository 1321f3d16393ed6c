package api_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"testing"

	"flexbridge/api"
	"flexbridge/bridge"
)

// held is an Asker of which nobody is answered: what is to be called then is here.
type held struct {
	api.Asker
	waiting chan func(bridge.Answer, error)
}

func (h held) AskThen(_ context.Context, _ bridge.Question, over func(bridge.Answer, error)) {
	h.waiting <- over
}

// BenchmarkParked parks requests, up to a thousand at once, and answers them. Each half
// has its own figures; held/op is what the heap
// holds of each in between, the test's own end of the connection among it.
func BenchmarkParked(b *testing.B) {
	for _, half := range []string{"park", "answer"} {
		b.Run(half, func(b *testing.B) {
			empty, answers, returned := heap(), held{waiting: make(chan func(bridge.Answer, error), 1000)}, make(chan struct{}, 1)
			cfg := config(b)
			cfg.ParkAfter = 1
			cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
			server := listen(b, cfg, answers, func(s *http.Server) {
				handler := s.Handler
				s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					handler.ServeHTTP(w, r)
					returned <- struct{}{}
				})
			})
			callers := make([]net.Conn, min(b.N, 1000))
			for i := range callers {
				var err error
				if callers[i], err = net.Dial("tcp", server.Listener.Addr().String()); err != nil {
					b.Fatal(err)
				}
				defer callers[i].Close()
			}
			request, answer, holding := []byte(sending), make([]byte, 4096), 0
			only := func(this string, do func(net.Conn), callers []net.Conn) {
				if this == half {
					b.StartTimer()
					defer b.StopTimer()
				}
				for _, c := range callers {
					do(c)
				}
			}
			b.ReportAllocs()
			b.StopTimer()
			for left := b.N; left > 0; left -= len(callers) {
				callers := callers[:min(left, len(callers))]
				only("park", func(c net.Conn) {
					if _, err := c.Write(request); err != nil {
						b.Fatal(err)
					}
					<-returned
				}, callers)
				holding += heap() - empty
				only("answer", func(c net.Conn) {
					(<-answers.waiting)(replied, nil)
				}, callers)
				only("answer", func(c net.Conn) {
					if n, err := c.Read(answer); err != nil || !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 200")) {
						b.Fatalf("%s, %v", answer[:n], err)
					}
				}, callers)
			}
			b.ReportMetric(float64(holding)/float64(b.N), "held/op")
		})
	}
}

// heap is how many bytes of it are in use.
func heap() int {
	runtime.GC()
	runtime.GC() // of pools, too
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
