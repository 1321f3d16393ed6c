package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	"flexbridge/api"
	"flexbridge/bridge"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(bothWays{m}) }

// bothWays runs all tests twice: with requests that are parked at once, and with some
// that hardly ever are.
type bothWays struct{ *testing.M }

var parkAfter time.Duration // see api.Config

func (m bothWays) Run() int {
	failed := m.M.Run()
	parkAfter = time.Nanosecond
	return max(failed, m.M.Run())
}

const (
	public   = "https://bridge.example.com"
	username = "k7Wq2mXz9pLd4RtB"
)

// call is what an Asker was asked.
type call struct {
	verb     string
	question bridge.Question
}

// desk is an Asker that answers at once, or does what do says.
type desk struct {
	answer bridge.Answer
	err    error
	do     func(context.Context, call) (bridge.Answer, error)

	mu    sync.Mutex
	calls []call
}

func (d *desk) called(ctx context.Context, c call) (bridge.Answer, error) {
	d.mu.Lock()
	d.calls = append(d.calls, c)
	d.mu.Unlock()
	if d.do != nil {
		return d.do(ctx, c)
	}
	return d.answer, d.err
}

func (d *desk) Ask(ctx context.Context, q bridge.Question) (bridge.Answer, error) {
	return d.called(ctx, call{"ask", q})
}

func (d *desk) AskThen(ctx context.Context, q bridge.Question, over func(bridge.Answer, error)) {
	over(d.Ask(ctx, q))
}

func (d *desk) AwaitThen(ctx context.Context, c bridge.Customer, after bridge.Cursor, deadline time.Time, over func(bridge.Answer, error)) {
	over(d.Await(ctx, c, after, deadline))
}

func (d *desk) Await(ctx context.Context, c bridge.Customer, after bridge.Cursor, deadline time.Time) (bridge.Answer, error) {
	return d.called(ctx, call{"await", bridge.Question{Customer: c, After: after, Deadline: deadline}})
}

func (d *desk) End(ctx context.Context, c bridge.Customer, after bridge.Cursor) (bridge.Answer, error) {
	return d.called(ctx, call{"end", bridge.Question{Customer: c, After: after}})
}

func config(t testing.TB) api.Config {
	t.Helper()
	keys, err := bridge.NewKeyring([]byte(strings.Repeat("k", bridge.MinSecret)))
	if err != nil {
		t.Fatal(err)
	}
	return api.Config{PublicURL: public, Keys: keys, Auth: api.NoAuth(), Contact: "desk@example.com", Version: "1.2.3", ParkAfter: parkAfter}
}

// logTo makes the log readable, debug lines and all.
func logTo(cfg *api.Config) *bytes.Buffer {
	var log bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return &log
}

