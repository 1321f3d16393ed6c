package flexsim_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
)

// bodies are the texts of the messages that webhooks told of, in order.
func (a *account) bodies() string {
	a.t.Helper()
	var all []string
	for _, w := range a.webhooks() {
		all = append(all, w.form.Get("Body"))
	}
	return strings.Join(all, " ")
}

func TestWebhookFaults(t *testing.T) {
	a := newAccount(t)
	_, path := a.open("onMessageAdded")
	says := func(text string) func(flexsim.Webhook) bool {
		return func(w flexsim.Webhook) bool { return w.Form.Get("Body") == text }
	}
	hold := make(chan struct{})
	a.BreakWebhooks(says("lost"), 1, flexsim.WebhookFault{Lose: true})
	a.BreakWebhooks(says("twice"), -1, flexsim.WebhookFault{Copies: 1})
	a.BreakWebhooks(says("late"), 1, flexsim.WebhookFault{Hold: hold, Delay: time.Millisecond})
	a.say(path, "lost")
	a.say(path, "late")
	a.say(path, "twice")
	if err := a.Until(within(t), func() bool { return len(a.Webhooks()) == 3 }); err != nil {
		t.Fatal(err)
	}
	close(hold)
	if got, want := a.bodies(), "twice twice late"; got != want {
		t.Errorf("webhooks are %q, want %q", got, want)
	}
	for _, d := range a.Webhooks() {
		if lost := d.Form.Get("Body") == "lost"; d.Lost != lost || (d.Status == 0) != lost {
			t.Errorf("delivery is %+v", d)
		}
	}
	a.say(path, "lost")
	if got, want := a.bodies(), "twice twice late lost"; got != want {
		t.Errorf("webhooks are %q, want %q", got, want)
	}
}

func TestReverseWebhooks(t *testing.T) {
	a := newAccount(t)
	_, path := a.open("onMessageAdded")
	a.ReverseWebhooks(nil, 3)
	for _, text := range []string{"1", "2"} {
		a.say(path, text)
	}
	if got := a.bodies(); got != "" {
		t.Errorf("webhooks are %q before the third, want none", got)
	}
	a.say(path, "3")
	if got, want := a.bodies(), "3 2 1"; got != want {
		t.Errorf("webhooks are %q, want %q", got, want)
	}
	a.ReverseWebhooks(nil, 2)
	a.say(path, "4")
	a.Mend()
	a.say(path, "5")
	if got, want := a.bodies(), "3 2 1 5"; got != want {
		t.Errorf("webhooks are %q, want %q", got, want)
	}
}

func TestWebhooksAreNotRepeated(t *testing.T) {
	a := newAccount(t)
	sid, path := a.open("onMessageAdded")
	a.hook.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	a.say(path, "refused")
	a.webhooks()
	a.hook.Close()
	if _, err := a.Agent("ann@example.com").Say(sid, "nobody listens"); err != nil {
		t.Fatal(err)
	}
	a.webhooks()
	all := a.Webhooks()
	if len(all) != 2 || all[0].Status != 503 || all[1].Status != 0 || all[1].Err == nil {
		t.Errorf("deliveries are %+v", all)
	}
}

func TestCloseEndsWhatIsHeld(t *testing.T) {
	a := newAccount(t)
	_, path := a.open("onMessageAdded")
	a.BreakWebhooks(nil, -1, flexsim.WebhookFault{Hold: make(chan struct{})})
	a.say(path, "held")
	a.Close()
	a.say(path, "after the end")
	if n := len(a.webhooks()); n != 0 {
		t.Errorf("%d webhooks, want none", n)
	}
}

func TestRESTFaults(t *testing.T) {
	a := newAccount(t)
	sid, path := a.open()
	send := func() (*http.Response, string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.rest.URL+path+"/Messages", strings.NewReader("Body=x"))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(flexsim.AccountSID, flexsim.AuthToken)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, "", err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		return res, string(text), err
	}
	for i, row := range []struct {
		name   string
		fault  flexsim.Fault
		status int // 0: no answer
		text   string
		said   int
	}{
		{"none", flexsim.Fault{}, 201, `"sid":"IM`, 1},
		{"slow", flexsim.Fault{Delay: time.Millisecond}, 201, `"sid":"IM`, 1},
		{"slow afterwards", flexsim.Fault{Delay: time.Millisecond, Late: true}, 201, `"sid":"IM`, 1},
		{"429", flexsim.Fault{Status: 429, RetryAfter: 2}, 429, `"code":20429`, 0},
		{"500", flexsim.Fault{Status: 500}, 500, `"code":500`, 0},
		{"500 afterwards", flexsim.Fault{Status: 500, Late: true}, 500, `"code":500`, 1},
		{"page", flexsim.Fault{Status: 502, HTML: true}, 502, "<h1>502 Bad Gateway</h1>", 0},
		{"cut", flexsim.Fault{Cut: true}, 0, "", 0},
		{"cut afterwards", flexsim.Fault{Cut: true, Late: true}, 0, "", 1},
	} {
		before, _ := a.Conversation(sid)
		a.Break(flexsim.ListMessages, 1, flexsim.Fault{Cut: true}) // of another operation
		a.Break([]flexsim.Op{flexsim.CreateMessage, flexsim.AnyOp}[i%2], 1, row.fault)
		res, text, err := send()
		switch {
		case row.status == 0:
			if err == nil {
				t.Errorf("%s: %s, want no answer", row.name, res.Status)
			}
		case err != nil:
			t.Errorf("%s: %v", row.name, err)
		case res.StatusCode != row.status || !strings.Contains(text, row.text):
			t.Errorf("%s: %s %s, want %d with %s", row.name, res.Status, text, row.status, row.text)
		case row.fault.RetryAfter != 0 && res.Header.Get("Retry-After") != "2":
			t.Errorf("%s: Retry-After is %q, want 2", row.name, res.Header.Get("Retry-After"))
		}
		after, _ := a.Conversation(sid)
		if said := len(after.Messages) - len(before.Messages); said != row.said {
			t.Errorf("%s: %d messages were said, want %d", row.name, said, row.said)
		}
		calls := a.Calls()
		if got := calls[len(calls)-1].Status; got != row.status {
			t.Errorf("%s: status %d was recorded, want %d", row.name, got, row.status)
		}
		a.Mend()
	}
}
