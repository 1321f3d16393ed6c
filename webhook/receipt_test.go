package webhook_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	"flexbridge/webhook"
)

func TestReceipt(t *testing.T) {
	const message = "IM00000000000000000000000000000001"
	as := func(eventType string) *http.Request {
		return post("/twilio/webhook", "AccountSid="+account+"&EventType="+eventType)
	}
	unsigned := with("")
	unsigned.Header.Del("X-Twilio-Signature")
	for name, row := range map[string]struct {
		request *http.Request
		want    webhook.Receipt
	}{
		"message":         {with(""), webhook.Receipt{Outcome: webhook.MessageAdded, Type: "onMessageAdded", Conversation: conversation, Message: message}},
		"unsigned":        {unsigned, webhook.Receipt{Outcome: webhook.Unsigned, Type: "other"}},
		"a known type":    {as("onMessageUpdated"), webhook.Receipt{Outcome: webhook.OtherEvent, Type: "onMessageUpdated"}},
		"an unknown type": {as("onSomethingNew"), webhook.Receipt{Outcome: webhook.OtherEvent, Type: "other"}},
		"not its name":    {as("onmessageadded"), webhook.Receipt{Outcome: webhook.OtherEvent, Type: "other"}},
		"malformed":       {instead(conversation, "CHevil"), webhook.Receipt{Outcome: webhook.Malformed, Type: "onMessageAdded"}},
		"another's tag": {post(keyring(t).HookURL(webhook.Path, "CH00000000000000000000000000000002"), goodForm),
			webhook.Receipt{Outcome: webhook.Foreign, Type: "onMessageAdded"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			var got []webhook.Receipt
			cfg.Note = func(_ echo.Context, r webhook.Receipt) { got = append(got, r) }
			_, handler := newHandler(t, cfg, &desk{})
			handler.ServeHTTP(httptest.NewRecorder(), row.request)
			if len(got) != 1 || got[0] != row.want {
				t.Errorf("noted %+v, want %+v", got, row.want)
			}
		})
	}
}
