package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"flexbridge/api/oidctest"
	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

// TestWhatIsKeptOfCallers holds of keys, tokens, subjects, handles, links and what
// ChatGPT tells of its users what TestWhatIsKeptOfPeople does of usernames.
func TestWhatIsKeptOfCallers(t *testing.T) {
	redis := storetest.StartRedis(t)
	w := newWorld(t, redis, flexsim.Config{})
	w.redisURL, w.tune = redis.URL+quickRedis, append(w.tune, quick)
	var log lockedBuffer
	w.log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	p := oidctest.Start(t, "flexbridge")
	const customers = "Assistant's customer"
	settings := func(c *Config) { c.CustomerName, c.QuestionsPerCustomer, c.QuestionsPerCaller = customers, 100, 100 }
	token := func(change map[string]any) string {
		claims := p.Claims("ana.private@example.com")
		claims["client_id"], claims["email"], claims["name"] = "webapp", "ana.mail@example.com", "Ana Private"
		for name, value := range change {
			claims[name] = value
		}
		return p.Sign(t, claims)
	}
	person, expired, elsewhere := token(nil), token(map[string]any{"exp": 1}), token(map[string]any{"aud": "elsewhere"})
	anyone := w.start(nil, settings)
	visitors := map[string]visitor{
		"anybody": {anyone, "/" + username("anybody"), ""},
		"shop": {w.start(anyone, settings, func(c *Config) {
			c.AuthMode, c.APIKeys = "bearer", Secret("shop:"+shopKey+",office:"+officeKey)
		}), "/" + username("shop"), "Bearer " + shopKey},
		"person": {w.start(anyone, settings, func(c *Config) {
			c.AuthMode, c.OIDCIssuer, c.OIDCAudience = "oidc", p.Issuer, "flexbridge"
		}), "", "Bearer " + person},
	}
	secrets := []string{shopKey, officeKey, "wrong-key", "private", "ana.mail", "Ana P", "key-of-", username("anybody"), username("shop")}
	for _, token := range []string{person, expired, elsewhere} {
		secrets = append(secrets, strings.Split(token, ".")[1:]...)
	}
	meta := mcp.Meta{"openai/subject": "v1/subject-private", "openai/session": "v1/session-private", "openai/userAgent": "agent-private"}
	var files []string
	for who, v := range visitors {
		a := v.assistant(t)
		// A question of each kind, with a file in the reply.
		asked := a.asking(t.Context(), "question of "+who, told{}, meta)
		sid := w.asked("question of " + who)
		if _, err := w.agent.Send(sid, "reply to "+who, picture); err != nil {
			t.Fatal(err)
		}
		got := a.want(<-asked, "replied", "reply to "+who)
		link := got.Messages[0].Media[0].URL
		file := link[strings.LastIndex(link, "/")+1:]
		files = append(files, link)
		secrets = append(secrets, got.Conversation, file)
		if status, _, _ := open(t, link); status != http.StatusOK {
			t.Errorf("GET %s = %d, want the file", link, status)
		}
		sent := make(chan result, 1)
		go func() { sent <- v.send(t.Context(), "plain question of "+who, "") }()
		w.reply(w.asked("plain question of "+who), "plain reply to "+who)
		if plain := <-sent; plain.Status != "replied" {
			t.Errorf("send = %+v, want a reply", plain)
		}

		// What goes wrong.
		for _, arguments := range []map[string]any{
			{"message": "question of " + who, "conversation": got.Conversation + "x"},
			{"message": "question of " + who, "conversation": got.Conversation, "key": "key-of-" + who + "\n"},
			{"message": "question of " + who, "conversation": got.Conversation, "field-private": 1},
			{"message": "question of " + who, "conversation": got.Conversation, "cursor": strings.Replace(got.Cursor, "0-", "0-99", 1)},
		} {
			if got := a.call(t.Context(), "ask_agent", arguments, meta); got.err == nil {
				t.Errorf("ask_agent with %v = %+v, want an error", arguments, got.told)
			}
		}
		w.twilio.Break(flexsim.CreateMessage, 1, flexsim.Fault{Status: 400})
		if got := a.call(t.Context(), "ask_agent", map[string]any{"message": "refused question of " + who, "conversation": got.Conversation}, meta); got.err == nil || !strings.Contains(got.err.Error(), "desk_refused") {
			t.Errorf("ask_agent = %+v, %v, want desk_refused", got.told, got.err)
		}
		for _, fault := range []flexsim.Fault{{Cut: true}, {Status: 500}, {Status: 404}} {
			w.twilio.Break(flexsim.AnyOp, -1, fault)
			if status, _, _ := open(t, link); status == http.StatusOK {
				t.Errorf("GET %s without Twilio = %d", link, status)
			}
			w.twilio.Mend()
		}
		for _, broken := range []string{link + "x", link[:len(link)-2], link + "/x"} {
			if status, _, _ := open(t, broken); status != http.StatusNotFound {
				t.Errorf("GET %s = %d, want 404", broken, status)
			}
		}
		for _, authorization := range []string{"", "Basic " + officeKey, "Bearer wrong-key-wrong-key-wrong-key-wrong-key", "Bearer " + expired, "Bearer " + elsewhere, "Bearer " + person + "x"} {
			for _, path := range []string{"/send" + v.name, "/mcp"} {
				a, err := call(t.Context(), http.MethodPost, v.replica.url+path, []byte(`{"msg":"question of x","wait":0}`), authorization)
				if who != "anybody" && (err != nil || a.HTTP != http.StatusUnauthorized) {
					t.Errorf("POST %s with %.20q = %d, %v, want 401", path, authorization, a.HTTP, err)
				}
			}
		}
	}
	keys, values := contents(redis)
	redis.Kill()
	for _, v := range visitors {
		v.send(t.Context(), "question of nobody", "")
		v.assistant(t).call(t.Context(), "ask_agent", map[string]any{"message": "question of nobody"}, meta)
	}
	redis.Restart(true)

	nowhere(t, "the log", log.String(), append(secrets, "question of", "reply to", customers)...)
	nowhere(t, "Redis' keys", keys, append(secrets, "question of", "reply to", customers)...)
	nowhere(t, "Redis' values", values, append(secrets, "question of", customers)...)
	var records strings.Builder
	contentPaths := make(map[string]bool)
	for _, c := range w.twilio.Calls() {
		fmt.Fprintln(&records, c.Method, c.Path, c.Params, c.Header)
		if c.Op == flexsim.FetchContent {
			contentPaths[c.Path] = true
		}
	}
	for _, c := range w.twilio.Conversations() {
		if c.FriendlyName != customers {
			t.Errorf("a conversation is called %q, want %q", c.FriendlyName, customers)
		}
		fmt.Fprintf(&records, "%+v", c)
	}
	nowhere(t, "Twilio's records", records.String(), secrets...)
	for path := range contentPaths { // Twilio's own link to a file is a secret, too
		nowhere(t, "the log", log.String(), path)
	}
	for _, want := range []string{`"outcome":"replied"`, `"outcome":"invalid_token"`, `"outcome":"unknown_conversation"`, `"outcome":"link_invalid"`, `"outcome":"desk_unavailable"`, `"caller":"shop"`, `"caller":"webapp"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s", want)
		}
	}
	if len(files) != 3 || len(contentPaths) == 0 || !strings.Contains(values, "reply to") {
		t.Errorf("nothing was looked at: %q %q", files, keys)
	}
}
