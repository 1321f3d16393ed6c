package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"flexbridge/api"
)

func TestBearerAuthRefuses(t *testing.T) {
	const secret = "hunter2hunter2hunter2hunter2hunter2"
	good := api.Key{Name: "shop", Text: secret}
	rows := map[string]struct {
		keys  []api.Key
		tells string
	}{
		"none":             {nil, "no key"},
		"no name":          {[]api.Key{{Text: secret}}, "key 1: its name"},
		"a long name":      {[]api.Key{good, {Name: strings.Repeat("hunter2-", 9), Text: secret + "x"}}, "key 2: its name"},
		"a name of dots":   {[]api.Key{{Name: "hunter2.shop", Text: secret}}, "key 1: its name"},
		"no text":          {[]api.Key{{Name: "hunter2"}}, "key 1: its key"},
		"a short one":      {[]api.Key{{Name: "shop", Text: secret[:api.MinKey-1]}}, "key 1: its key"},
		"a space":          {[]api.Key{{Name: "shop", Text: secret + " x"}}, "key 1: its key"},
		"padding in it":    {[]api.Key{{Name: "shop", Text: "=" + secret}}, "key 1: its key"},
		"a line end":       {[]api.Key{{Name: "shop", Text: secret + "\n"}}, "key 1: its key"},
		"letters beyond":   {[]api.Key{{Name: "shop", Text: secret + "é"}}, "key 1: its key"},
		"one key, one app": {[]api.Key{good, good}, "the same key"},
		"one key, two":     {[]api.Key{good, {Name: "other", Text: secret}}, "the same key"},
	}
	for name, row := range rows {
		auth, err := api.BearerAuth(row.keys)
		if err == nil || auth != nil || !strings.Contains(err.Error(), row.tells) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: BearerAuth = %v, %v, want an error that tells %q and no key", name, auth, err, row.tells)
		}
	}
	longest := api.Key{Name: strings.Repeat("n", 64), Text: strings.Repeat("k", api.MinKey) + "-._~+/=="}
	if _, err := api.BearerAuth([]api.Key{good, longest, {Name: "shop", Text: secret + "2"}}); err != nil {
		t.Errorf("BearerAuth of keys at the limits, and two of one name = %v", err)
	}
}

func TestKeyNeverPrints(t *testing.T) {
	key := api.Key{Name: "shop", Text: "hunter2"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(verb, []api.Key{key}); strings.Contains(got, "hunter2") || strings.Contains(got, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("%s of a key = %s", verb, got)
		}
	}
	if got, err := json.Marshal(key); err != nil || strings.Contains(string(got), "hunter2") {
		t.Errorf("JSON of a key = %s, %v", got, err)
	}
}
