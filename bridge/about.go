package bridge

// About is what is known of a question's circumstances. It reaches routing and
// agents, and only with a question that opens a conversation. It identifies nobody,
// and is not to be believed: callers say it. The mailbox does not keep it.
type About struct {
	Channel Channel
	Locale  string            // of the user, a language tag (BCP 47); empty: not said
	Context map[string]string // the caller's own; nil: nothing
}

// Channel is the way a question came.
type Channel string

const (
	ByAPI Channel = "api"
	ByMCP Channel = "mcp"
)
