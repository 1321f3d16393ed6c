package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flexbridge/api/oidctest"
	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

const (
	shopKey   = "shop-shop-shop-shop-shop-shop-shop-1"
	newShop   = "shop-shop-shop-shop-shop-shop-shop-2"
	officeKey = "office-office-office-office-office-1"
)

func TestKeysFromTheEnvironment(t *testing.T) {
	write := func(name, text string) string {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	file := write(filepath.Join(t.TempDir(), "keys"), "# the shop's\n\nshop:"+shopKey+"\r\n  shop:"+newShop+"\noffice:"+officeKey)

	// A mounted secret of Kubernetes: real files in a hidden directory, and links.
	mount := t.TempDir()
	write(filepath.Join(mount, "..2026_11_22", "shop"), shopKey+"\n"+newShop+"\n")
	write(filepath.Join(mount, "..2026_11_22", "office"), officeKey+"\n")
	for name, target := range map[string]string{"..data": "..2026_11_22", "shop": "..data/shop", "office": "..data/office"} {
		if err := os.Symlink(target, filepath.Join(mount, name)); err != nil {
			t.Fatal(err)
		}
	}

	const all = "shop " + newShop + "|shop " + shopKey + "|office " + officeKey
	for name, row := range map[string]struct {
		c    Config
		want string
	}{
		"variable":  {Config{APIKeys: Secret("shop:" + shopKey + ", shop:" + newShop + ",office:" + officeKey)}, all},
		"file":      {Config{APIKeysFile: file}, all},
		"directory": {Config{APIKeysFile: mount}, all},
		"both":      {Config{APIKeys: "more:" + Secret(strings.Repeat("m", 32)), APIKeysFile: mount}, all + "|more " + strings.Repeat("m", 32)},
	} {
		keys, problems := row.c.keys()
		got := make(map[string]bool)
		for _, key := range keys {
			got[key.Name+" "+key.Text] = true
		}
		want := strings.Split(row.want, "|")
		for _, key := range want {
			if !got[key] {
				t.Errorf("%s: %q is missing", name, key)
			}
		}
		if len(problems) != 0 || len(keys) != len(want) {
			t.Errorf("%s: %d keys, problems %v, want %d and none", name, len(keys), problems, len(want))
		}
	}
}

func TestBadKeyFiles(t *testing.T) {
	for name, row := range map[string]struct {
		files map[string]string
		tells string
	}{
		"no files":         {nil, "no key"},
		"hidden ones only": {map[string]string{".shop": shopKey}, "no key"},
		"a bad name":       {map[string]string{"my.shop": shopKey}, "file 1, line 1"},
		"a short key":      {map[string]string{"shop": "# old\n" + shopKey + "\nhunter2"}, "file 1, line 3"},
		"a pair":           {map[string]string{"shop": "shop:" + shopKey}, "file 1, line 1"},
		"one key twice":    {map[string]string{"shop": shopKey, "office": shopKey}, "same key"},
		"too long":         {map[string]string{"shop": strings.Repeat("# hunter2\n", 200_000)}, "more than"},
	} {
		folder := t.TempDir()
		for name, text := range row.files {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c := testConfig("https://bridge.example.com")
		c.AuthMode, c.APIKeysFile = "bearer", folder
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), "API_KEYS_FILE") || !strings.Contains(err.Error(), row.tells) ||
			strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), shopKey) || strings.Contains(err.Error(), folder) {
			t.Errorf("%s: Validate = %v, want an error that names API_KEYS_FILE and %q, and no key", name, err, row.tells)
		}
	}
}

func TestIssuerThatIsNotThere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	c := testConfig("https://bridge.example.com")
	c.AuthMode, c.OIDCIssuer, c.OIDCAudience = "oidc", "http://127.0.0.1:1", "x"
	if _, err := newService(ctx, c, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "OIDC_ISSUER: ") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("newService = %v, want an error that names OIDC_ISSUER, and why", err)
	}
}

// visitor calls a replica with credentials, under a name.
type visitor struct {
	replica             *replica
	name, authorization string
}

func (v visitor) send(ctx context.Context, text, after string) result {
	body := fmt.Sprintf(`{"msg":%q,"after":%q,"wait":20}`, text, after)
	return now(call(ctx, http.MethodPost, v.replica.url+"/send"+v.name, []byte(body), v.authorization))
}

func (v visitor) replies(ctx context.Context, after string, wait int) result {
	return now(call(ctx, http.MethodGet, fmt.Sprintf("%s/replies%s?wait=%d&after=%s", v.replica.url, v.name, wait, after), nil, v.authorization))
}

func (v visitor) end(ctx context.Context, after string) result {
	return now(call(ctx, http.MethodPost, v.replica.url+"/end"+v.name, fmt.Appendf(nil, `{"after":%q}`, after), v.authorization))
}