func newServer(t testing.TB, cfg api.Config, d api.Asker) *echo.Echo {
	t.Helper()
	a, err := api.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	a.Register(e)
	return e
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// request is a call as a client makes it; a body is JSON.
func request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// onWritten puts a hook where the bridge has its own, which nothing but the
// bridge can set.
func onWritten(a bridge.Answer, f func()) bridge.Answer {
	field := reflect.ValueOf(&a).Elem().FieldByName("written")
	*(*func())(unsafe.Pointer(field.UnsafeAddr())) = f
	return a
}

var (
	cursor  = bridge.At(0, "CH00000000000000000000000000000001", 3)
	sent    = time.Date(2026, 11, 22, 10, 0, 0, 886e6, time.UTC)
	replied = bridge.Answer{Status: bridge.Replied, Agent: bridge.AgentJoined, Cursor: cursor, Messages: []bridge.Message{
		{SID: "IM1", Index: 1, Kind: bridge.Automatic, Author: "system", Text: "An agent will be with you.", SentAt: sent},
		{SID: "IM3", Index: 3, Kind: bridge.FromAgent, Author: "Ana", Text: "Olá <b>& 😀", SentAt: sent.In(time.FixedZone("", 3600)),
			Media: []bridge.Media{{SID: "ME1", Name: "a.pdf", Type: "application/pdf", Size: 1234}, {SID: "ME2"}}},
	}}
)

// answers are every situation an answer can be in.
var answers = map[string]bridge.Answer{
	"replied":          replied,
	"replied_more":     {Status: bridge.Replied, Agent: bridge.AgentJoined, Cursor: cursor, More: true, Messages: replied.Messages[:1]},
	"pending_waiting":  {Status: bridge.Pending, Agent: bridge.AgentWaiting, Cursor: bridge.At(1, "CH1", -1)},
	"pending_joined":   {Status: bridge.Pending, Agent: bridge.AgentJoined, Cursor: cursor},
	"pending_left":     {Status: bridge.Pending, Agent: bridge.AgentLeft, Cursor: cursor, WaitingSince: sent},
	"pending_since":    {Status: bridge.Pending, Agent: bridge.AgentWaiting, Cursor: cursor, WaitingSince: sent.In(time.FixedZone("", 3600))},
	"pending_offshift": {Status: bridge.Pending, Agent: bridge.AgentWaiting, Cursor: cursor, WaitingSince: sent, OffShift: true},
	"pending_messages": {Status: bridge.Pending, Agent: bridge.AgentWaiting, Cursor: cursor, Messages: replied.Messages[:1]},
	"pending_opening":  {Status: bridge.Pending},
	"closed":           {Status: bridge.Closed, Agent: bridge.AgentLeft, Cursor: cursor},
	"closed_never":     {Status: bridge.Closed},
	"unavailable":      {Status: bridge.Unavailable, Agent: bridge.AgentWaiting, Cursor: cursor},
}

// As the caller sees them.
func TestAnswers(t *testing.T) {
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			w := serve(newServer(t, config(t), &desk{answer: answer}), request("GET", "/replies/"+username, ""))
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("GET = %d %v, want 200, JSON that is not stored", w.Code, w.Header())
			}
			var out bytes.Buffer
			if err := json.Indent(&out, w.Body.Bytes(), "", "  "); err != nil {
				t.Fatal(err)
			}
			compare(t, "answer_"+name+".json", out.String()+"\n")
		})
	}
}

