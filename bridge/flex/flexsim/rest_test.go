package flexsim_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flexbridge/bridge/flex/flexsim"
)

func TestShapes(t *testing.T) {
	a := newAccount(t)
	sid, path := a.open("onMessageAdded")
	service := "/v1/Services/" + flexsim.ServiceSID + "/Conversations/" + sid
	if _, err := a.Agent("ann@example.com").SendMedia(sid, "a.pdf", "application/pdf", 7); err != nil {
		t.Fatal(err)
	}
	conversation := a.must("GET", path, nil)
	message := a.say(path, "hello")
	participants := a.must("GET", service+"/Participants", nil)["participants"].([]any)
	participant := participants[0].(map[string]any)
	of := a.must("GET", "/v1/ParticipantConversations", url.Values{"Identity": {customer}})["conversations"].([]any)[0].(map[string]any)
	hook := a.must("GET", path+"/Webhooks", nil)["webhooks"].([]any)[0].(map[string]any)
	file := a.must("GET", service+"/Messages", nil)["messages"].([]any)[0].(map[string]any)

	for _, row := range []struct {
		what string
		got  map[string]any
		keys string
		want map[string]any
	}{
		{"conversation", conversation, "account_sid attributes bindings chat_service_sid date_created date_updated friendly_name links messaging_service_sid sid state timers unique_name url",
			map[string]any{"attributes": "{}", "friendly_name": nil, "unique_name": nil, "state": "active", "chat_service_sid": flexsim.ServiceSID}},
		{"message", message, "account_sid attributes author body content_sid conversation_sid date_created date_updated delivery index links media participant_sid sid url",
			map[string]any{"attributes": "{}", "media": nil, "body": "hello", "index": 1.0, "author": customer, "participant_sid": participant["sid"]}},
		{"file", file, "account_sid attributes author body content_sid conversation_sid date_created date_updated delivery index links media participant_sid sid url",
			map[string]any{"body": nil, "author": "ann_40example_2Ecom"}},
		{"participant", participant, "account_sid attributes conversation_sid date_created date_updated identity last_read_message_index last_read_timestamp messaging_binding role_sid sid url",
			map[string]any{"identity": customer, "messaging_binding": nil}},
		{"participant's conversation", of, "account_sid chat_service_sid conversation_attributes conversation_created_by conversation_date_created conversation_date_updated conversation_friendly_name conversation_sid conversation_state conversation_timers conversation_unique_name links participant_identity participant_messaging_binding participant_sid participant_user_sid",
			map[string]any{"conversation_sid": sid, "conversation_state": "active", "conversation_unique_name": nil}},
		{"hook", hook, "account_sid configuration conversation_sid date_created date_updated sid target url",
			map[string]any{"target": "webhook"}},
	} {
		if diff := cmp.Diff(strings.Fields(row.keys), slices.Sorted(maps.Keys(row.got))); diff != "" {
			t.Errorf("%s's keys (-want +got):\n%s", row.what, diff)
		}
		for key, want := range row.want {
			if !cmp.Equal(want, row.got[key]) {
				t.Errorf("%s's %s is %v, want %v", row.what, key, row.got[key], want)
			}
		}
		for key, value := range row.got {
			if text, ok := value.(string); ok && strings.Contains(key, "date_") {
				if _, err := time.Parse("2006-01-02T15:04:05Z", text); err != nil {
					t.Errorf("%s's %s: %v", row.what, key, err)
				}
			}
		}
	}
	want := map[string]any{"url": a.hook.URL + "/hook?o=1%202", "method": "post", "filters": []any{"onMessageAdded"}}
	if diff := cmp.Diff(want, hook["configuration"]); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	media := file["media"].([]any)[0].(map[string]any)
	if media["filename"] != "a.pdf" || media["content_type"] != "application/pdf" || media["size"] != 7.0 {
		t.Errorf("media is %v", media)
	}
}

