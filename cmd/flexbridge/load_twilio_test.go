package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
)

// loadTwilio takes the messages of customers and knows nothing else: the pretend
// Twilio of the other tests would need more time than the service.
type loadTwilio struct {
	*httptest.Server
	customers map[string]*loadCustomer // by their conversation; never written once requests come
	calls     atomic.Int64
}

func newLoadTwilio(t *testing.T) *loadTwilio {
	l := &loadTwilio{customers: map[string]*loadCustomer{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/Conversations/{sid}/Messages", l.message)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("Twilio is asked for %s %s, which nobody should need", r.Method, r.URL)
		http.Error(w, "{}", http.StatusInternalServerError)
	})
	l.Server = httptest.NewServer(mux)
	t.Cleanup(l.Close)
	return l
}

// message answers as "Conversation Message Resource" has it,
// twilio.com/docs/conversations/api/conversation-message-resource.
func (l *loadTwilio) message(w http.ResponseWriter, r *http.Request) {
	l.calls.Add(1)
	c := l.customers[r.PathValue("sid")]
	index := c.next.Add(1) - 1
	here := "https://conversations.twilio.com/v1/Conversations/" + c.sid + "/Messages/" + c.message(index)
	now := time.Now().UTC().Format(time.RFC3339)
	answer, _ := json.Marshal(map[string]any{
		"sid": c.message(index), "account_sid": flexsim.AccountSID, "conversation_sid": c.sid,
		"index": index, "author": r.PostFormValue("Author"), "body": r.PostFormValue("Body"), "media": nil,
		"attributes": r.PostFormValue("Attributes"), "participant_sid": nil, "content_sid": nil,
		"date_created": now, "date_updated": now, "delivery": nil, "url": here,
		"links": map[string]any{"delivery_receipts": here + "/Receipts", "channel_metadata": here + "/ChannelMetadata"},
	})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", fmt.Sprint(len(answer)))
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(answer)
	_ = http.NewResponseController(w).Flush() // nobody answers sooner than that
	c.said <- struct{}{}
}
