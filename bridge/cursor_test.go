package bridge_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"flexbridge/bridge"
)

// FuzzCursor: what is accepted comes back as the same text, and everything else is
// ErrInvalid.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "0-3-9f2c", "12--1-0000", "0-999999999-ffff", "0-1000000000-ffff", "00-1-9f2c", "0-01-9f2c", "0--2-9f2c", "0-3-9F2C", "0-3-9f2c\n", "٠-3-9f2c", "0-3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := bridge.ParseCursor(text)
		switch {
		case err != nil && !errors.Is(err, bridge.ErrInvalid):
			t.Fatalf("ParseCursor(%q) = %v, want ErrInvalid", text, err)
		case err == nil && c.String() != text:
			t.Fatalf("ParseCursor(%q) = %q", text, c)
		case err == nil && (c.Index < -1 || c.Generation < 0 || c.IsZero() != (text == "")):
			t.Fatalf("ParseCursor(%q) = %+v", text, c)
		}
	})
}

func TestCursorsInOrder(t *testing.T) {
	var none bridge.Cursor
	ascending := []bridge.Cursor{none, bridge.At(0, "CH1", -1), bridge.At(0, "CH1", 5), bridge.At(1, "CH2", -1), bridge.At(1, "CH2", 0)}
	for i, c := range ascending {
		for j, d := range ascending {
			if got := c.Compare(d); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%q.Compare(%q) = %d", c, d, got)
			}
		}
	}
	if text := bridge.At(3, "CH1", 7).String(); !strings.HasPrefix(text, "3-7-") || len(text) != len("3-7-9f2c") {
		t.Errorf("String = %q", text)
	}
}

func TestDisplayName(t *testing.T) {
	for identity, want := range map[string]string{
		"ann_2Eveal_40example_2Ecom": "Ann Veal",
		"ann.veal@example.com":       "Ann Veal",
		"josé_2Dmaría_40example":     "José María",
		"_40example_2Ecom":           "",
		"Bot":                        "Bot",
		"system":                     "system",
		"a_zz_4":                     "a_zz_4",
	} {
		if got := bridge.DisplayName(identity); got != want {
			t.Errorf("DisplayName(%q) = %q, want %q", identity, got, want)
		}
	}
}

func TestCustomers(t *testing.T) {
	seen := map[bridge.Customer]string{}
	for name, c := range map[string]bridge.Customer{
		"a":         keys.Customer("username", "a"),
		"a, empty":  keys.Customer("username", "a", ""),
		"ab, c":     keys.Customer("username", "ab", "c"),
		"a, bc":     keys.Customer("username", "a", "bc"),
		"elsewhere": keys.Customer("usernam", "ea"),
	} {
		if other, twice := seen[c]; twice {
			t.Errorf("%q and %q are one customer", name, other)
		}
		seen[c] = name
		if back, ours := bridge.CustomerOf(c.Identity()); !ours || back != c {
			t.Errorf("CustomerOf(%q) = %q, %v", c.Identity(), back, ours)
		}
	}
	for _, identity := range []string{"", "ann", "flexbridge-", "flexbridge-" + strings.Repeat("g", 32), "flexbridge-" + strings.Repeat("a", 31), "flexbridge-" + strings.Repeat("A", 32)} {
		if c, ours := bridge.CustomerOf(identity); ours {
			t.Errorf("CustomerOf(%q) = %q, want nobody of ours", identity, c)
		}
	}
	if _, err := bridge.NewKeyring(make([]byte, bridge.MinSecret-1)); err == nil {
		t.Error("a short secret was taken")
	}
}

func TestFingerprint(t *testing.T) {
	of := func(secret byte) string {
		k, err := bridge.NewKeyring(bytes.Repeat([]byte{secret}, bridge.MinSecret))
		if err != nil {
			t.Fatal(err)
		}
		return k.Fingerprint()
	}
	// A fixed one: it is compared with what an earlier version has stored.
	if got, want := of('k'), "ad2e7ae0ae4fd6f5"; got != want {
		t.Errorf("Fingerprint = %q, want %q", got, want)
	}
	if of('k') == of('l') {
		t.Errorf("Fingerprint = %q of two secrets", of('k'))
	}
}
