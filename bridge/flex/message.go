package flex

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	twilio "github.com/twilio/twilio-go/rest/conversations/v1"

	"flexbridge/bridge"
)

// messagePage is the longest page of messages.
const messagePage = 100

// attributes are what we write into a customer's message.
type attributes struct {
	Nonce string `json:"flexbridge_nonce"`
}

// Say posts a message, as bridge.Desk says. It fires webhooks, as the flow that
// brings the agent starts on one.
func (d *Desk) Say(ctx context.Context, conversation string, u bridge.Utterance) (bridge.Message, error) {
	marked, err := json.Marshal(attributes{Nonce: u.Nonce})
	if err != nil {
		return bridge.Message{}, err
	}
	params := new(twilio.CreateConversationMessageParams).
		SetAuthor(u.Customer.Identity()).
		SetBody(u.Text).
		SetAttributes(string(marked)).
		SetXTwilioWebhookEnabled(enabled)
	return write(ctx, d, opSay, "saying in "+conversation, func(t *trip) (bridge.Message, error) {
		said, err := t.api.CreateConversationMessage(url.PathEscape(conversation), params)
		if err == nil && value(said.Sid) == "" {
			err = errIncomplete
		}
		if err != nil {
			return bridge.Message{}, err
		}
		return bridge.Message{
			SID:    *said.Sid,
			Index:  said.Index,
			Kind:   bridge.FromCustomer,
			SentAt: value(said.DateCreated),
			Nonce:  u.Nonce,
		}, nil
	})
}

// page is a page of messages, newest first, and Twilio's time.
type page struct {
	*twilio.ListConversationMessageResponse
	at time.Time
}

// Since lists messages, as bridge.Desk says. Twilio cannot list from an Index on,
// so it goes back from the newest.
func (d *Desk) Since(ctx context.Context, conversation string, after int) (bridge.Listing, error) {
	what := "listing messages of " + conversation
	params := new(twilio.ListConversationMessageParams).SetOrder("desc").SetPageSize(messagePage)
	p, err := read(ctx, d, opLook, what, func(t *trip) (p page, err error) {
		p.ListConversationMessageResponse, err = t.api.PageConversationMessage(url.PathEscape(conversation), params, "", "")
		p.at, _ = http.ParseTime(t.header.Get("Date"))
		return p, err
	})
	listing := bridge.Listing{At: p.at}
	for err == nil {
		oldest := after + 1 // once it is seen, there is nothing more to find
		for _, m := range p.Messages {
			oldest = m.Index
			if m.Index > after && value(m.Sid) != "" {
				listing.Messages = append(listing.Messages, message(m))
			}
		}
		nextURL := value(p.Meta.NextPageUrl)
		if oldest <= after+1 || nextURL == "" {
			return ascending(listing), nil
		}
		p, err = read(ctx, d, opLook, what, func(t *trip) (p page, err error) {
			p.ListConversationMessageResponse, err = next[twilio.ListConversationMessageResponse](t, nextURL)
			return p, err
		})
	}
	return bridge.Listing{}, err
}

// ascending also drops what stands on two pages, because a new message pushed it
// to the next one in between.
func ascending(l bridge.Listing) bridge.Listing {
	slices.SortFunc(l.Messages, func(a, b bridge.Message) int { return cmp.Compare(a.Index, b.Index) })
	l.Messages = slices.CompactFunc(l.Messages, func(a, b bridge.Message) bool { return a.Index == b.Index })
	return l
}

// message reads Twilio's message. A person's has a participant; one by the API or
// a Studio flow has none ("Conversation Message Resource",
// twilio.com/docs/conversations/api/conversation-message-resource).
func message(m twilio.ConversationsV1ConversationMessage) bridge.Message {
	author, participant := value(m.Author), value(m.ParticipantSid)
	out := bridge.Message{
		SID:    value(m.Sid),
		Index:  m.Index,
		Kind:   bridge.KindOf(author, participant != ""),
		SentAt: value(m.DateCreated),
	}
	if out.Kind == bridge.FromCustomer {
		var marked attributes
		if json.Unmarshal([]byte(value(m.Attributes)), &marked) == nil {
			out.Nonce = marked.Nonce
		}
		return out // nobody needs to be told what the customer said
	}
	out.Author = bridge.DisplayName(author)
	out.Participant = participant
	out.Text = value(m.Body)
	out.Media = media(value(m.Media))
	return out
}

// media reads what can be read: a file whose description is odd is still a file.
func media(items []any) []bridge.Media {
	var files []bridge.Media
	for _, item := range items {
		fields, ok := item.(map[string]any)
		if !ok {
			continue
		}
		text := func(name string) string { s, _ := fields[name].(string); return s }
		file := bridge.Media{SID: text("sid"), Name: text("filename"), Type: text("content_type")}
		switch size := fields["size"].(type) {
		case float64:
			file.Size = int64(size)
		case string:
			file.Size, _ = strconv.ParseInt(size, 10, 64)
		}
		files = append(files, file)
	}
	return files
}
