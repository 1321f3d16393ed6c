package bridge

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
)

// Cursor is the place up to which a caller has seen replies. To callers it is
// opaque text, `<generation>-<Index>-<tag>`, in which the tag is four hex digits
// of the conversation's hash. It outlives the mailbox, the process and the
// conversation. The zero value is no cursor.
type Cursor struct {
	Generation int
	Index      int
	tag        string
}

// At is the cursor that stands at a message of a conversation. An Index of -1
// stands before the first.
func At(generation int, conversation string, index int) Cursor {
	return Cursor{Generation: generation, Index: index, tag: tagOf(conversation)}
}

// The numbers have at most nine digits, so that they fit an int anywhere.
var cursorForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})-(-1|0|[1-9][0-9]{0,8})-([0-9a-f]{4})$`)

// ParseCursor reads a cursor's text. Empty text is no cursor; text that is not
// of the form is [ErrInvalid].
func ParseCursor(text string) (Cursor, error) {
	if text == "" {
		return Cursor{}, nil
	}
	m := cursorForm.FindStringSubmatch(text)
	if m == nil {
		return Cursor{}, fmt.Errorf("%w: not a cursor; give back the `cursor` of an earlier answer unchanged, such as 0-3-9f2c", ErrInvalid)
	}
	generation, _ := strconv.Atoi(m[1])
	index, _ := strconv.Atoi(m[2])
	return Cursor{Generation: generation, Index: index, tag: m[3]}, nil
}

// String is the text that [ParseCursor] reads; empty for no cursor.
func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d-%d-%s", c.Generation, c.Index, c.tag)
}

// IsZero reports whether there is no cursor.
func (c Cursor) IsZero() bool { return c.tag == "" }

// Compare orders cursors by generation, then Index; no cursor comes first.
func (c Cursor) Compare(d Cursor) int {
	if c.IsZero() || d.IsZero() {
		return cmp.Compare(len(c.tag), len(d.tag))
	}
	return cmp.Or(cmp.Compare(c.Generation, d.Generation), cmp.Compare(c.Index, d.Index))
}

// MarshalText and UnmarshalText make the text the stored form, too.
func (c Cursor) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (c *Cursor) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCursor(string(text))
	return err
}

// in reports whether the cursor stands in this conversation, and not in another
// that a lost mailbox or another deployment gave the same generation.
func (c Cursor) in(conversation string) bool { return c.tag == tagOf(conversation) }

func tagOf(conversation string) string {
	sum := sha256.Sum256([]byte(conversation))
	return hex.EncodeToString(sum[:2])
}
