package flexsim_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twilio/twilio-go/client"

	"flexbridge/bridge/flex/flexsim"
)

func TestSign(t *testing.T) {
	for _, row := range []struct{ token, url, form, want string }{
		// The example of "Webhooks Security", twilio.com/docs/usage/webhooks/webhooks-security.
		{"12345", "https://example.com/myapp.php?foo=1&bar=2",
			"CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310&To=%2B18005551212",
			"L/OH5YylLD5NRKLltdqwSvS0BnU="},
		{"test_auth_token", "https://bridge.example.com/twilio/events?tenant=a%20b",
			"Author=ann_2Eveal_40example_2Ecom&Body=hi+%2B+caf%C3%A9+%26+more+&ConversationSid=CH00000000000000000000000000000001&EventType=onMessageAdded&Index=0&Source=SDK",
			"glG/3+uKA+sc2XbNFLTKlGpZNkc="},
		{"12345", "https://user:password@example.com/myapp.php?foo=1&bar=2#rc=2",
			"CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310&To=%2B18005551212",
			"L/OH5YylLD5NRKLltdqwSvS0BnU="},
	} {
		form, err := url.ParseQuery(row.form)
		if err != nil {
			t.Fatal(err)
		}
		if got := flexsim.Sign(row.token, row.url, form); got != row.want {
			t.Errorf("Sign(%s) = %s, want %s", row.url, got, row.want)
		}
	}
}

var allEvents = []string{"onMessageAdded", "onConversationStateUpdated", "onConversationUpdated",
	"onConversationRemoved", "onParticipantAdded", "onParticipantRemoved"}

// The parameters of each event, besides AccountSid, EventType and Source.
func TestEventParameters(t *testing.T) {
	a := newAccount(t)
	sid, path := a.open(allEvents...)
	ann := a.Agent("ann.veal@example.com")
	const (
		message     = "Attributes Author ConversationSid DateCreated Index MessageSid MessagingServiceSid ParticipantSid"
		participant = "Attributes ConversationSid DateCreated Identity MessagingBinding.Type ParticipantSid RoleSid"
		state       = "ChatServiceSid ConversationSid MessagingServiceSid Reason StateFrom StateTo StateUpdated"
	)
	for _, row := range []struct {
		what   string
		act    func() error
		params string
		want   map[string]string
	}{
		{"the customer's message", func() error { a.say(path, "hello & more "); return nil }, message + " Body",
			map[string]string{"EventType": "onMessageAdded", "Source": "API", "Index": "0", "Body": "hello & more ", "Author": customer, "Attributes": "{}"}},
		{"an agent who joins", func() error { return ann.Join(sid) }, participant + " ClientIdentity",
			map[string]string{"EventType": "onParticipantAdded", "Source": "SDK", "Identity": "ann_2Eveal_40example_2Ecom", "ClientIdentity": "ann_2Eveal_40example_2Ecom"}},
		{"an agent's message", func() error { _, err := ann.Say(sid, "hi"); return err }, message + " Body ClientIdentity",
			map[string]string{"EventType": "onMessageAdded", "Source": "SDK", "Index": "1", "Body": "hi", "Author": ann.Identity(), "ClientIdentity": ann.Identity()}},
		{"an agent's file", func() error { _, err := ann.SendMedia(sid, "a.pdf", "application/pdf", 7); return err }, message + " ClientIdentity Media",
			map[string]string{"Index": "2"}},
		{"a bot's message", func() error { _, err := a.BotSay(sid, "bot", "beep"); return err }, strings.TrimSuffix(message, " ParticipantSid") + " Body",
			map[string]string{"Source": "API", "Author": "bot"}},
		{"an agent who leaves", func() error { return ann.Leave(sid) }, participant + " ClientIdentity DateUpdated DateRemoved",
			map[string]string{"EventType": "onParticipantRemoved", "Source": "SDK", "Identity": ann.Identity()}},
		{"a new name", func() error {
			a.must("POST", path, url.Values{"FriendlyName": {"name"}}, "X-Twilio-Webhook-Enabled", "true")
			return nil
		}, "Attributes ChatServiceSid ConversationSid DateCreated DateUpdated FriendlyName MessagingServiceSid State",
			map[string]string{"EventType": "onConversationUpdated", "FriendlyName": "name"}},
		{"an agent who closes", func() error { return ann.Close(sid) }, state + " ClientIdentity",
			map[string]string{"EventType": "onConversationStateUpdated", "StateFrom": "active", "StateTo": "closed", "Reason": "API"}},
		{"deletion", func() error { a.must("DELETE", path, nil, "X-Twilio-Webhook-Enabled", "true"); return nil },
			"Attributes ChatServiceSid ConversationSid DateCreated DateUpdated DateRemoved FriendlyName MessagingServiceSid State",
			map[string]string{"EventType": "onConversationRemoved", "State": "closed"}},
	} {
		before := len(a.webhooks())
		if err := row.act(); err != nil {
			t.Fatalf("%s: %v", row.what, err)
		}
		all := a.webhooks()
		if len(all) != before+1 {
			t.Errorf("%s: %d webhooks, want 1", row.what, len(all)-before)
			continue
		}
		got := all[before].form
		names := append(strings.Fields(row.params), "AccountSid", "EventType", "Source")
		slices.Sort(names)
		if diff := cmp.Diff(names, slices.Sorted(maps.Keys(got))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.what, diff)
		}
		row.want["ConversationSid"], row.want["AccountSid"] = sid, flexsim.AccountSID
		for name, want := range row.want {
			if got.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", row.what, name, got.Get(name), want)
			}
		}
		for name, values := range got {
			if strings.HasPrefix(name, "Date") || name == "StateUpdated" {
				if _, err := time.Parse("2006-01-02T15:04:05.000Z", values[0]); err != nil {
					t.Errorf("%s: %s: %v", row.what, name, err)
				}
			}
		}
	}
	for _, d := range a.Webhooks() {
		if d.Status != http.StatusNoContent || d.Err != nil || d.Conversation() != sid || d.Event() == "" {
			t.Errorf("delivery is %+v", d)
		}
	}
	file := a.webhooks()[3].form.Get("Media")
	if !strings.Contains(file, `"ContentType":"application/pdf","Filename":"a.pdf","Size":7`) {
		t.Errorf("Media is %s", file)
	}
}

