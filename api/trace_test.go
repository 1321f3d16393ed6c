package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"flexbridge/api"
	"flexbridge/bridge"
)

// traced is an API of which nothing is followed, or everything.
func traced(t testing.TB, on bool, d *desk) (*api.API, *echo.Echo) {
	t.Helper()
	c := config(t)
	if on {
		c.Tracer = sdktrace.NewTracerProvider().Tracer("test")
	}
	a, err := api.New(c, d)
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	a.Register(e)
	return a, e
}

func TestNotToTraceCostsNothing(t *testing.T) {
	for on, want := range map[bool]bool{true: true, false: false} {
		a, e := traced(t, on, &desk{})
		c := e.NewContext(httptest.NewRequest(http.MethodGet, "/", nil), nil)
		c.SetPath("/replies/:username")
		n := testing.AllocsPerRun(100, func() { a.TraceExchange(c) })
		if got := n > 0; got != want {
			t.Errorf("with tracing %v an exchange costs %v allocations", on, n)
		}
	}
}

func BenchmarkExchange(b *testing.B) {
	for _, on := range []bool{false, true} {
		b.Run(fmt.Sprintf("traced=%v", on), func(b *testing.B) {
			_, e := traced(b, on, &desk{answer: bridge.Answer{Status: bridge.Pending, Agent: bridge.AgentWaiting}})
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/replies/"+username+"?wait=0", nil))
				if w.Code != http.StatusOK {
					b.Fatalf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
}
