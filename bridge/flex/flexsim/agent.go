package flexsim

import (
	"fmt"
	"strings"
)

// Agent is a person in Flex. Its actions come from an SDK, so they fire webhooks.
// Its methods are errors when the conversation is gone or closed.
type Agent struct {
	sim      *Sim
	identity string
}

// Agent is the agent with this e-mail address. All with one address are the same.
func (s *Sim) Agent(email string) *Agent { return &Agent{sim: s, identity: escape(email)} }

// escape makes a chat identity of an e-mail address, as Flex does:
// "ann.veal@example.com" is "ann_2Eveal_40example_2Ecom".
func escape(email string) string {
	var b strings.Builder
	for i := 0; i < len(email); i++ {
		c := email[i]
		if '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02X", c)
		}
	}
	return b.String()
}

// Identity is the agent's chat identity.
func (a *Agent) Identity() string { return a.identity }

// Join accepts the conversation's task: the agent becomes a participant. It is no
// error to be in already.
func (a *Agent) Join(conversation string) error {
	return a.in(conversation, func(c *Conversation) *problem {
		if c.participant(a.identity) >= 0 {
			return nil
		}
		_, p := a.sim.join(c, a.identity, "", a.flex())
		if p == nil {
			a.sim.moved(c, Assigned, Pending, Reserved)
		}
		return p
	})
}

// Say says the text in the conversation, and joins it before that if need be.
func (a *Agent) Say(conversation, text string) (Message, error) {
	return a.say(conversation, Message{Text: text})
}

// SendMedia sends a file of size bytes, without text.
func (a *Agent) SendMedia(conversation, name, contentType string, size int64) (Message, error) {
	return a.Send(conversation, "", Media{Name: name, Type: contentType, Size: size})
}

// Send says the text, which may be empty, and sends files along. Their SIDs are
// made, as is what is in them, see [Content].
func (a *Agent) Send(conversation, text string, files ...Media) (Message, error) {
	return a.say(conversation, Message{Text: text, Media: files})
}

func (a *Agent) say(conversation string, m Message) (said Message, err error) {
	if err := a.Join(conversation); err != nil {
		return Message{}, err
	}
	err = a.in(conversation, func(c *Conversation) (p *problem) {
		m.Author = a.identity
		said, p = a.sim.say(c, m, actor{source: "SDK", identity: a.identity})
		return p
	})
	return said, err
}

// Leave removes the agent from the conversation, which stays open. It becomes
// inactive when that was the last one and Flex had sent the agents there: what the
// customer says next raises a new task.
func (a *Agent) Leave(conversation string) error {
	return a.in(conversation, func(c *Conversation) *problem {
		p := a.sim.leave(c, a.identity, a.flex())
		if p == nil {
			a.sim.vacate(c, a.flex())
		}
		return p
	})
}

// Close ends the conversation for good, as "End chat" does in Flex.
func (a *Agent) Close(conversation string) error {
	return a.in(conversation, func(c *Conversation) *problem {
		if c.State == Closed {
			return problemClosed
		}
		a.sim.moved(c, Wrapping, Assigned)
		a.sim.become(c, Closed, "API", a.flex())
		return nil
	})
}

// flex is who does what Flex does for the agent.
func (a *Agent) flex() actor {
	if a.sim.config.QuietFlex {
		return quiet
	}
	return actor{source: "SDK", identity: a.identity}
}

// in runs f in the conversation.
func (a *Agent) in(conversation string, f func(*Conversation) *problem) error {
	return a.sim.in(conversation, f)
}

func (s *Sim) in(conversation string, f func(*Conversation) *problem) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(conversation)
	if c == nil {
		return problemNoConversation
	}
	if p := f(c); p != nil {
		return p // not nil as an error
	}
	return nil
}