// Signed by the simulator's code, checked by Twilio's.
func TestWebhooksAreSigned(t *testing.T) {
	a := newAccount(t)
	sid, path := a.open("onMessageAdded")
	a.say(path, "héllo & <more> + ")
	w := a.webhooks()[0]
	validator := client.NewRequestValidator(flexsim.AuthToken)
	if !validator.ValidateBody(w.url, []byte(w.body), w.signature) {
		t.Errorf("the signature of %s does not hold", w.url)
	}
	if w.header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("content type is %s", w.header.Get("Content-Type"))
	}
	forged := a.Webhooks()[0].Webhook
	forged.Form = maps.Clone(forged.Form)
	forged.Form.Set("Body", "forged")
	r, err := a.Request(t.Context(), forged)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Twilio-Signature", w.signature)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if w := a.webhooks()[1]; w.form.Get("ConversationSid") != sid || validator.ValidateBody(w.url, []byte(w.body), w.signature) {
		t.Errorf("a forged webhook is valid: %v", w.form)
	}
}

func TestWhatFiresWebhooks(t *testing.T) {
	a := newAccount(t, func(a *account, c *flexsim.Config) {
		c.ServiceHook = flexsim.ServiceHook{URL: a.hook.URL + "/service", Filters: []string{"onMessageAdded", "onConversationAdded"}}
	})
	sid, path := a.open("onMessageAdded")
	a.must("POST", path+"/Messages", url.Values{"Body": {"quiet"}})
	a.must("POST", path+"/Messages", url.Values{"Body": {"quiet"}}, "X-Twilio-Webhook-Enabled", "false")
	if _, err := a.StudioSay(sid, "quiet"); err != nil {
		t.Fatal(err)
	}
	a.must("POST", "/v1/Conversations", url.Values{}, "X-Twilio-Webhook-Enabled", "true")
	a.say(path, "loud")
	if _, err := a.Agent("ann@example.com").Say(sid, "loud"); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, w := range a.webhooks() {
		address, _ := url.Parse(w.url)
		got[address.Path+" "+w.form.Get("EventType")+" "+w.form.Get("Body")]++
	}
	want := map[string]int{
		"/service onConversationAdded ": 1, "/service onMessageAdded loud": 2, "/hook onMessageAdded loud": 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("webhooks (-want +got):\n%s", diff)
	}
}

func TestQuietFlex(t *testing.T) {
	a := newAccount(t, func(_ *account, c *flexsim.Config) { c.QuietFlex = true })
	sid, _ := a.open(allEvents...)
	ann := a.Agent("ann@example.com")
	_, err := ann.Say(sid, "hi")
	for _, err := range []error{err, ann.Leave(sid), ann.Close(sid)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if all := a.webhooks(); len(all) != 1 || all[0].form.Get("Body") != "hi" {
		t.Errorf("webhooks are %v, want the message only", all)
	}
}

func TestDeletedHooksAreSilent(t *testing.T) {
	a := newAccount(t)
	sid, path := a.open("onMessageAdded")
	c, _ := a.Conversation(sid)
	a.must("DELETE", path+"/Webhooks/"+c.Hooks[0].SID, nil)
	a.say(path, "hello")
	if all := a.webhooks(); len(all) != 0 {
		t.Errorf("webhooks are %v, want none", all)
	}
}
