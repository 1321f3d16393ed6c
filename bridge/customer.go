package bridge

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// Customer is who asks: 32 lower-case hex digits of an HMAC of what identifies
// the caller. The raw name appears nowhere else.
type Customer string

const identityPrefix = "flexbridge-"

// Identity is the customer's chat identity at the desk.
func (c Customer) Identity() string { return identityPrefix + string(c) }

// CustomerOf returns the customer whose chat identity this is, and false when
// it is nobody of ours: an agent, a bot, the system.
func CustomerOf(identity string) (Customer, bool) {
	digits, ok := strings.CutPrefix(identity, identityPrefix)
	if !ok || len(digits) != 32 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", false
	}
	return Customer(digits), true
}

// Keyring holds the keys derived from the identity secret, one for each
// purpose. It is safe for concurrent use.
type Keyring struct {
	customers, hooks, nonces, handles, repeats, fingerprint []byte

	files cipher.AEAD
}

// MinSecret is the length of the shortest identity secret, in bytes.
const MinSecret = 32

var errShortSecret = fmt.Errorf("the identity secret needs at least %d bytes", MinSecret)

// NewKeyring derives the keys by HKDF-SHA256 (RFC 5869). A secret shorter than
// [MinSecret] is refused.
func NewKeyring(secret []byte) (*Keyring, error) {
	if len(secret) < MinSecret {
		return nil, errShortSecret
	}
	k := &Keyring{}
	var files []byte
	for label, key := range map[string]*[]byte{
		"customers": &k.customers, "hooks": &k.hooks, "nonces": &k.nonces, "handles": &k.handles, "repeats": &k.repeats,
		"fingerprint": &k.fingerprint, "files": &files,
	} {
		var err error
		if *key, err = hkdf.Key(sha256.New, secret, nil, "flexbridge "+label, sha256.Size); err != nil {
			return nil, fmt.Errorf("deriving keys: %w", err)
		}
	}
	var err error
	if k.files, err = newSealer(files); err != nil {
		return nil, fmt.Errorf("making the files' cipher: %w", err)
	}
	return k, nil
}

// Fingerprint tells one identity secret from another, as 16 lower-case hex digits.
// It is derived as a key of its own that is used for nothing else, so that it may
// be stored and shown: neither the secret nor any other key follows from it.
func (k *Keyring) Fingerprint() string { return hex.EncodeToString(k.fingerprint[:8]) }

// Customer names who is identified by parts within a domain, such as
// "username". Every part is preceded by its length, so that no two lists of
// parts collide, and two domains never share a customer.
func (k *Keyring) Customer(domain string, parts ...string) Customer {
	sum := sign(k.customers, append([]string{domain}, parts...)...)
	return Customer(hex.EncodeToString(sum[:16]))
}

// HookParam is the query parameter of our hooks' URLs that holds their tag.
const HookParam = "o"

// HookURL is the URL of the hook that we register for a conversation: our
// webhook's own, and a tag by which "ours" is known without asking the mailbox.
func (k *Keyring) HookURL(webhook, conversation string) string {
	return webhook + "?" + HookParam + "=" + k.hookTag(conversation)
}

// IsHookTag reports, in constant time, whether tag is the conversation's.
func (k *Keyring) IsHookTag(conversation, tag string) bool {
	return hmac.Equal([]byte(tag), []byte(k.hookTag(conversation)))
}

func (k *Keyring) hookTag(conversation string) string {
	return hex.EncodeToString(sign(k.hooks, conversation)[:16])
}

// nonce is the mark by which a question said under a caller's key is found
// again at the desk, even when the mailbox has forgotten it.
func (k *Keyring) nonce(c Customer, key, text string) string {
	return hex.EncodeToString(sign(k.nonces, string(c), key, text)[:16])
}

func sign(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	var length [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}
