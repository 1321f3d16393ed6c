package bridge

import "time"

// Status is how a wait ended.
type Status string

const (
	Replied Status = "replied" // with the reply that was waited for
	Pending Status = "pending" // none yet: ask again with the cursor
	Closed  Status = "closed"  // and none will come in this conversation
	// Unavailable: no agent has come to this conversation, and none will.
	Unavailable Status = "unavailable"
)

// AgentState tells where the agents are.
type AgentState string

const (
	AgentWaiting AgentState = "waiting" // none has come yet
	AgentJoined  AgentState = "joined"  // at least one is in the conversation
	AgentLeft    AgentState = "left"    // all who came have left
)

// Answer is what a caller gets. Messages holds every reply after the caller's
// cursor, in order, and may be non-empty with any status; Cursor stands at the
// last of what the caller has now seen, and is zero only if nothing was ever
// said.
type Answer struct {
	Status   Status
	Messages []Message
	Cursor   Cursor
	Agent    AgentState
	// WaitingSince is when the first question was said, by the desk's clock, that no
	// agent has written after; whatever an agent wrote counts, a greeting does not.
	// It is zero when there is none, while an agent is in, and once nobody is
	// expected to answer: the conversation is closing or nobody comes to it.
	WaitingSince time.Time
	// OffShift: while it is waiting, nobody was on shift within the last minute, as
	// far as the desk tells. The question stands, and whoever comes finds it.
	OffShift bool
	// Conversation is the one that was read last, for the log; empty if there is none.
	Conversation string
	More         bool // replies are left that did not fit; they follow the cursor

	written func() // what is to be remembered once the answer reached its caller; may be nil
}

// MaxText is how much text one answer carries, in characters. GPT Actions allow
// 100 000 for the whole body. The first message is always whole.
const MaxText = 60_000

// mediaText is what a file counts for in that: its name, type and link.
const mediaText = 500

// Written is to be called once the answer was written to its caller without an
// error. Only then is it remembered as told.
func (a Answer) Written() {
	if a.written != nil {
		a.written()
	}
}
