package webhook

import (
	"log/slog"
	"net/http"
	"slices"
)

// Outcome is what became of a webhook.
type Outcome string

const (
	// Kept by the bridge, by what had happened; answered 204.
	MessageAdded       Outcome = "message_added"
	ParticipantAdded   Outcome = "participant_added"
	ParticipantRemoved Outcome = "participant_removed"
	ConversationClosed Outcome = "conversation_closed"

	// Acknowledged and dropped; answered 204.
	OtherEvent Outcome = "other_event" // an event or a state that nobody waits for
	JSONEvent  Outcome = "json_event"  // signed, but not a Conversations webhook
	Foreign    Outcome = "foreign"     // the hook's tag is not ours: another deployment's

	// Refused; the two marked are answered 204 under [Config.Observe].
	WrongMethod  Outcome = "wrong_method"  // 405
	Unsigned     Outcome = "unsigned"      // 403 (*): no signature
	TooLarge     Outcome = "too_large"     // 413
	Unread       Outcome = "unread"        // 408: the body did not come whole and in time
	Forged       Outcome = "forged"        // 403 (*): a signature that does not match
	RepeatedName Outcome = "repeated_name" // 400: its second value is not under the signature
	Malformed    Outcome = "malformed"     // 400
	OtherAccount Outcome = "other_account" // 403
	NotKept      Outcome = "not_kept"      // 503
)

var outcomes = []Outcome{
	MessageAdded, ParticipantAdded, ParticipantRemoved, ConversationClosed,
	OtherEvent, JSONEvent, Foreign,
	WrongMethod, Unsigned, TooLarge, Unread, Forged, RepeatedName, Malformed, OtherAccount, NotKept,
}

// Outcomes lists all of them.
func Outcomes() []Outcome { return slices.Clone(outcomes) }

// unproved reports whether nothing but the proof is missing that Twilio sent it.
func (o Outcome) unproved() bool { return o == Unsigned || o == Forged }

// refusals tells how each refusal is answered. The text is for the operator, who
// meets it in Twilio's debugger.
var refusals = map[Outcome]struct {
	status int
	level  slog.Level
	text   string
}{
	WrongMethod: {http.StatusMethodNotAllowed, slog.LevelWarn,
		"Webhooks are accepted as POST only: set the hook's method to POST."},
	Unsigned: {http.StatusForbidden, slog.LevelInfo,
		"The X-Twilio-Signature header is missing."},
	TooLarge: {http.StatusRequestEntityTooLarge, slog.LevelWarn,
		"The body is larger than any Conversations webhook."},
	Unread: {http.StatusRequestTimeout, slog.LevelWarn,
		"The body did not arrive whole and in time."},
	Forged: {http.StatusForbidden, slog.LevelWarn,
		"The signature does not match. It is made with the account's auth token over the hook's URL as Twilio knows it: compare both with PUBLIC_URL and TWILIO_AUTH_TOKEN."},
	RepeatedName: {http.StatusBadRequest, slog.LevelWarn,
		"The form has a name twice, and a signature covers only one of its values."},
	Malformed: {http.StatusBadRequest, slog.LevelWarn,
		"The form is not that of a Conversations webhook."},
	OtherAccount: {http.StatusForbidden, slog.LevelWarn,
		"The event is of another account."},
	NotKept: {http.StatusServiceUnavailable, slog.LevelError,
		"The event could not be kept now."},
}
