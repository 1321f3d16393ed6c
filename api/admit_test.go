package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"flexbridge/api"
	"flexbridge/bridge"
)

// purse is a Limiter that never refills.
type purse struct {
	err error

	mu    sync.Mutex
	spent map[string]int
	order []string
}

func (p *purse) Spend(ctx context.Context, budget string, perMinute int) (left int, wait time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := errors.Join(ctx.Err(), p.err); err != nil {
		return 0, 0, err
	}
	p.order = append(p.order, budget)
	if p.spent == nil {
		p.spent = map[string]int{}
	}
	if p.spent[budget] == perMinute {
		return 0, 2100 * time.Millisecond, nil
	}
	p.spent[budget]++
	return perMinute - p.spent[budget], 0, nil
}

func limited(t *testing.T, perCustomer, perCaller int) (api.Config, *purse) {
	cfg, p := config(t), &purse{}
	cfg.Auth, cfg.Limiter, cfg.QuestionsPerCustomer, cfg.QuestionsPerCaller = api.Apps{}, p, perCustomer, perCaller
	return cfg, p
}

const otherName = "another-0123456789"

func TestRateLimits(t *testing.T) {
	send := func(name, app string) *http.Request {
		r := request("POST", "/send/"+name, `{"msg":"hi"}`)
		r.Header.Set(api.AppHeader, app)
		return r
	}
	end := request("POST", "/end/"+username, "")
	end.Header.Set(api.AppHeader, "one")
	replies := request("GET", "/replies/"+username, "")
	replies.Header.Set(api.AppHeader, "one")

	cfg, p := limited(t, 2, 3)
	d := &desk{answer: replied}
	e := newServer(t, cfg, d)
	const policy = `"customer";q=2;w=60, "caller";q=3;w=60`
	for i, step := range []struct {
		r                  *http.Request
		status             int
		policy, limit, try string
	}{
		{send(username, "one"), 200, policy, `"customer";r=1;t=30, "caller";r=2;t=20`, ""},
		{end, 200, policy, `"customer";r=0;t=30, "caller";r=1;t=20`, ""},
		{send(username, "one"), 429, policy, `"customer";r=0;t=3`, "3"}, // and nothing of the caller's
		{replies, 200, "", "", ""},
		{send(otherName, "one"), 200, policy, `"customer";r=1;t=30, "caller";r=0;t=20`, ""},
		{send(otherName, "one"), 429, policy, `"customer";r=0;t=30, "caller";r=0;t=3`, "3"},
		{send(username, "two"), 200, policy, `"customer";r=1;t=30, "caller";r=2;t=20`, ""}, // another's customer
		{request("POST", "/send/"+username, `{"msg":""}`), 400, "", "", ""},                // spends nothing
	} {
		calls := len(d.calls)
		w := serve(e, step.r)
		h := w.Header()
		if w.Code != step.status || h.Get("RateLimit-Policy") != step.policy || h.Get("RateLimit") != step.limit || h.Get("Retry-After") != step.try {
			t.Fatalf("step %d = %d %s %v, want %d, %q, %q, %q", i, w.Code, w.Body, h, step.status, step.policy, step.limit, step.try)
		}
		if asked := len(d.calls) > calls; asked != (step.status == 200) {
			t.Errorf("step %d: the bridge was asked: %v", i, asked)
		}
		if step.status == 429 {
			if p := asProblem(t, w.Code, h, w.Body.Bytes()); p.Code != "rate_limited" {
				t.Errorf("step %d = %+v, want rate_limited", i, p)
			}
		}
	}
	// No budget has a name that somebody chose.
	for _, budget := range p.order {
		if _, ours := bridge.CustomerOf("flexbridge-" + budget); !ours {
			t.Errorf("a budget is called %q", budget)
		}
	}
}

// Without authentication everybody is one caller.
func TestMadeUpNamesShareABudget(t *testing.T) {
	cfg, _ := limited(t, 0, 1)
	cfg.Auth = api.NoAuth()
	e := newServer(t, cfg, &desk{answer: replied})
	first := serve(e, request("POST", "/send/"+username, `{"msg":"hi"}`))
	if got := first.Header().Get("RateLimit"); first.Code != 200 || got != `"caller";r=0;t=60` {
		t.Errorf("POST = %d, RateLimit %q, want 200 and the caller's alone", first.Code, got)
	}
	if second := serve(e, request("POST", "/send/"+otherName, `{"msg":"hi"}`)); second.Code != 429 {
		t.Errorf("POST = %d under another name, want 429", second.Code)
	}
}

