package api

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
)

// MinKey is the length of the shortest key, in characters.
const MinKey = 32

var keyNameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Key is an API key, and the name of the application that has it. An application
// may have several at once, as while one is replaced. Printing it shows the name.
type Key struct {
	Name string
	Text string `json:"-"`
}

// Format keeps the key's text out of whatever is printed.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.Name) }

// Check tells what is wrong with a key, and repeats nothing of it: people write
// the key where its name belongs.
func (k Key) Check() error {
	switch {
	case !keyNameForm.MatchString(k.Name):
		return errors.New("its name must be 1 to 64 characters of A-Z a-z 0-9 _ -")
	case len(k.Text) < MinKey || !tokenForm.MatchString(k.Text):
		return fmt.Errorf("its key must be %d or more characters of A-Z a-z 0-9 - . _ ~ + / and = at its end, such as from: openssl rand -hex 32", MinKey)
	}
	return nil
}

// BearerAuth lets applications call that have one of these keys (RFC 6750). It
// refuses keys that are not of their form, a key that is there twice, and none at
// all.
//
// A key tells the application, not its user. The customer is the key's name with
// the username in the path, so that one application never reads another's
// conversations, and a new key under the old name changes no customer. Usernames
// stay as long and random as without keys: one key is shared by all users of, say,
// a GPT, whose model makes the usernames up, and short ones would meet.
func BearerAuth(keys []Key) (Auth, error) {
	if len(keys) == 0 {
		return nil, errors.New("there is no key, so that nobody could call")
	}
	b := &bearerAuth{secret: make([]byte, sha256.Size)}
	_, _ = rand.Read(b.secret) // never fails
	seen := make(map[[sha256.Size]byte]bool)
	for i, key := range keys {
		if err := key.Check(); err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		sum := b.digest(key.Text)
		if seen[sum] {
			return nil, errors.New("the same key is there twice, so it is not known whose it is")
		}
		seen[sum] = true
		b.names, b.digests = append(b.names, key.Name), append(b.digests, sum)
	}
	return b, nil
}

// bearerAuth keeps digests only, under a key that ends with the process: neither
// the time that a comparison takes nor a dump of memory gives a key away.
type bearerAuth struct {
	secret  []byte
	names   []string
	digests [][sha256.Size]byte // of the same order
}

func (b *bearerAuth) digest(key string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, b.secret)
	h.Write([]byte(key))
	return [sha256.Size]byte(h.Sum(nil))
}

func (b *bearerAuth) identify(r *http.Request) (caller, error) {
	token, err := bearerToken(r)
	if err != nil {
		return caller{}, err
	}
	sum, found := b.digest(token), -1
	for i := range b.digests { // all of them, always
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], b.digests[i][:]), i, found)
	}
	if found < 0 {
		return caller{}, fmt.Errorf("%w: no key is this one", errInvalidToken)
	}
	return caller{application: b.names[found]}, nil
}

func (*bearerAuth) scheme() scheme { return scheme{mode: ModeBearer} }
