package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store"
	"flexbridge/store/storetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(processVariable) != "" {
		beProcess()
	}
	// go-redis's pool, when its server was gone, ends up to a second after its Close.
	dials := goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")
	goleak.VerifyTestMain(m, dials, goleak.Cleanup(func(code int) {
		http.DefaultClient.CloseIdleConnections()
		os.Exit(code)
	}))
}

// world is a pretend Twilio with replicas of the real service around it.
type world struct {
	t      *testing.T
	twilio *flexsim.Sim
	rest   *httptest.Server
	agent  *flexsim.Agent
	redis  *storetest.Server // nil: every replica has its own memory

	redisURL string           // instead of redis's own
	tune     []func(*timings) // of every replica
	log      *slog.Logger     // of every replica; nil: shown with the test
}

func newWorld(t *testing.T, redis *storetest.Server, account flexsim.Config) *world {
	t.Helper()
	account.RoutingDelay = 50 * time.Millisecond
	account.OnCall = heldToOpenAPI(t)
	w := &world{t: t, twilio: flexsim.New(account), redis: redis}
	w.tune = append(w.tune, func(t *timings) {
		t.store.Linger = 100 * time.Millisecond // see atRest
		t.park = time.Nanosecond                // whoever waits is parked, also for a moment
	})
	w.rest = httptest.NewServer(w.twilio)
	w.agent = w.twilio.Agent("ana.lopez@example.com")
	t.Cleanup(func() {
		w.twilio.Close()
		w.rest.Close()
	})
	return w
}

// replica is one running service.
type replica struct {
	*service
	url     string
	stop    func() error // drains, and waits for the end; may be called twice
	stopped <-chan struct{}
}

// redisAt is the URL under which replicas find Redis.
func (w *world) redisAt() Secret {
	if w.redisURL == "" && w.redis != nil {
		return Secret(w.redis.URL)
	}
	return Secret(w.redisURL)
}

// start runs a replica whose webhooks go to hooks, or to itself if that is nil.
func (w *world) start(hooks *replica, change ...func(*Config)) *replica {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	r := &replica{url: "http://" + listener.Addr().String()}
	c := testConfig(r.url)
	c.APIURL = w.rest.URL
	if hooks != nil {
		c.PublicURL = hooks.url
	}
	c.RedisURL = w.redisAt()
	for _, f := range change {
		f(&c)
	}
	if err := c.Validate(); err != nil {
		w.t.Fatal(err)
	}
	if r.service, err = newService(w.t.Context(), c, cmp.Or(w.log, testLogger(w.t)), w.tune...); err != nil {
		w.t.Fatal(err)
	}
	if err := r.operate(); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	r.stopped = stopped
	go func() {
		defer close(stopped)
		err = r.run(ctx, listener)
	}()
	r.stop = func() error {
		cancel()
		<-stopped
		return err
	}
	w.t.Cleanup(func() {
		w.atRest(r)
		// A server that stops gives connections over which nothing came yet five seconds.
		w.twilio.Close()
		http.DefaultClient.CloseIdleConnections()
		if err := r.stop(); err != nil {
			w.t.Errorf("stopping: %v", err)
		}
	})
	return r
}

// atRest holds that a replica has nobody parked and watches nothing any more.
func (w *world) atRest(r *replica) {
	select {
	case <-r.stopped:
		return
	default:
	}
	w.until(func() bool { return r.bridge.Parked() == 0 })
	if redis, ok := r.mail.(*store.Redis); ok {
		w.until(func() bool { return redis.Stats().Channels <= 1 }) // the probe's own
	}
}

func testConfig(publicURL string) Config {
	c := Config{
		ListenAddr: "127.0.0.1:0", PublicURL: publicURL,
		AccountSID: flexsim.AccountSID, AuthToken: flexsim.AuthToken,
		WebhookScope: "conversation", WebhookVerify: "enforce", IdentitySecret: Secret(strings.Repeat("s", 32)), AuthMode: "none",
		Wait: 40 * time.Second, MCPWait: 50 * time.Second, MaxParked: 20_000, LooksPerSecond: 10_000, Retention: time.Hour,
		MediaLinks: time.Hour, LogFormat: "text", InactiveAfter: time.Hour, ClosedAfter: 24 * time.Hour,
	}
	routes[*routeFlag](&c)
	return c
}

