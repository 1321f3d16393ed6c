package api

import (
	"fmt"
	"regexp"
)

// What callers may send. The OpenAPI document repeats these numbers, and a test
// holds it to them.
const (
	minUsername = 16
	maxUsername = 128
	minDistinct = 8 // different characters of a username: it is to be hard to guess

	// A character takes at most four bytes of UTF-8, so this many always fit the
	// 32 KB of a chat message (Twilio's Conversations limits page).
	maxText = 8_000

	maxKey  = 128
	maxMeta = 256 // characters of what an MCP client says of its user

	maxCursor = 24  // characters: two numbers of nine digits, and a tag
	maxWait   = 300 // seconds; longer than any Wait, so that every client may ask for its own

	// GPT Actions send less than 100 000 characters ("GPT Actions: production
	// notes"), and what they send is ASCII for the most part.
	maxRequest = 100_000 // bytes
)

var (
	usernameForm = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9._~-]{%d,%d}$`, minUsername, maxUsername))
	keyForm      = regexp.MustCompile(fmt.Sprintf(`^[ -~]{1,%d}$`, maxKey))
	waitForm     = regexp.MustCompile(`^[0-9]{1,3}$`)
)

// What is said to a caller who did not keep to them.
var (
	allowedUsername = fmt.Sprintf("%d to %d characters of A-Z a-z 0-9 . _ ~ -, at least %d of them different; make up a random one and keep it for the whole conversation", minUsername, maxUsername, minDistinct)
	allowedText     = fmt.Sprintf("required: text of 1 to %d characters, not only white space or characters that nobody sees", maxText)
	allowedKey      = fmt.Sprintf("1 to %d printable ASCII characters", maxKey)
	allowedWait     = fmt.Sprintf("a whole number of seconds from 0 to %d", maxWait)
)
