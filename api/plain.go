package api

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"flexbridge/bridge"
)

// How much of what agents wrote is passed on, in characters. Twilio takes 32 KB of
// text, and a model is given an answer as a whole.
const (
	maxReply    = 16_000
	maxAuthor   = 100
	maxFileName = 200
	maxFileType = 100
)

// unseen is what a reader does not see and a machine may take for something:
// controls, marks that turn the direction of text (unicode.Bidi_Control), tags in
// which text can be hidden, annotations, fillers. What is needed to write a script
// or an emoji is in needed.
var (
	unseen = []*unicode.RangeTable{
		unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point,
		{R32: []unicode.Range32{{Lo: 0xE0100, Hi: 0xE01EF, Stride: 1}}}, // variants of Han, of which bytes can be made
	}
	needed = []*unicode.RangeTable{
		unicode.Join_Control,                 // of Indic and Persian words, and of emoji
		unicode.Prepended_Concatenation_Mark, // Arabic signs around numbers, which are seen
	}
)

// lineBreaks are those of Unicode (UAX #14: BK, CR, NL) that are not the usual one.
const lineBreaks = "\r\v\f\u0085\u2028\u2029"

// plain returns text with nothing unseen in it and one kind of line break, in valid
// UTF-8. The same text always becomes the same, and plain text stays as it is.
func plain(text string) string {
	text = strings.ToValidUTF8(text, string(unicode.ReplacementChar))
	return strings.Map(func(r rune) rune {
		switch {
		case r >= ' ' && r <= '~' || r == '\t' || r == '\n': // as nearly all is
			return r
		case strings.ContainsRune(lineBreaks, r):
			return '\n'
		case unicode.In(r, unseen...) && !unicode.In(r, needed...):
			return -1
		}
		return r
	}, strings.ReplaceAll(text, "\r\n", "\n"))
}

// plainReply is plain text of at most maxReply characters. What is cut says so
// within them, so that a reply never gets longer than the bridge counted it.
func plainReply(text string) string {
	text = plain(text)
	n := utf8.RuneCountInString(text)
	if n <= maxReply {
		return text
	}
	mark := func(cut int) string { return fmt.Sprintf("… [cut here: %d more characters]", cut) }
	kept := maxReply - utf8.RuneCountInString(mark(n))
	return firstRunes(text, kept) + mark(n-kept)
}

// plainLabel is a name: plain text of one line and at most limit characters.
func plainLabel(text string, limit int) string {
	text = strings.Join(strings.Fields(plain(text)), " ")
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return firstRunes(text, limit-1) + "…"
}

// plainAuthor is the name to show, and what the author is when it has none.
func plainAuthor(m bridge.Message) string {
	switch name := plainLabel(m.Author, maxAuthor); {
	case name != "":
		return name
	case m.Kind == bridge.FromAgent:
		return "Agent"
	default:
		return "System"
	}
}

// firstRunes returns the first n characters of a text that has more.
func firstRunes(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}
