package webhook

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge"
)

// maxBody is the largest body that is read, in bytes. A chat message has at most
// 32 KB of text and 4 KB of attributes (Twilio's Conversations limits page), and
// each byte may take three when it is percent-encoded.
const maxBody = 256 << 10

const signatureHeader = "X-Twilio-Signature"

// receive takes one request through every check, the cheap ones first: nothing is
// read for a stranger and nothing is parsed that is not signed. The error, which
// is for the log only, says more about the outcome.
func (h *Handler) receive(c echo.Context) (Outcome, error) {
	r := c.Request()
	if r.Method != http.MethodPost {
		return WrongMethod, fmt.Errorf("method %s", r.Method)
	}
	if r.Header.Get(signatureHeader) == "" {
		return Unsigned, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return TooLarge, err
	}
	if err != nil {
		return Unread, err
	}
	if !h.signed(r, body) {
		return Forged, nil
	}
	if r.URL.Query().Has("bodySHA256") {
		return JSONEvent, nil
	}
	return h.accept(r, body)
}

// signed reports whether one of the tokens signed the request. The host and
// scheme are those of the configuration, because the request's own are whatever
// the last proxy or an attacker wrote there.
func (h *Handler) signed(r *http.Request, body []byte) bool {
	address := h.publicURL + r.URL.RequestURI()
	signature := r.Header.Get(signatureHeader)
	for i := range h.validators {
		if h.validators[i].ValidateBody(address, body, signature) {
			return true
		}
	}
	return false
}

// accept passes on what is signed.
func (h *Handler) accept(r *http.Request, body []byte) (Outcome, error) {
	form, err := parseForm(body)
	if err != nil {
		return Malformed, err
	}
	if form[accountSID] != h.accountSID {
		return OtherAccount, nil
	}
	event, outcome, err := translate(form, time.Now())
	if outcome == Malformed || outcome == OtherEvent {
		return outcome, err
	}
	// The tag stands in the URLs of the hooks we register; a hook that was set up
	// in the Console has none.
	if query := r.URL.Query(); query.Has(bridge.HookParam) {
		if !h.keys.IsHookTag(event.Conversation, query.Get(bridge.HookParam)) {
			return Foreign, nil
		}
		event.Ours = true
	}
	if err := h.deliverer.Deliver(r.Context(), event); err != nil {
		return NotKept, fmt.Errorf("delivering an event of %s: %w", event.Conversation, err)
	}
	return outcome, nil
}

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
			return nil, fmt.Errorf("the form has %q %d times", name, len(v))
		}
		form[name] = v[0]
	}
	return form, nil
}
