package flexsim

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Sign is the X-Twilio-Signature of a form that is posted to the URL: the
// HMAC-SHA1 of the URL, without user and fragment, and of each parameter's name
// and value, sorted by name ("Webhooks Security",
// twilio.com/docs/usage/webhooks/webhooks-security).
func Sign(authToken, rawURL string, form url.Values) string {
	rawURL, _, _ = strings.Cut(rawURL, "#")
	if u, err := url.Parse(rawURL); err == nil && u.User != nil {
		u.User = nil
		rawURL = u.String()
	}
	mac := hmac.New(sha1.New, []byte(authToken))
	_, _ = io.WriteString(mac, rawURL) // a hash takes everything
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			_, _ = io.WriteString(mac, name+value)
		}
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
