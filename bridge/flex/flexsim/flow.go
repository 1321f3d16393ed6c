package flexsim

// bot is the author of what a Studio flow says.
const bot = "Bot"

// flow runs a Studio flow on a message, until it has sent the conversation to
// Flex, which it does once. It is called with the mutex held.
func (s *Sim) flow(c *Conversation, hook Hook, customer string) {
	f := s.flowOf(hook.FlowSID)
	if c.sent || f == nil {
		return
	}
	trigger, _ := f.running.state(f.running.InitialState)
	state, ok := f.running.after(trigger, "incomingConversationMessage")
	if ok && s.config.Greeting != "" {
		s.botSays(c, s.config.Greeting)
	}
	// No flow is longer than its states, unless it goes in circles.
	for range f.running.States {
		event := ""
		switch {
		case !ok:
			return
		case state.Type == "send-message":
			s.botSays(c, state.text("body"))
			event = "sent"
		case state.Type == "send-to-flex" && s.routable(state.text("workflow"), state.text("channel")):
			s.sendToFlex(c, customer)
			event = "callComplete"
		case state.Type == "send-to-flex":
			event = "failedToEnqueue"
		}
		state, ok = f.running.after(state, event)
	}
}

func (s *Sim) botSays(c *Conversation, text string) {
	_, _ = s.say(c, Message{Author: bot, Text: text}, quiet) // the conversation is open
}

func (s *Sim) sendToFlex(c *Conversation, customer string) {
	c.sent = true
	s.raise(c, Task{
		SID: s.sid("WT"), Customer: customer,
		Attributes: attributesOf(c.SID, s.sid("KD"), s.sid("UO"), map[string]any{
			"channelType": "web", "customerAddress": customer, "from": customer, "name": customer, "customerName": customer,
		}),
	})
}

// StudioSay posts a message of a Studio widget: nobody's participant wrote it,
// and it fires no webhook.
func (s *Sim) StudioSay(conversation, text string) (Message, error) {
	return s.sayAs(conversation, bot, text, quiet)
}

// BotSay posts a message by the REST API with webhooks enabled, as a bot does.
func (s *Sim) BotSay(conversation, author, text string) (Message, error) {
	return s.sayAs(conversation, author, text, actor{source: "API"})
}

func (s *Sim) sayAs(conversation, author, text string, by actor) (said Message, err error) {
	err = s.in(conversation, func(c *Conversation) (p *problem) {
		said, p = s.say(c, Message{Author: author, Text: text}, by)
		return p
	})
	return said, err
}