// strangers holds that visitors are customers apart: each is told all that is said
// to it, and nobody can read, continue or end another's conversation, whatever
// cursor is used.
func (w *world) strangers(visitors map[string]visitor) {
	w.t.Helper()
	ctx := w.t.Context()
	cursors := make(map[string]string)
	for who, v := range visitors {
		question := who + " asks"
		answered := make(chan result, 1)
		go func() { answered <- v.send(ctx, question, "") }()
		w.reply(w.asked(question), "for "+who)
		cursors[who] = w.want(<-answered, "replied", "for "+who).Cursor
		w.reply(w.asked(question), "more for "+who)
		w.want(v.replies(ctx, cursors[who], 20), "replied", "more for "+who)
	}
	if n := len(w.twilio.Conversations()); n != len(visitors) {
		w.t.Errorf("there are %d conversations, want %d", n, len(visitors))
	}
	own := func(who, what string, got result) {
		w.t.Helper()
		if got.err != nil || got.HTTP != http.StatusOK && got.Code != "cursor_ahead" {
			w.t.Errorf("%s %s = %+v", who, what, got)
		}
		for _, m := range got.Messages {
			if m.Text != "for "+who && m.Text != "more for "+who {
				w.t.Errorf("%s %s and gets %q", who, what, m.Text)
			}
		}
	}
	for who, v := range visitors {
		for whose, cursor := range cursors {
			own(who, "reads after the cursor of "+whose, v.replies(ctx, cursor, 0))
		}
		own(who, "reads from the start", v.replies(ctx, "", 0))
	}
	// Who ends with another's cursor ends the own conversation, and no other.
	ended := 0
	for who, v := range visitors {
		for whose, cursor := range cursors {
			if whose != who {
				own(who, "ends with the cursor of "+whose, v.end(ctx, cursor))
			}
		}
		if got := v.end(ctx, cursors[who]); got.HTTP != http.StatusOK || got.Status != "closed" {
			w.t.Errorf("%s ends = %+v, want closed", who, got)
		}
		ended++
		open := 0
		for _, c := range w.twilio.Conversations() {
			if c.State != "closed" {
				open++
			}
		}
		if open != len(visitors)-ended {
			w.t.Errorf("after %d ends %d conversations are open, want %d", ended, open, len(visitors)-ended)
		}
	}
}

func TestKeysKeepCustomersApart(t *testing.T) {
	w := newWorld(t, nil, flexsim.Config{})
	r := w.start(nil, func(c *Config) {
		c.AuthMode, c.APIKeys = "bearer", Secret("shop:"+shopKey+",shop:"+newShop+",office:"+officeKey)
	})
	name, other := "/"+username("one"), "/"+username("other")
	visitors := map[string]visitor{
		"shop":                 {r, name, "Bearer " + shopKey},
		"office":               {r, name, "Bearer " + officeKey},
		"another of shop":      {r, other, "Bearer " + shopKey},
		"yet another, by name": {r, "/" + username("two"), "Bearer " + newShop},
	}
	w.strangers(visitors)

	// A new key of the old name goes on where the old one was.
	answered := make(chan result, 1)
	third := "/" + username("three")
	go func() { answered <- visitor{r, third, "Bearer " + shopKey}.send(t.Context(), "before the change", "") }()
	w.reply(w.asked("before the change"), "old")
	cursor := w.want(<-answered, "replied", "old").Cursor
	w.reply(w.asked("before the change"), "new")
	w.want(visitor{r, third, "Bearer " + newShop}.replies(t.Context(), cursor, 20), "replied", "new")

	// Nobody else is let in, and nothing is said for him.
	before := len(w.twilio.Conversations())
	for _, authorization := range []string{"", "Bearer " + shopKey[1:], "Basic " + shopKey} {
		if got := (visitor{r, name, authorization}).send(t.Context(), "let me in", ""); got.HTTP != http.StatusUnauthorized || len(got.Messages) != 0 {
			t.Errorf("send with %q = %+v, want 401", authorization, got)
		}
	}
	if got := len(w.twilio.Conversations()); got != before {
		t.Errorf("those who were refused opened %d conversations", got-before)
	}
}

// The same username is another customer when anybody may call than under a key, on
// one store and before one Twilio.
func TestModesKeepCustomersApart(t *testing.T) {
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	p := oidctest.Start(t, "flexbridge")
	open := w.start(nil)
	keyed := w.start(nil, func(c *Config) { c.AuthMode, c.APIKeys = "bearer", Secret("shop:"+shopKey) })
	known := w.start(nil, func(c *Config) { c.AuthMode, c.OIDCIssuer, c.OIDCAudience = "oidc", p.Issuer, "x, flexbridge" })
	name := "/" + username("one")
	w.strangers(map[string]visitor{
		"anybody": {open, name, ""},
		"shop":    {keyed, name, "Bearer " + shopKey},
		"ana":     {known, name, "Bearer " + p.Token(t, "ana")},
	})
}

func TestTokensKeepCustomersApart(t *testing.T) {
	w := newWorld(t, nil, flexsim.Config{})
	p := oidctest.Start(t, "flexbridge")
	r := w.start(nil, func(c *Config) { c.AuthMode, c.OIDCIssuer, c.OIDCAudience = "oidc", p.Issuer, "flexbridge" })
	ana, bea := p.Token(t, "ana"), p.Token(t, "bea")
	w.strangers(map[string]visitor{
		"ana": {r, "", "Bearer " + ana},
		"bea": {r, "/" + username("one"), "Bearer " + bea},
	})

	// A username changes nothing, nor does a new token.
	one := visitor{r, "/" + username("one"), "Bearer " + p.Token(t, "eva")}
	answered := make(chan result, 1)
	go func() { answered <- one.send(t.Context(), "again", "") }()
	w.reply(w.asked("again"), "old")
	cursor := w.want(<-answered, "replied", "old").Cursor
	w.reply(w.asked("again"), "new")
	w.want(visitor{r, "", "Bearer " + p.Token(t, "eva")}.replies(t.Context(), cursor, 20), "replied", "new")
}
