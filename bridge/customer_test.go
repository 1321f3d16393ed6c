package bridge_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"flexbridge/bridge"
)

// Two callers are one customer only if all that identifies them is the same, however
// it is cut into a domain and parts. The texts are short, so that many meet.
func TestCustomersNeverCollide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringOfN(rapid.SampledFrom([]rune{'a', 'b', 0, 8}), 0, 3, -1),
			rapid.SampledFrom([]string{"username", "handle", "oidc", "bearer username", "bearer handle", "caller", "\x00\x00\x00\x00\x00\x00\x00\x01a"}),
		)
		names := rapid.SliceOfN(text, 1, 4)
		a, b := names.Draw(t, "a"), names.Draw(t, "b")
		if rapid.Bool().Draw(t, "cut elsewhere") && len(a) > 1 {
			b = append([]string{a[0] + a[1]}, a[2:]...)
		}
		one, other := keys.Customer(a[0], a[1:]...), keys.Customer(b[0], b[1:]...)
		if (one == other) != slices.Equal(a, b) {
			t.Fatalf("%q is %s, %q is %s", a, one, b, other)
		}
		if back, ours := bridge.CustomerOf(one.Identity()); !ours || back != one {
			t.Fatalf("CustomerOf(%s) = %s, %v", one.Identity(), back, ours)
		}
	})
}

// What the same text names as one thing is nothing else's name, and another secret
// makes another of each.
func TestNamesOfOneTextDiffer(t *testing.T) {
	other, err := bridge.NewKeyring([]byte(fmt.Sprintf("%032d", 7)))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		seen := make(map[string]string)
		for secret, k := range map[string]*bridge.Keyring{"one secret": keys, "another": other} {
			names := map[string]string{
				"application": string(k.Customer("caller", text)),
				"hook":        k.HookURL("", text)[len("?o="):],
				"repeat":      k.Repeat(text),
			}
			for _, kind := range []string{"username", "handle", "openai subject"} {
				names[kind] = string(k.Customer(kind, text))
				names["bearer "+kind] = string(k.Customer("bearer "+kind, text, text))
				names["bearer "+kind+" of one"] = string(k.Customer("bearer "+kind, text))
			}
			names["person"] = string(k.Customer("oidc", text, text))
			for what, name := range names {
				if twin, twice := seen[name]; twice {
					t.Fatalf("%q as %s of %s is %s, as is %s", text, what, secret, name, twin)
				}
				seen[name] = what + " of " + secret
			}
		}
	})
}
