package flexsim

import (
	"slices"
	"time"
)

// The states of a conversation; closed is final.
const (
	Active   = "active"
	Inactive = "inactive"
	Closed   = "closed"
)

// Conversation is a conversation with all that is in it.
type Conversation struct {
	SID, UniqueName, FriendlyName string
	Attributes                    string // JSON; {} when unset
	State                         string
	Created, Updated              time.Time
	Participants                  []Participant // who are in it now
	Messages                      []Message     // ascending
	Hooks                         []Hook        // scoped webhooks

	next     int    // Index of the next message
	sent     bool   // to Flex, by a flow
	customer string // identity, once it is at Flex
	left     bool   // by the last agent, until the customer writes again
	timers   timers
}

// Participant is a chat participant.
type Participant struct {
	SID, Identity    string
	Attributes       string
	Created, Updated time.Time
}

// Message is a message, as an agent sees it.
type Message struct {
	SID, Conversation string
	Index             int
	Author            string
	Participant       string // SID; empty for who is none, such as a flow
	Text              string
	Attributes        string
	Media             []Media
	Created           time.Time
}

// Media is a file in a message.
type Media struct {
	SID, Name, Type string
	Size            int64  // bytes
	Data            string // what is in it, Size bytes; empty: see [Content]
}

// Hook is a scoped webhook.
type Hook struct {
	SID     string
	Target  string // webhook or studio
	URL     string // of target webhook
	FlowSID string // of target studio
	Filters []string
	Created time.Time
}

// Conversation returns a copy of the conversation as it is now.
func (s *Sim) Conversation(sid string) (Conversation, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(sid)
	if c == nil {
		return Conversation{}, false
	}
	return c.copy(), true
}

// Conversations returns copies of all conversations, in order of creation.
func (s *Sim) Conversations() []Conversation {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Conversation, len(s.conversations))
	for i, c := range s.conversations {
		all[i] = c.copy()
	}
	return all
}

// SkipIndex leaves n numbers out before the conversation's next message: "indices
// may skip numbers" (Conversation Message Resource).
func (s *Sim) SkipIndex(conversation string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.find(conversation); c != nil {
		c.next += n
	}
}

// find is the conversation with the SID, or nil. It is called with the mutex held.
func (s *Sim) find(sid string) *Conversation {
	if c := s.byName[sid]; c != nil && c.SID == sid {
		return c
	}
	return nil
}

func (c *Conversation) copy() Conversation {
	d := *c
	d.Participants = slices.Clone(c.Participants)
	d.Messages = slices.Clone(c.Messages)
	d.Hooks = slices.Clone(c.Hooks)
	return d
}

// participant is the index of the participant with the identity or SID, or -1.
func (c *Conversation) participant(name string) int {
	return slices.IndexFunc(c.Participants, func(p Participant) bool {
		return p.Identity == name || p.SID == name
	})
}
