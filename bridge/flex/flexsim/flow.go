package flexsim

// bot is the author of what a Studio flow says.
const bot = "Bot"

// flow runs a Studio flow, if it is the one that sends to Flex, once in a
// conversation. It is called with the mutex held.
func (s *Sim) flow(c *Conversation, hook Hook, customer string) {
	if c.sent || hook.FlowSID != s.config.FlowSID {
		return
	}
	c.sent = true
	if s.config.Greeting != "" {
		_, _ = s.say(c, Message{Author: bot, Text: s.config.Greeting}, quiet) // the conversation is open
	}
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
