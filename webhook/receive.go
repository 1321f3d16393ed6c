package webhook

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/twilio/twilio-go/client"

	"flexbridge/bridge"
)

const (
	// maxBody is the largest body that is read, in bytes. A chat message has at most
	// 32 KB of text and 4 KB of attributes (Twilio's Conversations limits page), and
	// each byte may take three when it is percent-encoded.
	maxBody = 256 << 10
	// maxFields is the largest number of names in a form; Twilio's have some 30. A full
	// body of nothing but names would become a map of 60 000, before it is known who
	// sent it.
	maxFields = 100
)

const (
	signatureHeader = "X-Twilio-Signature"
	bodyHash        = "bodySHA256" // in the query of what has no form: JSON, signed by its hash
)

// post is what was posted.
type post struct {
	query     url.Values
	body      []byte
	form      url.Values // that of the body
	malformed error      // of reading it
}

// receive takes one request through every check, the cheap ones first: nothing is
// read for a stranger and nothing is looked at that is not signed, unless we observe.
// The error, which is for the log only, says more about the outcome. What else is
// found out goes into the receipt.
func (h *Handler) receive(c echo.Context, receipt *Receipt) (Outcome, error) {
	r := c.Request()
	if r.Method != http.MethodPost {
		return WrongMethod, fmt.Errorf("method %.16q", r.Method)
	}
	if r.Header.Get(signatureHeader) == "" && !h.observe {
		return Unsigned, nil
	}
	p, outcome, err := read(c)
	if err != nil {
		return outcome, err
	}
	doubt := h.doubt(r, p)
	if doubt != "" && !h.observe {
		return doubt, nil
	}
	event, outcome, err := h.event(p, receipt)
	if _, refused := refusals[outcome]; refused || outcome == Foreign {
		return outcome, err
	}
	if event.Conversation == "" {
		return cmp.Or(doubt, outcome), nil
	}
	if doubt != "" {
		h.deliverer.Hint(r.Context(), event.Conversation)
		return doubt, nil
	}
	if err := h.deliverer.Deliver(r.Context(), event); err != nil {
		return NotKept, fmt.Errorf("delivering an event of %s: %w", event.Conversation, err)
	}
	return outcome, nil
}

// read reads what was posted; the outcome is that of an error.
func read(c echo.Context) (p post, _ Outcome, err error) {
	r := c.Request()
	if r.ContentLength > maxBody {
		return p, TooLarge, fmt.Errorf("%d bytes are announced", r.ContentLength)
	}
	p.body, err = io.ReadAll(http.MaxBytesReader(c.Response().Writer, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return p, TooLarge, err
	}
	if err != nil {
		return p, Unread, err
	}
	if fields := bytes.Count(p.body, []byte("&")) + 1; fields > maxFields {
		return p, TooLarge, fmt.Errorf("%d fields", fields)
	}
	p.query = r.URL.Query()
	// Not Request.FormValue, which would mix in the URL's query.
	p.form, p.malformed = url.ParseQuery(string(p.body))
	return p, "", nil
}

// doubt is why the signature does not prove that Twilio sent the request, or
// empty. The host and scheme are those of the configuration, because the request's
// own are whatever the last proxy or an attacker wrote there.
func (h *Handler) doubt(r *http.Request, p post) Outcome {
	signature := r.Header.Get(signatureHeader)
	if signature == "" {
		return Unsigned
	}
	address := h.publicURL + r.URL.RequestURI()
	genuine := func(v client.RequestValidator) bool { return v.ValidateBody(address, p.body, signature) }
	if p.malformed == nil && !p.query.Has(bodyHash) {
		// That would read the form again, and copy all that stands before each name. To the
		// signature the names and values are one text: as one parameter it is copied once.
		params := map[string]string{"": p.signed()}
		genuine = func(v client.RequestValidator) bool { return v.Validate(address, params, signature) }
	}
	if slices.ContainsFunc(h.validators, genuine) {
		return ""
	}
	return Forged
}

// signed is what the signature is made over, but for the URL: each name and its first
// value, sorted by name.
func (p post) signed() string {
	names := slices.AppendSeq(make([]string, 0, len(p.form)), maps.Keys(p.form))
	slices.Sort(names)
	var text strings.Builder
	text.Grow(len(p.body))
	for _, name := range names {
		text.WriteString(name)
		text.WriteString(p.form.Get(name))
	}
	return text.String()
}

// event is what a request tells. It has a conversation only if that is to be
// passed on; the outcome says what it is, or why not.
func (h *Handler) event(p post, receipt *Receipt) (bridge.Event, Outcome, error) {
	if p.query.Has(bodyHash) {
		return bridge.Event{}, JSONEvent, nil
	}
	if p.malformed != nil {
		return bridge.Event{}, Malformed, fmt.Errorf("reading the form: %w", p.malformed)
	}
	// Only the first value is under the signature: anybody may append another to a
	// captured request.
	for name, values := range p.form {
		if len(values) > 1 {
			return bridge.Event{}, RepeatedName, fmt.Errorf("a name is repeated: %.40q, %d times", name, len(values))
		}
	}
	if p.form.Get(accountSID) != h.accountSID {
		return bridge.Event{}, OtherAccount, nil
	}
	receipt.Type = typeOf(p.form)
	event, outcome, err := translate(p.form, time.Now())
	// The tag stands in the URLs of the hooks we register; a hook that was set up
	// in the Console has none.
	if event.Conversation != "" && p.query.Has(bridge.HookParam) {
		if !h.keys.IsHookTag(event.Conversation, p.query.Get(bridge.HookParam)) {
			return bridge.Event{}, Foreign, nil
		}
		event.Ours = true
	}
	receipt.of(event)
	return event, outcome, err
}
