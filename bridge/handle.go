package bridge

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

// Handle stands for a customer who has no name of its own: whoever issued it
// recognises it, and for whom. To callers it is opaque text.
type Handle struct {
	ID      string    // 32 lower-case hex digits
	Expires time.Time // whole seconds
}

const (
	// The prefix keeps models from taking a handle for a cursor.
	handlePrefix = "conv_"

	handleID   = 16 // bytes
	handleTime = 4  // bytes; seconds since 1970, which fit until 2106
	handleTag  = 16 // bytes
)

// HandleLength is how long a handle's text is, in characters.
var HandleLength = len(handlePrefix) + base64.RawURLEncoding.EncodedLen(handleID+handleTime+handleTag)

// NewHandle returns a handle that nobody can guess.
func NewHandle(expires time.Time) Handle {
	id := make([]byte, handleID)
	_, _ = rand.Read(id) // never fails, see its documentation
	return Handle{ID: hex.EncodeToString(id), Expires: expires.Truncate(time.Second)}
}

// Seal is the text of a handle, good for one holder only: the parts that tell who
// that is.
func (k *Keyring) Seal(h Handle, holder ...string) string {
	body, _ := hex.DecodeString(h.ID)
	body = binary.BigEndian.AppendUint32(body, uint32(h.Expires.Unix()))
	return handlePrefix + base64.RawURLEncoding.EncodeToString(append(body, k.handleTag(body, holder)...))
}

// Unseal reads what Seal wrote for the same holder. It reports false for any other
// text, and for a handle that has expired.
func (k *Keyring) Unseal(text string, now time.Time, holder ...string) (Handle, bool) {
	// The decoder would pass over line ends, which are no part of a handle.
	digits, ours := strings.CutPrefix(text, handlePrefix)
	sealed, err := base64.RawURLEncoding.DecodeString(digits)
	if !ours || err != nil || len(text) != HandleLength || len(sealed) != handleID+handleTime+handleTag {
		return Handle{}, false
	}
	body, tag := sealed[:handleID+handleTime], sealed[handleID+handleTime:]
	h := Handle{
		ID:      hex.EncodeToString(body[:handleID]),
		Expires: time.Unix(int64(binary.BigEndian.Uint32(body[handleID:])), 0),
	}
	return h, hmac.Equal(tag, k.handleTag(body, holder)) && now.Before(h.Expires)
}

func (k *Keyring) handleTag(body []byte, holder []string) []byte {
	return sign(k.handles, append([]string{string(body)}, holder...)...)[:handleTag]
}

// Repeat names one question that is asked again, in the words of a client that
// names its users and their conversations: equal parts, equal name.
func (k *Keyring) Repeat(parts ...string) string {
	return hex.EncodeToString(sign(k.repeats, parts...)[:16])
}