// testLogger shows what is logged when a test fails, or with -v.
func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// answer is what callers get: the one shape, or a problem document.
type answer struct {
	HTTP     int `json:"-"`
	Status   any
	Messages []struct {
		ID, Kind, Author, Text string
		Media                  []struct {
			Name, Type, URL string
			Size            int64
		}
	}
	Cursor string
	Agent  string
	Next   string
	Since  string `json:"waiting_since"`
	Code   string
	Detail string
	Field  string

	RetryAfter string      `json:"-"`
	Header     http.Header `json:"-"`
}

func (a answer) texts() string {
	var texts []string
	for _, m := range a.Messages {
		texts = append(texts, m.Text)
	}
	return strings.Join(texts, "|")
}

func username(name string) string { return name + "-0123456789abcdef" }

// send asks, and waits for the answer.
func (r *replica) send(ctx context.Context, name string, body map[string]any) (answer, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return answer{}, err
	}
	return call(ctx, http.MethodPost, r.url+"/send/"+username(name), text)
}

func (r *replica) replies(ctx context.Context, name, after string, wait int) (answer, error) {
	query := url.Values{"after": {after}, "wait": {fmt.Sprint(wait)}}
	return call(ctx, http.MethodGet, r.url+"/replies/"+username(name)+"?"+query.Encode(), nil)
}

func (r *replica) end(ctx context.Context, name, after string) (answer, error) {
	text, err := json.Marshal(map[string]string{"after": after})
	if err != nil {
		return answer{}, err
	}
	return call(ctx, http.MethodPost, r.url+"/end/"+username(name), text)
}

// call is a request, with an Authorization header if one is given.
func call(ctx context.Context, method, address string, body []byte, authorization ...string) (a answer, err error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, value := range authorization {
		req.Header.Add("Authorization", value)
	}
	return sent(req)
}

func sent(req *http.Request) (a answer, err error) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	a.HTTP, a.RetryAfter, a.Header = res.StatusCode, res.Header.Get("Retry-After"), res.Header
	text, err := io.ReadAll(res.Body)
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &a)
	}
	return a, err
}

// result is an answer that is still to come.
type result struct {
	answer
	err  error
	took time.Duration
}

func later(f func() (answer, error)) <-chan result {
	c := make(chan result, 1)
	go func() {
		start := time.Now()
		a, err := f()
		c <- result{a, err, time.Since(start)}
	}()
	return c
}

// asking sends in the background, after a cursor if there is one.
func (w *world) asking(r *replica, name, text string, after ...string) <-chan result {
	body := map[string]any{"msg": text}
	if len(after) > 0 {
		body["after"] = after[0]
	}
	return later(func() (answer, error) { return r.send(w.t.Context(), name, body) })
}

// until waits for something to have happened. At Twilio that is seen at once,
// elsewhere soon.
func (w *world) until(condition func() bool) {
	w.t.Helper()
	late := time.Now().Add(20 * time.Second)
	for time.Now().Before(late) {
		soon, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		err := w.twilio.Until(soon, condition)
		cancel()
		if err == nil {
			return
		}
	}
	w.t.Fatal("it did not happen within 20 seconds")
}

// asked waits until an agent sees the question, and returns its conversation.
func (w *world) asked(text string) string {
	w.t.Helper()
	var sid string
	w.until(func() bool {
		for _, c := range w.twilio.Conversations() {
			for _, m := range c.Messages {
				if m.Text == text {
					sid = c.SID
				}
			}
		}
		return w.tasks(sid) > 0
	})
	return sid
}

// tasks is how many tasks there are because the conversation was opened.
func (w *world) tasks(conversation string) (n int) {
	for _, task := range w.twilio.Tasks() {
		if task.Conversation == conversation && !task.Returned {
			n++
		}
	}
	return n
}

func (w *world) reply(conversation, text string) {
	w.t.Helper()
	if _, err := w.agent.Say(conversation, text); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) want(got result, status, texts string) answer {
	w.t.Helper()
	if got.err != nil || got.HTTP != http.StatusOK || got.Status != status || got.texts() != texts {
		w.t.Fatalf("answer = %d %v %q %s (%v) after %v, want %s %q", got.HTTP, got.Status, got.texts(), got.Detail, got.err, got.took, status, texts)
	}
	return got.answer
}

func now(a answer, err error) result { return result{answer: a, err: err} }

// parkAtOnce has requests answered long after their handlers have returned, as those
// are that wait for people.
func parkAtOnce(t *timings) { t.park = 1 }
