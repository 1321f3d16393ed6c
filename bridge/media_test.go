package bridge_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge"
)

const fileSID = "ME0123456789abcdef0123456789abcdef"

func TestFileToken(t *testing.T) {
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	token, ok := keys.FileToken(fileSID, expires)
	if !ok || len(token) != 70 || strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		t.Fatalf("FileToken = %q, %v, want 70 characters for a URL", token, ok)
	}
	if sid, until, ok := keys.ReadFileToken(token); !ok || sid != fileSID || !until.Equal(expires) {
		t.Errorf("ReadFileToken = %q, %v, %v, want %q, %v", sid, until, ok, fileSID, expires)
	}
	// It tells nothing, not even that two are for one file.
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || bytes.Contains(sealed, []byte{0x01, 0x23, 0x45}) {
		t.Errorf("the SID can be read in %x (%v)", sealed, err)
	}
	if again, _ := keys.FileToken(fileSID, expires); again == token {
		t.Error("two tokens of one file are the same")
	}
	for _, sid := range []string{"", "ME", "IM0123456789abcdef0123456789abcdef", fileSID + "0", fileSID + "\n", strings.ToUpper(fileSID), "ME../../../../../../../../../../ab"} {
		if token, ok := keys.FileToken(sid, expires); ok {
			t.Errorf("FileToken(%q) = %q, want none", sid, token)
		}
	}
}

// No character of a token can be changed, taken away or added.
func TestFileTokenCannotBeForged(t *testing.T) {
	token, _ := keys.FileToken(fileSID, time.Now().Add(time.Hour))
	refused := func(what, token string, k *bridge.Keyring) {
		t.Helper()
		if sid, _, ok := k.ReadFileToken(token); ok {
			t.Errorf("%s: ReadFileToken(%q) = %q, want a refusal", what, token, sid)
		}
	}
	for i := range token {
		for _, c := range "AZ_-.~%=\n" {
			if altered := token[:i] + string(c) + token[i+1:]; altered != token {
				refused("altered", altered, keys)
			}
		}
		refused("truncated", token[:i], keys)
		refused("broken by a line", token[:i]+"\n"+token[i:], keys)
	}
	for _, more := range []string{"A", "=", "==", "\n", " "} {
		refused("longer", token+more, keys)
	}
	other, err := bridge.NewKeyring([]byte(strings.Repeat("x", bridge.MinSecret)))
	if err != nil {
		t.Fatal(err)
	}
	refused("of another deployment", token, other)
}
