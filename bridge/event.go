package bridge

// Event is what the desk reports by itself. Exactly one of Message, Joined,
// Left and Closed says what happened.
type Event struct {
	Conversation string
	// Ours: the event came over a hook that we registered for this conversation.
	// Any other event counts only in conversations that the mailbox knows.
	Ours    bool
	Message *Message
	Joined  *Participant
	Left    *Participant
	Closed  bool
}

// Participant is somebody in a conversation.
type Participant struct {
	SID      string
	Identity string // chat identity; empty for somebody on SMS or the like
}
