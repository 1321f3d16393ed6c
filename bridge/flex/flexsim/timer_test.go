package flexsim_test

import (
	"net/url"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
)

// TestTimers: from active to inactive, from which a message leads back, and to closed.
func TestTimers(t *testing.T) {
	a := newAccount(t)
	made := a.must("POST", "/v1/Conversations", url.Values{"State": {"active"}, "Timers.Inactive": {"PT1H30M"}, "Timers.Closed": {"P1DT1S"}})
	sid := made["sid"].(string)
	path := "/v1/Conversations/" + sid
	created, err := time.Parse(time.RFC3339, made["date_created"].(string))
	if err != nil {
		t.Fatal(err)
	}
	for name, after := range map[string]time.Duration{"date_inactive": 90 * time.Minute, "date_closed": 24*time.Hour + time.Second} {
		if got, want := made["timers"].(map[string]any)[name], created.Add(after).Format(time.RFC3339); got != want {
			t.Errorf("%s is %v, want %s", name, got, want)
		}
	}
	state := func(want string) {
		t.Helper()
		if c, _ := a.Conversation(sid); c.State != want {
			t.Errorf("the conversation is %s, want %s", c.State, want)
		}
	}
	for _, step := range []struct {
		then func() error
		want string
	}{
		{func() error { return a.FireTimer(sid) }, flexsim.Inactive},
		{func() error { a.say(path, "still here"); return nil }, flexsim.Active},
		{func() error { return a.FireTimer(sid) }, flexsim.Inactive},
		{func() error { return a.FireTimer(sid) }, flexsim.Closed},
	} {
		if err := step.then(); err != nil {
			t.Fatal(err)
		}
		state(step.want)
	}
	if err := a.FireTimer(sid); err == nil {
		t.Error("a timer fires in a closed conversation")
	}
	without, _ := a.open()
	if err := a.FireTimer(without); err == nil {
		t.Error("a timer fires that was never set")
	}
}