func TestErrors(t *testing.T) {
	a := newAccount(t)
	_, path := a.open()
	_, full := a.open()
	for range 5 {
		a.must("POST", full+"/Webhooks", studio(flexsim.FlowSID))
	}
	_, closed := a.open()
	a.must("POST", closed, url.Values{"State": {"closed"}})
	a.must("POST", "/v1/Conversations", url.Values{"UniqueName": {"taken"}})
	nobody := "/v1/Conversations/CHffffffffffffffffffffffffffffffff"
	longHook := url.Values{"Target": {"webhook"}, "Configuration.Method": {"post"}, "Configuration.Filters": {"onMessageAdded"},
		"Configuration.Url": {"http://h/" + strings.Repeat("x", 504)}}

	for _, row := range []struct {
		method, path string
		form         url.Values
		status, code int
	}{
		{"POST", "/v1/Conversations", url.Values{"UniqueName": {"taken"}}, 409, 50353},
		{"POST", "/v1/Conversations", url.Values{"UniqueName": {"CH0123456789abcdef0123456789abcdef"}}, 400, 50390},
		{"POST", "/v1/Conversations", url.Values{"Attributes": {"{"}}, 400, 20001},
		{"POST", "/v1/Conversations", url.Values{"State": {"closed"}}, 400, 20001},
		{"POST", "/v1/Conversations", url.Values{"State": {"active"}, "Timers.Inactive": {"PT59S"}}, 400, 20001},
		{"POST", "/v1/Conversations", url.Values{"State": {"active"}, "Timers.Closed": {"PT9M59S"}}, 400, 20001},
		{"POST", "/v1/Conversations", url.Values{"State": {"active"}, "Timers.Closed": {"1h"}}, 400, 20001},
		{"POST", "/v1/Conversations", url.Values{"Timers.Inactive": {"PT1M"}}, 400, 50382},
		{"POST", "/v1/Conversations", url.Values{"Attributes": {`"` + strings.Repeat("x", 16<<10) + `"`}}, 400, 50303},
		{"POST", "/v1/Conversations", url.Values{"uniqueName": {"x"}}, 400, 20001},
		{"POST", "/v1/Conversations", url.Values{"UniqueName": {"x", "y"}}, 400, 20001},
		{"GET", nobody, nil, 404, 20404},
		{"DELETE", nobody, nil, 404, 20404},
		{"GET", "/v1/Services/IS9/Conversations/CH1", nil, 404, 20404},
		{"GET", "/v1/Nothing", nil, 404, 20404},
		{"PUT", path, nil, 404, 20404},
		{"GET", nobody + "/Messages", nil, 404, 50350},
		{"POST", nobody + "/Messages", url.Values{"Body": {"x"}}, 404, 50350},
		{"POST", nobody + "/Webhooks", studio("FW1"), 404, 50350},
		{"GET", path + "/Messages/IM1", nil, 404, 20404},
		{"DELETE", path + "/Participants/MB1", nil, 404, 50432},
		{"DELETE", path + "/Webhooks/WH1", nil, 404, 50363},
		{"POST", path, url.Values{"State": {"CLOSED"}}, 400, 20001},
		{"POST", closed, url.Values{"State": {"active"}}, 400, 50377},
		{"POST", closed + "/Messages", url.Values{"Body": {"x"}}, 400, 50377},
		{"POST", closed + "/Participants", url.Values{"Identity": {"x"}}, 400, 50377},
		{"POST", closed + "/Webhooks", studio("FW1"), 400, 50377},
		{"POST", path + "/Participants", url.Values{"Identity": {customer}}, 409, 50433},
		{"POST", path + "/Participants", url.Values{}, 400, 20001},
		{"POST", path + "/Messages", url.Values{"Author": {"x"}}, 400, 50503},
		{"POST", path + "/Messages", url.Values{"Body": {strings.Repeat("x", 32<<10+1)}}, 400, 50504},
		{"POST", path + "/Messages", url.Values{"Body": {"x"}, "Attributes": {`"` + strings.Repeat("x", 4<<10) + `"`}}, 400, 50303},
		{"GET", path + "/Messages", url.Values{"PageSize": {"101"}}, 400, 20007},
		{"GET", path + "/Messages", url.Values{"PageSize": {"0"}}, 400, 20001},
		{"GET", path + "/Messages", url.Values{"PageToken": {"0"}}, 400, 20001},
		{"GET", path + "/Messages", url.Values{"Order": {"DESC"}}, 400, 20001},
		{"GET", path + "/Participants", url.Values{"PageSize": {"101"}}, 400, 20007},
		{"GET", path + "/Webhooks", url.Values{"PageSize": {"6"}}, 400, 20007},
		{"GET", "/v1/ParticipantConversations", url.Values{"Identity": {"x"}, "PageSize": {"51"}}, 400, 20007},
		{"GET", "/v1/ParticipantConversations", nil, 400, 20001},
		{"POST", full + "/Webhooks", studio("FW1"), 400, 50361},
		{"POST", path + "/Webhooks", longHook, 400, 50372},
		{"POST", path + "/Webhooks", url.Values{"Target": {"studio"}, "Configuration.FlowSid": {"FW1"}}, 400, 20001},
		{"POST", path + "/Webhooks", url.Values{"Target": {"webhook"}, "Configuration.Url": {"http://h/"},
			"Configuration.Method": {"post"}, "Configuration.Filters": {"OnMessageAdded"}}, 400, 20001},
		{"POST", path + "/Webhooks", url.Values{"Target": {"webhook"}, "Configuration.Url": {"http://h/"},
			"Configuration.Method": {"POST"}, "Configuration.Filters": {"onMessageAdded"}}, 400, 20001},
	} {
		status, answer := a.call(row.method, row.path, row.form)
		want := map[string]any{"code": float64(row.code), "status": float64(row.status), "message": answer["message"],
			"more_info": fmt.Sprintf("https://www.twilio.com/docs/errors/%d", row.code)}
		if diff := cmp.Diff(want, answer); status != row.status || diff != "" {
			t.Errorf("%s %s = %d, want %d (-want +got):\n%s", row.method, row.path, status, row.status, diff)
		}
	}
	if status, answer := a.call("GET", path, nil, "Authorization", "Basic eDp5"); status != 401 || answer["code"] != 20003.0 {
		t.Errorf("with wrong credentials: %d %v", status, answer)
	}
}