func TestLimiterFails(t *testing.T) {
	cfg, p := limited(t, 1, 1)
	p.err = errors.New("no connection")
	d := &desk{answer: replied}
	e := newServer(t, cfg, d)
	w := serve(e, request("POST", "/send/"+username, `{"msg":"hi"}`))
	if got := asProblem(t, w.Code, w.Header(), w.Body.Bytes()); w.Code != 503 || got.Code != "mailbox_unavailable" || len(d.calls) != 0 {
		t.Errorf("POST = %d %s, %d calls, want 503 mailbox_unavailable", w.Code, w.Body, len(d.calls))
	}
	draining, drain := context.WithCancelCause(t.Context())
	drain(bridge.ErrDraining)
	w = serve(e, request("POST", "/send/"+username, `{"msg":"hi"}`).WithContext(draining))
	if got := asProblem(t, w.Code, w.Header(), w.Body.Bytes()); w.Code != 503 || got.Code != "draining" {
		t.Errorf("POST = %d %s while draining, want 503 draining", w.Code, w.Body)
	}
}

func TestUnlimited(t *testing.T) {
	w := serve(newServer(t, config(t), &desk{answer: replied}), request("POST", "/send/"+username, `{"msg":"hi"}`))
	if h := w.Header(); w.Code != 200 || h.Get("RateLimit") != "" || h.Get("RateLimit-Policy") != "" {
		t.Errorf("POST = %d %v, want 200 without limits", w.Code, h)
	}
}

// Scripts in a browser may read the limits.
func TestLimitsAreExposed(t *testing.T) {
	r := request("POST", "/send/"+username, `{"msg":"hi"}`)
	r.Header.Set("Origin", "https://chatgpt.com")
	w := serve(newServer(t, config(t), &desk{answer: replied}), r)
	if got, want := w.Header().Get("Access-Control-Expose-Headers"), "Retry-After,RateLimit-Policy,RateLimit,X-Request-Id"; got != want {
		t.Errorf("Access-Control-Expose-Headers = %q, want %q", got, want)
	}
}

// One application has so many places, whatever it waits for, and each is given
// back however its request ends.
func TestTooManyWaiting(t *testing.T) {
	cfg := config(t)
	cfg.Auth, cfg.MaxParkedPerCaller = api.Apps{}, 3
	parked, release := make(chan struct{}), make(chan func() (bridge.Answer, error))
	wait := func(context.Context, call) (bridge.Answer, error) {
		parked <- struct{}{}
		return (<-release)()
	}
	e := newServer(t, cfg, &desk{do: wait})
	calls := func(app string) (all []*http.Request) {
		all = []*http.Request{
			request("POST", "/send/"+username, `{"msg":"hi"}`),
			request("GET", "/replies/"+username, ""),
			request("POST", "/end/"+username, ""),
		}
		for _, r := range all {
			r.Header.Set(api.AppHeader, app)
		}
		return all
	}
	served := make(chan *httptest.ResponseRecorder)
	park := func(r *http.Request) {
		go func() { served <- serve(e, r) }()
		<-parked
	}
	for range 2 { // all places are there again for the second round
		for _, r := range calls("one") {
			park(r)
		}
		for _, r := range calls("one") {
			w := serve(e, r)
			if p := asProblem(t, w.Code, w.Header(), w.Body.Bytes()); w.Code != 429 || p.Code != "too_many_waiting" || w.Header().Get("Retry-After") == "" {
				t.Errorf("%s %s = %d %s, want 429 too_many_waiting", r.Method, r.URL, w.Code, w.Body)
			}
		}
		park(calls("two")[0]) // has places of its own
		for _, end := range []func() (bridge.Answer, error){
			func() (bridge.Answer, error) { return replied, nil },
			func() (bridge.Answer, error) { return bridge.Answer{}, bridge.ErrDeskRefused },
			func() (bridge.Answer, error) { panic("a bug") },
			func() (bridge.Answer, error) { return replied, nil },
		} {
			release <- end
			<-served
		}
	}
	// Who has no name is nobody's fourth.
	for range 4 {
		park(calls("")[1])
	}
	for range 4 {
		release <- func() (bridge.Answer, error) { return replied, nil }
		if w := <-served; w.Code != 200 {
			t.Errorf("GET without a name = %d, want 200", w.Code)
		}
	}
}

// What finds no place spends nothing.
func TestNoPlaceSpendsNothing(t *testing.T) {
	cfg, p := limited(t, 5, 5)
	cfg.MaxParkedPerCaller = 1
	d := &desk{}
	e := newServer(t, cfg, d)
	ask := func() *httptest.ResponseRecorder {
		r := request("POST", "/send/"+username, `{"msg":"hi"}`)
		r.Header.Set(api.AppHeader, "one")
		return serve(e, r)
	}
	d.do = func(context.Context, call) (bridge.Answer, error) {
		before := len(p.order)
		if w := ask(); w.Code != 429 || len(p.order) != before {
			t.Errorf("a second POST = %d and spent %d, want 429 and nothing", w.Code, len(p.order)-before)
		}
		return replied, nil
	}
	if w := ask(); w.Code != 200 || len(p.order) != 2 {
		t.Errorf("POST = %d and spent %d, want 200 and both budgets", w.Code, len(p.order))
	}
}
