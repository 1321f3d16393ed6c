package api

import (
	"cmp"
	"strings"
	"time"

	"flexbridge/bridge"
)

// answer is the one shape of all answers.
type answer struct {
	Status   bridge.Status     `json:"status"`
	Messages []message         `json:"messages"` // never null
	Cursor   string            `json:"cursor"`
	Agent    bridge.AgentState `json:"agent"`
	Next     string            `json:"next"`
}

type message struct {
	ID     string      `json:"id"`
	Kind   bridge.Kind `json:"kind"`
	Author string      `json:"author"`
	Text   string      `json:"text"`
	SentAt string      `json:"sent_at"` // RFC 3339, UTC, whole seconds
	Media  []media     `json:"media,omitempty"`
}

type media struct {
	Name string `json:"name,omitempty"`
	Type string `json:"type,omitempty"`
	Size int64  `json:"size"` // bytes; 0 when it is not known
	URL  string `json:"url,omitempty"`
}

// newAnswer shapes an answer; link makes the URL of a file, or none.
func newAnswer(a bridge.Answer, link func(bridge.Media) string) answer {
	messages := make([]message, 0, len(a.Messages))
	for _, m := range a.Messages {
		messages = append(messages, newMessage(m, link))
	}
	return answer{
		Status:   a.Status,
		Messages: messages,
		Cursor:   a.Cursor.String(),
		Agent:    cmp.Or(a.Agent, bridge.AgentWaiting),
		Next:     next(a),
	}
}

func newMessage(m bridge.Message, link func(bridge.Media) string) message {
	var files []media
	for _, f := range m.Media {
		files = append(files, media{Name: f.Name, Type: f.Type, Size: f.Size, URL: link(f)})
	}
	return message{
		ID:     m.SID,
		Kind:   m.Kind,
		Author: m.Author,
		Text:   m.Text,
		SentAt: m.SentAt.UTC().Format(time.RFC3339),
		Media:  files,
	}
}

// situations tell a model what to do next, by the first row that fits; an empty
// agent fits any. Each is one sentence about this moment, since agents come, go
// and come back. Where <after> stands the cursor is given, if there is one.
var situations = []struct {
	status bridge.Status
	agent  bridge.AgentState
	next   string
}{
	{bridge.Replied, "", "Go on with these replies; to wait for another call GET /replies/{username}<after>, to ask or say more call POST /send/{username}<after>."},
	{bridge.Pending, bridge.AgentJoined, "An agent is in the conversation and has not answered so far: do not send the question again, call GET /replies/{username}<after> to go on waiting."},
	{bridge.Pending, bridge.AgentLeft, "No agent is in the conversation just now, the question stands: do not send it again, call GET /replies/{username}<after> to go on waiting."},
	{bridge.Pending, "", "The question is with the desk and no agent has taken it so far: do not send it again, call GET /replies/{username}<after> to go on waiting."},
	{bridge.Closed, "", "The conversation has been closed: a question that is still open may be sent again with POST /send/{username}, which starts a new conversation."},
}

const (
	nextMore  = "Further replies are ready: call GET /replies/{username}<after> to read on."
	nextNever = "Nothing has been asked in this conversation yet: ask with POST /send/{username}."
)

func next(a bridge.Answer) string {
	text := ""
	switch {
	case a.More:
		text = nextMore
	case a.Status == bridge.Closed && a.Cursor.IsZero():
		text = nextNever
	default:
		for _, s := range situations {
			if s.status == a.Status && (s.agent == a.Agent || s.agent == "") {
				text = s.next
				break
			}
		}
	}
	after := ""
	if !a.Cursor.IsZero() {
		after = " with after=" + a.Cursor.String()
	}
	return strings.ReplaceAll(text, "<after>", after)
}
