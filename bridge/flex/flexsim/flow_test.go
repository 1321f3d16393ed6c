package flexsim_test

import (
	"context"
	"sync"
	"testing"

	"flexbridge/bridge/flex/flexsim"
)

func TestFlowRaisesOneTask(t *testing.T) {
	tasks := make(chan flexsim.Task, 9)
	a := newAccount(t, func(_ *account, c *flexsim.Config) {
		c.Greeting = "please wait"
		c.OnTask = func(_ context.Context, task flexsim.Task) { tasks <- task }
	})
	sid, path := a.open("onMessageAdded")
	a.must("POST", path+"/Webhooks", studio("FWffffffffffffffffffffffffffffffff"))
	if _, err := a.BotSay(sid, "bot", "no flow of ours is attached yet"); err != nil {
		t.Fatal(err)
	}
	a.must("POST", path+"/Webhooks", studio(flexsim.FlowSID))
	if _, err := a.StudioSay(sid, "not enabled"); err != nil {
		t.Fatal(err)
	}
	if all := a.Tasks(); len(all) != 0 {
		t.Fatalf("tasks are %v, want none yet", all)
	}
	a.say(path, "hello")
	a.say(path, "are you there?")
	a.webhooks()
	all := a.Tasks()
	if len(all) != 1 || all[0].Conversation != sid || all[0].Customer != customer || len(tasks) != 1 || <-tasks != all[0] {
		t.Errorf("tasks are %v, want one, told once", all)
	}
	c, _ := a.Conversation(sid)
	if m := c.Messages[3]; m.Text != "please wait" || m.Index != 3 || m.Author != "Bot" || m.Participant != "" {
		t.Errorf("the greeting is %+v, want it after the first enabled message", m)
	}
	for _, w := range a.webhooks() {
		if w.form.Get("Body") == "please wait" {
			t.Error("the greeting fired a webhook")
		}
	}
}

func TestAutomaticAgent(t *testing.T) {
	var a *account
	a = newAccount(t, func(_ *account, c *flexsim.Config) {
		c.OnMessage = func(_ context.Context, m flexsim.Message) {
			if m.Author == customer {
				_, _ = a.Agent("ann@example.com").Say(m.Conversation, "you said "+m.Text)
			}
		}
	})
	sid, path := a.open("onMessageAdded")
	a.say(path, "hello")
	a.webhooks()
	c, ok := a.Conversation(sid)
	if !ok || len(c.Messages) != 2 || c.Messages[1].Text != "you said hello" || len(c.Participants) != 2 {
		t.Errorf("conversation is %+v", c)
	}
	if all := a.Conversations(); len(all) != 1 || all[0].SID != sid {
		t.Errorf("conversations are %+v", all)
	}
}

func TestConcurrentUse(t *testing.T) {
	a := newAccount(t)
	const callers, each = 8, 10
	var all sync.WaitGroup
	for range callers {
		sid, path := a.open("onMessageAdded")
		a.must("POST", path+"/Webhooks", studio(flexsim.FlowSID))
		all.Go(func() {
			for range each {
				a.say(path, "hello")
				_, _ = a.Agent("ann@example.com").Say(sid, "hi")
				a.must("GET", path+"/Messages", nil)
				_ = a.Conversations()
			}
		})
	}
	all.Wait()
	if n := len(a.webhooks()); n != 2*callers*each {
		t.Errorf("%d webhooks, want %d", n, 2*callers*each)
	}
	if n := len(a.Tasks()); n != callers {
		t.Errorf("%d tasks, want %d", n, callers)
	}
	for _, c := range a.Conversations() {
		for i, m := range c.Messages {
			if m.Index != i {
				t.Errorf("message %d has Index %d", i, m.Index)
			}
		}
	}
}

func TestSerialsMakeDifferentSIDs(t *testing.T) {
	first := newAccount(t)
	second := newAccount(t, func(_ *account, c *flexsim.Config) { c.Serial = 1 << 20 })
	one, _ := first.open()
	other, _ := second.open()
	if one == other || one != "CH00000000000000000000000000000001" {
		t.Errorf("SIDs are %s and %s", one, other)
	}
}

func TestAgentsInClosedConversations(t *testing.T) {
	a := newAccount(t)
	sid, path := a.open()
	ann := a.Agent("ann@example.com")
	if err := ann.Leave(sid); err == nil {
		t.Error("an agent left who was not there")
	}
	a.must("POST", path, map[string][]string{"State": {flexsim.Inactive}})
	a.say(path, "wakes it up")
	if c, _ := a.Conversation(sid); c.State != flexsim.Active {
		t.Errorf("state is %s, want active", c.State)
	}
	if err := ann.Close(sid); err != nil {
		t.Fatal(err)
	}
	_, said := ann.Say(sid, "too late")
	_, nowhere := ann.Say("CH1", "nobody is there")
	for name, err := range map[string]error{"Join": ann.Join(sid), "Close": ann.Close(sid), "Say": said, "Say in none": nowhere} {
		if err == nil {
			t.Errorf("%s succeeded, want an error", name)
		}
	}
}
