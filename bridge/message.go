package bridge

import (
	"encoding/hex"
	"strings"
	"time"
	"unicode"
)

// Kind tells whose a message is.
type Kind string

const (
	FromCustomer Kind = "customer"  // the customer's own
	FromAgent    Kind = "agent"     // a person's at the desk
	Automatic    Kind = "automatic" // anything else: a greeting of the flow, the system
)

// KindOf tells whose a message is from its author's chat identity and from
// whether the desk says that a person at it wrote the message.
func KindOf(author string, person bool) Kind {
	if _, ours := CustomerOf(author); ours {
		return FromCustomer
	}
	if person {
		return FromAgent
	}
	return Automatic
}

// Message is one message of a conversation, as the mailbox keeps it. Of a
// customer's own message only SID, Index, Kind, SentAt and Nonce are kept.
type Message struct {
	SID         string    `json:"sid"`
	Index       int       `json:"index"`
	Kind        Kind      `json:"kind"`
	Author      string    `json:"author,omitempty"`      // the name to show, see DisplayName
	Participant string    `json:"participant,omitempty"` // SID of the author's participant, if known
	Text        string    `json:"text,omitempty"`
	SentAt      time.Time `json:"sent_at"`
	Media       []Media   `json:"media,omitempty"`
	Nonce       string    `json:"nonce,omitempty"` // the mark we said it under, see Utterance
	// HeardAt is when its report came in, by the clock of the process that took it;
	// zero if a look found it first.
	HeardAt time.Time `json:"heard_at,omitzero"`
	// Trace tells, to whoever follows requests, which one brought the message; opaque
	// here, and empty if nobody follows.
	Trace string `json:"trace,omitempty"`
}

// Media describes a file that came with a message.
type Media struct {
	SID  string `json:"sid"`
	Name string `json:"name,omitempty"`
	Type string `json:"type,omitempty"`
	Size int64  `json:"size"` // bytes
}

// reply reports whether a caller waits for such a message.
func (m Message) reply() bool { return m.Kind != FromCustomer }

// DisplayName turns a chat identity into the name callers see. Flex makes an
// agent's identity from the e-mail address, with _40 for @ and _2E for dots; the
// address itself is nobody's business, so "ann_2Eveal_40example_2Ecom" becomes
// "Ann Veal". Any other identity is its own name.
func DisplayName(identity string) string {
	local, _, isMail := strings.Cut(unescapeIdentity(identity), "@")
	if !isMail {
		return identity
	}
	words := strings.FieldsFunc(local, func(r rune) bool { return strings.ContainsRune("._-+", r) })
	for i, w := range words {
		first, rest := []rune(w)[:1], []rune(w)[1:]
		words[i] = strings.ToUpper(string(first)) + string(rest)
	}
	return strings.Join(words, " ")
}

// unescapeIdentity undoes Flex's escape, an underscore and the two hex digits of
// a byte. What is no escape stays as it is.
func unescapeIdentity(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '_' && i+2 < len(s) {
			if octet, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b.Write(octet)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return strings.ToValidUTF8(b.String(), string(unicode.ReplacementChar))
}