// What a request says is what the bridge is asked.
func TestAsks(t *testing.T) {
	cfg := config(t)
	customer := cfg.Keys.Customer("username", username)
	after := cursor.String()
	byAPI := bridge.About{Channel: bridge.ByAPI}
	about := bridge.About{Channel: bridge.ByAPI, Locale: "pt-BR", Context: map[string]string{"topic": "returns", "empty": ""}}
	rows := map[string]struct {
		method, target, body string
		verb                 string
		want                 bridge.Question
		wait                 time.Duration
	}{
		"send": {"POST", "/send/" + username, `{"msg":" hi\n"}`, "ask",
			bridge.Question{Customer: customer, Text: " hi\n", About: byAPI}, 40 * time.Second},
		"send with all": {"POST", "/send/" + username, `{"wait":20,"key":"k 1~","after":"` + after + `","msg":"h\u00e9 \ud83d\ude00","locale":"PT-br","context":{"topic":"re\u202eturns","none":null,"empty":""}}`, "ask",
			bridge.Question{Customer: customer, Text: "hé 😀", After: cursor, Key: "k 1~", About: about}, 20 * time.Second},
		"send with nulls": {"POST", "/send/" + username, `{"msg":"hi","after":null,"key":null,"wait":null,"context":null,"locale":null}`, "ask",
			bridge.Question{Customer: customer, Text: "hi", About: byAPI}, 40 * time.Second},
		"send the longest": {"POST", "/send/" + username, `{"msg":"` + strings.Repeat("é", api.MaxText) + `","wait":300}`, "ask",
			bridge.Question{Customer: customer, Text: strings.Repeat("é", api.MaxText), About: byAPI}, 40 * time.Second},
		"send without waiting": {"POST", "/send/" + username, `{"msg":"hi","after":"","wait":0,"locale":"","context":{}}`, "ask",
			bridge.Question{Customer: customer, Text: "hi", About: byAPI}, 0},
		"send in a language nobody registered": {"POST", "/send/" + username, `{"msg":"hi","locale":"qq-Qqqq"}`, "ask",
			bridge.Question{Customer: customer, Text: "hi", About: bridge.About{Channel: bridge.ByAPI, Locale: "qq-Qqqq"}}, 40 * time.Second},
		"replies": {"GET", "/replies/" + username, "", "await",
			bridge.Question{Customer: customer}, 40 * time.Second},
		"replies with all": {"GET", "/replies/" + username + "?wait=7&after=" + after, "", "await",
			bridge.Question{Customer: customer, After: cursor}, 7 * time.Second},
		"replies after nothing": {"GET", "/replies/" + username + "?after=&wait=300", "", "await",
			bridge.Question{Customer: customer}, 40 * time.Second},
		"end":           {"POST", "/end/" + username, "", "end", bridge.Question{Customer: customer}, 0},
		"end of object": {"POST", "/end/" + username, "{}", "end", bridge.Question{Customer: customer}, 0},
		"end with all": {"POST", "/end/" + username, `{"after":"` + after + `"}`, "end",
			bridge.Question{Customer: customer, After: cursor}, 0},
		"escaped username": {"GET", "/replies/%6B7Wq2mXz9pLd4Rt~?wait=0", "", "await",
			bridge.Question{Customer: cfg.Keys.Customer("username", "k7Wq2mXz9pLd4Rt~")}, 0},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			d := &desk{answer: replied}
			before := time.Now()
			w := serve(newServer(t, cfg, d), request(row.method, row.target, row.body))
			if w.Code != http.StatusOK || len(d.calls) != 1 || d.calls[0].verb != row.verb {
				t.Fatalf("%s %s = %d %s, calls %v, want 200 and one %s", row.method, row.target, w.Code, w.Body, d.calls, row.verb)
			}
			got := d.calls[0].question
			if row.verb != "end" {
				if from := before.Add(row.wait); got.Deadline.Before(from) || got.Deadline.After(from.Add(time.Second)) {
					t.Errorf("Deadline = %v after the arrival, want %v", got.Deadline.Sub(before), row.wait)
				}
				got.Deadline = time.Time{}
			}
			if !reflect.DeepEqual(got, row.want) {
				t.Errorf("%s = %+v, want %+v", row.verb, got, row.want)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	rows := map[string]func(*api.Config){
		"no public URL":         func(c *api.Config) { c.PublicURL = "" },
		"no scheme":             func(c *api.Config) { c.PublicURL = "bridge.example.com" },
		"no host":               func(c *api.Config) { c.PublicURL = "https:///x" },
		"other scheme":          func(c *api.Config) { c.PublicURL = "ftp://bridge.example.com" },
		"a slash":               func(c *api.Config) { c.PublicURL = public + "/" },
		"a query":               func(c *api.Config) { c.PublicURL = public + "?a=b" },
		"a fragment":            func(c *api.Config) { c.PublicURL = public + "#a" },
		"a password":            func(c *api.Config) { c.PublicURL = "https://u:p@bridge.example.com" },
		"a quote":               func(c *api.Config) { c.PublicURL = public + "/\"\nx: y" },
		"limits and no limiter": func(c *api.Config) { c.QuestionsPerCaller = 1 },
		"no keys":               func(c *api.Config) { c.Keys = nil },
	}
	for name, change := range rows {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			change(&cfg)
			if a, err := api.New(cfg, &desk{}); err == nil || a != nil {
				t.Errorf("New = %v, %v, want an error", a, err)
			}
		})
	}
}
