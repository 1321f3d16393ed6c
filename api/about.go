package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"

	"golang.org/x/text/language"

	"flexbridge/bridge"
)

// What callers may tell agents and routing of a question. The task has room for it,
// as for what Flex adds, in 4 KB of JSON ("TaskRouter Resource Limits",
// twilio.com/docs/taskrouter/limits).
const (
	maxContext      = 16    // fields
	maxContextValue = 256   // characters of one
	maxContextJSON  = 2_048 // bytes of all of it, as JSON
	maxLocale       = 35    // characters, which hold any that is no private use (RFC 5646, section 4.4.1)
)

var (
	contextName = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)

	allowedContext = fmt.Sprintf("an object of at most %d fields, named with 1 to 32 of a-z 0-9 _, of text of at most %d characters each; all of it at most %d bytes of JSON",
		maxContext, maxContextValue, maxContextJSON)
	allowedLocale = "a language tag (BCP 47), such as en or pt-BR"
)

// givenAbout is that, as it was given.
type givenAbout struct {
	Context map[string]*string
	Locale  *string
}

func (g givenAbout) read(channel bridge.Channel) (about bridge.About, err error) {
	about.Channel = channel
	if about.Context, err = readContext(g.Context); err != nil {
		return about, err
	}
	if g.Locale == nil || *g.Locale == "" { // models like to spell every member out
		return about, nil
	}
	var known bool
	if about.Locale, known = parseLocale(*g.Locale); !known {
		return about, &inputError{"locale", allowedLocale}
	}
	return about, nil
}

// readContext returns the fields as agents are to see them, without the null ones.
func readContext(given map[string]*string) (map[string]string, error) {
	seen := make(map[string]string)
	for name, value := range given {
		if value == nil {
			continue
		}
		if !contextName.MatchString(name) || utf8.RuneCountInString(*value) > maxContextValue {
			return nil, &inputError{"context", allowedContext}
		}
		seen[name] = plain(*value)
	}
	text, err := json.Marshal(seen)
	if err != nil || len(seen) > maxContext || len(text) > maxContextJSON {
		return nil, &inputError{"context", allowedContext}
	}
	if len(seen) == 0 {
		return nil, nil
	}
	return seen, nil
}

// parseLocale returns the tag in its usual spelling. One of the right form whose parts
// nobody has registered is good, too.
func parseLocale(text string) (string, bool) {
	if len(text) > maxLocale {
		return "", false
	}
	tag, err := language.Parse(text)
	unregistered := new(language.ValueError)
	switch {
	case errors.As(err, unregistered):
		return text, true
	case err != nil:
		return "", false
	}
	return tag.String(), true
}