func studio(flow string) url.Values {
	return url.Values{"Target": {"studio"}, "Configuration.FlowSid": {flow}, "Configuration.Filters": {"onMessageAdded"}}
}

func TestDeletingFreesTheNameAndClosingDoesNot(t *testing.T) {
	a := newAccount(t)
	name := url.Values{"UniqueName": {"name"}}
	a.must("POST", "/v1/Conversations", name)
	a.must("POST", "/v1/Conversations/name", url.Values{"State": {"closed"}})
	if status, _ := a.call("POST", "/v1/Conversations", name); status != http.StatusConflict {
		t.Errorf("a closed one's name: %d, want 409", status)
	}
	if status, answer := a.call("DELETE", "/v1/Conversations/name", nil); status != 204 || answer != nil {
		t.Errorf("DELETE = %d %v, want 204 without a body", status, answer)
	}
	a.must("POST", "/v1/Conversations", name)
}

func TestPaging(t *testing.T) {
	a := newAccount(t)
	sid, path := a.open()
	for i := range 7 {
		if _, err := a.StudioSay(sid, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	a.SkipIndex(sid, 3)
	if m, err := a.BotSay(sid, "bot", "7"); err != nil || m.Index != 10 {
		t.Fatalf("Index is %d, %v, want 10", m.Index, err)
	}
	for order, want := range map[string]string{"asc": "01234567", "desc": "76543210", "": "01234567"} {
		query := url.Values{"PageSize": {"3"}}
		if order != "" {
			query.Set("Order", order)
		}
		var got string
		next := path + "/Messages?" + query.Encode()
		for number := 0; next != ""; number++ {
			page := a.must("GET", next, nil)
			for _, m := range page["messages"].([]any) {
				got += m.(map[string]any)["body"].(string)
			}
			meta := page["meta"].(map[string]any)
			if meta["key"] != "messages" || meta["page"] != float64(number) || meta["page_size"] != 3.0 ||
				(meta["previous_page_url"] == nil) != (number == 0) {
				t.Errorf("meta of page %d is %v", number, meta)
			}
			nextURL, _ := meta["next_page_url"].(string)
			var twilios bool
			if next, twilios = strings.CutPrefix(nextURL, "https://conversations.twilio.com"); nextURL != "" && !twilios {
				t.Fatalf("next page is %s, want it at Twilio's", nextURL)
			}
		}
		if got != want {
			t.Errorf("order %q: %s, want %s", order, got, want)
		}
	}
}

func TestCallsAreRecorded(t *testing.T) {
	a := newAccount(t)
	_, path := a.open()
	a.Reset()
	a.say(path, "hello")
	a.must("GET", path+"/Messages", url.Values{"Order": {"desc"}})
	a.call("GET", "/v1/Nothing", nil)
	calls := a.Calls()
	if len(calls) != 3 || a.Count() != 3 || a.Count(flexsim.CreateMessage, flexsim.UnknownOp) != 2 {
		t.Fatalf("calls are %v", calls)
	}
	if c := calls[0]; c.Op != flexsim.CreateMessage || c.Method != "POST" || c.Path != path+"/Messages" ||
		c.Params.Get("Body") != "hello" || c.Status != 201 || c.Header.Get("X-Twilio-Webhook-Enabled") != "true" {
		t.Errorf("first call is %+v", c)
	}
	if c := calls[1]; c.Params.Get("Order") != "desc" || c.Status != 200 {
		t.Errorf("second call is %+v", c)
	}
	if c := calls[2]; c.Op != flexsim.UnknownOp || c.Status != 404 {
		t.Errorf("third call is %+v", c)
	}
}
