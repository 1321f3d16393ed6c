package flexsim_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbridge/bridge/flex/flexsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const customer = "flexbridge-0123456789abcdef0123456789abcdef"

// account is a Sim, its REST API and a receiver of its webhooks.
type account struct {
	*flexsim.Sim
	t    *testing.T
	rest *httptest.Server
	hook *httptest.Server

	mu       sync.Mutex
	received []received
}

type received struct {
	url       string
	header    http.Header
	body      string
	form      url.Values
	signature string
}

func newAccount(t *testing.T, change ...func(*account, *flexsim.Config)) *account {
	a := &account{t: t}
	a.hook = httptest.NewServer(http.HandlerFunc(a.receive))
	var config flexsim.Config
	for _, f := range change {
		f(a, &config)
	}
	a.Sim = flexsim.New(config)
	a.rest = httptest.NewServer(a.Sim)
	t.Cleanup(func() {
		a.Close()
		a.rest.Close()
		a.hook.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return a
}

func (a *account) receive(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.received = append(a.received, received{
		url: a.hook.URL + r.RequestURI, header: r.Header, body: string(body), form: form,
		signature: r.Header.Get("X-Twilio-Signature"),
	})
	w.WriteHeader(http.StatusNoContent)
}

// webhooks waits until all have been delivered and returns them.
func (a *account) webhooks() []received {
	a.t.Helper()
	if err := a.Wait(within(a.t)); err != nil {
		a.t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]received(nil), a.received...)
}

// call makes a REST call and returns its status and JSON.
func (a *account) call(method, path string, form url.Values, header ...string) (int, map[string]any) {
	a.t.Helper()
	address := a.rest.URL + path
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else if form != nil {
		address += "?" + form.Encode()
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, address, body)
	if err != nil {
		a.t.Fatal(err)
	}
	r.SetBasicAuth(flexsim.AccountSID, flexsim.AuthToken)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	var answer map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			a.t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
	return res.StatusCode, answer
}

// must is a call that succeeds.
func (a *account) must(method, path string, form url.Values, header ...string) map[string]any {
	a.t.Helper()
	status, answer := a.call(method, path, form, header...)
	if status >= 300 {
		a.t.Fatalf("%s %s = %d %v", method, path, status, answer)
	}
	return answer
}

// open makes a conversation with the customer in it, and attaches a webhook for
// the events.
func (a *account) open(events ...string) (sid, path string) {
	a.t.Helper()
	sid = a.must("POST", "/v1/Conversations", url.Values{})["sid"].(string)
	path = "/v1/Conversations/" + sid
	a.must("POST", path+"/Participants", url.Values{"Identity": {customer}})
	if len(events) > 0 {
		a.must("POST", path+"/Webhooks", url.Values{
			"Target": {"webhook"}, "Configuration.Url": {a.hook.URL + "/hook?o=1%202"},
			"Configuration.Method": {"post"}, "Configuration.Filters": events,
		})
	}
	return sid, path
}

func (a *account) say(path, text string) map[string]any {
	a.t.Helper()
	return a.must("POST", path+"/Messages", url.Values{"Author": {customer}, "Body": {text}},
		"X-Twilio-Webhook-Enabled", "true")
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}
