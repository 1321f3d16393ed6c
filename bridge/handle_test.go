package bridge_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge"
)

var expires = time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)

func TestHandleIsReadByItsHolder(t *testing.T) {
	h := bridge.NewHandle(expires.Add(700 * time.Millisecond))
	text := keys.Seal(h, "application", "shop")
	if len(text) != bridge.HandleLength || !strings.HasPrefix(text, "conv_") {
		t.Errorf("Seal = %q, want conv_ and %d characters in all", text, bridge.HandleLength)
	}
	got, ok := keys.Unseal(text, expires.Add(-time.Second), "application", "shop")
	if !ok || got.ID != h.ID || !got.Expires.Equal(expires) {
		t.Errorf("Unseal = %v, %v, want %v", got, ok, h)
	}
	if again := bridge.NewHandle(expires); again.ID == h.ID {
		t.Errorf("two handles have the id %s", h.ID)
	}
}

func TestHandleIsRefused(t *testing.T) {
	other, err := bridge.NewKeyring([]byte(strings.Repeat("o", bridge.MinSecret)))
	if err != nil {
		t.Fatal(err)
	}
	h := bridge.NewHandle(expires)
	good := keys.Seal(h, "application", "shop")
	rows := map[string]struct {
		text   string
		holder []string
	}{
		"another holder":      {good, []string{"application", "shop2"}},
		"no holder":           {good, nil},
		"parts joined":        {good, []string{"applicationshop"}},
		"parts cut elsewhere": {good, []string{"application", "sho", "p"}},
		"another secret":      {other.Seal(h, "application", "shop"), []string{"application", "shop"}},
		"empty":               {"", []string{"application", "shop"}},
		"a cursor":            {"0-3-9f2c", []string{"application", "shop"}},
		"without its prefix":  {strings.TrimPrefix(good, "conv_"), []string{"application", "shop"}},
		"cut":                 {good[:len(good)-1], []string{"application", "shop"}},
		"with more":           {good + "A", []string{"application", "shop"}},
		"with a line end":     {good[:20] + "\n" + good[20:], []string{"application", "shop"}},
		"in capitals":         {strings.ToUpper(good), []string{"application", "shop"}},
	}
	for name, row := range rows {
		if got, ok := keys.Unseal(row.text, expires.Add(-time.Hour), row.holder...); ok {
			t.Errorf("%s: Unseal = %v, want it refused", name, got)
		}
	}
	if _, ok := keys.Unseal(good, expires, "application", "shop"); ok {
		t.Error("a handle is good at the moment in which it expires")
	}
}

// Every byte of a handle counts.
func TestHandleAltered(t *testing.T) {
	sealed, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(keys.Seal(bridge.NewHandle(expires)), "conv_"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		sealed[i] ^= 1
		if _, ok := keys.Unseal("conv_"+base64.RawURLEncoding.EncodeToString(sealed), time.Time{}); ok {
			t.Errorf("with byte %d altered it is still good", i)
		}
		sealed[i] ^= 1
	}
}

func FuzzUnseal(f *testing.F) {
	good := keys.Seal(bridge.NewHandle(expires))
	f.Add(good)
	f.Add("conv_")
	f.Fuzz(func(t *testing.T, text string) {
		h, ok := keys.Unseal(text, time.Time{})
		if ok && keys.Seal(h) != text {
			t.Errorf("Unseal(%q) = %v, whose text is %q", text, h, keys.Seal(h))
		}
	})
}

func TestRepeat(t *testing.T) {
	if a, b := keys.Repeat("u", "s", "hi"), keys.Repeat("u", "s", "hi"); a != b || len(a) != 32 {
		t.Errorf("Repeat = %q and %q, want the same 32 digits", a, b)
	}
	if keys.Repeat("u", "s", "hi") == keys.Repeat("u", "shi") {
		t.Error("the parts of Repeat run into each other")
	}
}
