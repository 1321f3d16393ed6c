package bridge

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"io"
	"regexp"
	"time"
)

// File is a file at the desk that came with a message.
type File struct {
	Media
	// Open begins to fetch the content, which has Size bytes unless reading it
	// fails. The context ends the reading, too; who opened closes. Errors are
	// ErrGone, ErrDeskRefused or ErrDeskUnavailable.
	Open func(context.Context) (io.ReadCloser, error)
}

var mediaForm = regexp.MustCompile(`^ME[0-9a-f]{32}$`)

// The parts of a file's token, in bytes: its SID's digits and its expiry in Unix
// seconds; the AEAD adds nonce and tag. As text that is fileTokenText characters.
const (
	fileTokenSID  = 16
	fileTokenBody = fileTokenSID + 8
)

var (
	fileTokenForm = base64.RawURLEncoding.Strict() // one spelling of each
	fileTokenText = fileTokenForm.EncodedLen(fileTokenBody + 28)
)

// FileToken is a capability to fetch a file until it expires, in whole seconds:
// 70 characters that may stand in a URL and tell nothing. It is false for what is
// no SID of a file. Each call makes another one.
func (k *Keyring) FileToken(sid string, expires time.Time) (token string, ok bool) {
	if !mediaForm.MatchString(sid) {
		return "", false
	}
	body, err := hex.DecodeString(sid[len("ME"):])
	if err != nil {
		return "", false
	}
	body = binary.BigEndian.AppendUint64(body, uint64(expires.Unix()))
	return fileTokenForm.EncodeToString(k.files.Seal(nil, nil, body, nil)), true
}

// ReadFileToken returns what [Keyring.FileToken] was given. It is false for what
// that did not make with these keys.
func (k *Keyring) ReadFileToken(token string) (sid string, expires time.Time, ok bool) {
	if len(token) != fileTokenText {
		return "", time.Time{}, false // the decoder would skip line breaks
	}
	sealed, err := fileTokenForm.DecodeString(token)
	if err != nil {
		return "", time.Time{}, false
	}
	body, err := k.files.Open(nil, nil, sealed, nil)
	if err != nil || len(body) != fileTokenBody {
		return "", time.Time{}, false
	}
	seconds := binary.BigEndian.Uint64(body[fileTokenSID:])
	return "ME" + hex.EncodeToString(body[:fileTokenSID]), time.Unix(int64(seconds), 0), true
}

// newSealer is AES-256-GCM. Its nonces are random, which is good for 2^32 tokens
// of one key (NIST SP 800-38D, 8.3): 10 a second for 13 years.
func newSealer(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
