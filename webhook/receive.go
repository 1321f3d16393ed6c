package webhook

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge"
)

const (
	// maxBody is the largest body that is read, in bytes. A chat message has at most
	// 32 KB of text and 4 KB of attributes (Twilio's Conversations limits page), and
	// each byte may take three when it is percent-encoded.
	maxBody = 256 << 10
	// maxFields is the largest number of names in a form; Twilio's have some 30.
	// RequestValidator copies all that stands before each, so that a full body of
	// nothing but names would take seconds.
	maxFields = 100
)

const signatureHeader = "X-Twilio-Signature"

// receive takes one request through every check, the cheap ones first: nothing is
// read for a stranger and nothing is parsed that is not signed, unless we observe.
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
	body, outcome, err := read(c)
	if err != nil {
		return outcome, err
	}
	doubt := h.doubt(r, body)
	if doubt != "" && !h.observe {
		return doubt, nil
	}
	event, outcome, err := h.event(r, body, receipt)
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

// read reads the body; the outcome is that of an error.
func read(c echo.Context) ([]byte, Outcome, error) {
	r := c.Request()
	if r.ContentLength > maxBody {
		return nil, TooLarge, fmt.Errorf("%d bytes are announced", r.ContentLength)
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response().Writer, r.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, TooLarge, err
	}
	if err != nil {
		return nil, Unread, err
	}
	if fields := bytes.Count(body, []byte("&")) + 1; fields > maxFields {
		return nil, TooLarge, fmt.Errorf("%d fields", fields)
	}
	return body, "", nil
}

// doubt is why the signature does not prove that Twilio sent the request, or
// empty. The host and scheme are those of the configuration, because the request's
// own are whatever the last proxy or an attacker wrote there.
func (h *Handler) doubt(r *http.Request, body []byte) Outcome {
	signature := r.Header.Get(signatureHeader)
	if signature == "" {
		return Unsigned
	}
	address := h.publicURL + r.URL.RequestURI()
	for i := range h.validators {
		if h.validators[i].ValidateBody(address, body, signature) {
			return ""
		}
	}
	return Forged
}

// event is what a request tells. It has a conversation only if that is to be
// passed on; the outcome says what it is, or why not.
func (h *Handler) event(r *http.Request, body []byte, receipt *Receipt) (bridge.Event, Outcome, error) {
	query := r.URL.Query()
	if query.Has("bodySHA256") {
		return bridge.Event{}, JSONEvent, nil
	}
	form, err := parseForm(body)
	if errors.Is(err, errRepeated) {
		return bridge.Event{}, RepeatedName, err
	}
	if err != nil {
		return bridge.Event{}, Malformed, err
	}
	if form[accountSID] != h.accountSID {
		return bridge.Event{}, OtherAccount, nil
	}
	receipt.Type = typeOf(form)
	event, outcome, err := translate(form, time.Now())
	// The tag stands in the URLs of the hooks we register; a hook that was set up
	// in the Console has none.
	if event.Conversation != "" && query.Has(bridge.HookParam) {
		if !h.keys.IsHookTag(event.Conversation, query.Get(bridge.HookParam)) {
			return bridge.Event{}, Foreign, nil
		}
		event.Ours = true
	}
	receipt.of(event)
	return event, outcome, err
}

var errRepeated = errors.New("a name is repeated")

// parseForm reads the body itself: Request.FormValue would mix in the URL's
// query. A repeated name is refused, since RequestValidator puts only the first
// value under the signature: anybody may append another to a captured request.
func parseForm(body []byte) (map[string]string, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fmt.Errorf("reading the form: %w", err)
	}
	form := make(map[string]string, len(values))
	for name, v := range values {
		if len(v) != 1 {
			return nil, fmt.Errorf("%w: %.40q, %d times", errRepeated, name, len(v))
		}
		form[name] = v[0]
	}
	return form, nil
}
