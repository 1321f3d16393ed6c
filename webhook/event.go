package webhook

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"flexbridge/bridge"
)

// The names and values of Twilio's forms, which nothing else in the program
// knows. Source: Twilio's page "Conversations Webhooks". Values are strings, more
// names may come without notice, and EventType and Source have values that are
// not documented.
const (
	accountSID      = "AccountSid"
	eventType       = "EventType"
	conversationSID = "ConversationSid"
	participantSID  = "ParticipantSid"
	messageSID      = "MessageSid"

	onMessageAdded             = "onMessageAdded"
	onParticipantAdded         = "onParticipantAdded"
	onParticipantRemoved       = "onParticipantRemoved"
	onConversationStateUpdated = "onConversationStateUpdated"

	// A person acted through an SDK, as agents do in Flex; what comes over REST is
	// "API".
	sourceSDK = "SDK"
)

var (
	conversationForm = regexp.MustCompile(`^CH[0-9a-fA-F]{32}$`)
	messageForm      = regexp.MustCompile(`^IM[0-9a-fA-F]{32}$`)
	participantForm  = regexp.MustCompile(`^MB[0-9a-fA-F]{32}$`)
	indexForm        = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})$`) // below 1e9, as a cursor has it
)

// translate turns the form of a webhook that came at now into an event. The
// outcome is one of the kept ones, [OtherEvent] or [Malformed]; the last has an
// error. What decides whose and which event it is must be of its form; what only
// describes it, such as a date or a file's size, never costs the event.
func translate(form url.Values, now time.Time) (bridge.Event, Outcome, error) {
	e := bridge.Event{Conversation: form.Get(conversationSID)}
	var outcome Outcome
	var err error
	switch form.Get(eventType) {
	case onMessageAdded:
		outcome = MessageAdded
		e.Message, err = message(form, now)
	case onParticipantAdded:
		outcome = ParticipantAdded
		e.Joined, err = participant(form)
	case onParticipantRemoved:
		outcome = ParticipantRemoved
		e.Left, err = participant(form)
	case onConversationStateUpdated:
		if form.Get("StateTo") != "closed" {
			return bridge.Event{}, OtherEvent, nil
		}
		outcome = ConversationClosed
		e.Closed = true
	default:
		return bridge.Event{}, OtherEvent, nil
	}
	if err == nil && !conversationForm.MatchString(e.Conversation) {
		err = fmt.Errorf("%s is %.40q", conversationSID, e.Conversation)
	}
	if err != nil {
		return bridge.Event{}, Malformed, err
	}
	return e, outcome, nil
}

func message(form url.Values, now time.Time) (*bridge.Message, error) {
	sid, index, author := form.Get(messageSID), form.Get("Index"), form.Get("Author")
	if !messageForm.MatchString(sid) {
		return nil, fmt.Errorf("%s is %.40q", messageSID, sid)
	}
	if !indexForm.MatchString(index) {
		return nil, fmt.Errorf("the message's Index is %.40q", index)
	}
	number, _ := strconv.Atoi(index)
	m := &bridge.Message{
		SID:    sid,
		Index:  number,
		Kind:   bridge.KindOf(author, form.Get("Source") == sourceSDK),
		Author: valid(bridge.DisplayName(author)),
		Text:   valid(form.Get("Body")),
		SentAt: sentAt(form.Get("DateCreated"), now),
		Media:  media(form.Get("Media")),
	}
	// Some custom channels put the author's identity here.
	if p := form.Get(participantSID); participantForm.MatchString(p) {
		m.Participant = p
	}
	return m, nil
}

func participant(form url.Values) (*bridge.Participant, error) {
	sid := form.Get(participantSID)
	if !participantForm.MatchString(sid) {
		return nil, fmt.Errorf("%s is %.40q", participantSID, sid)
	}
	return &bridge.Participant{SID: sid, Identity: valid(form.Get("Identity"))}, nil
}

// sentAt reads ISO 8601 with or without milliseconds, and takes the arrival's
// time for what it cannot read.
func sentAt(date string, now time.Time) time.Time {
	t, err := time.Parse(time.RFC3339, date)
	if err != nil {
		return now.UTC()
	}
	return t.UTC()
}

// media reads the JSON list of files that came with a message. Webhooks spell
// the names Sid and ContentType, REST sid and content_type, Event Streams
// MediaSid; encoding/json does not look at case. A list or an item that cannot be
// read still is a file, so that nobody is left without a sign of it.
func media(list string) []bridge.Media {
	if list == "" {
		return nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal([]byte(list), &items); err != nil {
		return []bridge.Media{{}}
	}
	var files []bridge.Media
	for _, item := range items {
		files = append(files, file(item))
	}
	return files
}

func file(item json.RawMessage) bridge.Media {
	var names struct {
		Sid, MediaSid, Filename, ContentType string
		RESTContentType                      string `json:"content_type"`
		Size                                 json.Number
	}
	// A field of the wrong type is left empty, the others are read all the same.
	_ = json.Unmarshal(item, &names)
	f := bridge.Media{SID: names.Sid, Name: names.Filename, Type: names.ContentType}
	if f.SID == "" {
		f.SID = names.MediaSid
	}
	if f.Type == "" {
		f.Type = names.RESTContentType
	}
	if size, err := names.Size.Int64(); err == nil && size > 0 {
		f.Size = size
	}
	return f
}

func valid(s string) string {
	return strings.ToValidUTF8(s, string(unicode.ReplacementChar))
}
