package api_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode"
)

// An error may name what it is about, but nothing of a request comes back as it was:
// neither as a page, nor as lines of its own, nor unseen.
func TestErrorsRepeatNothingAsItWas(t *testing.T) {
	const hostile = "<script>alert(1)</script>\"'&\r\n\u2028Set-Cookie: x\u202e\U000e0041\x00{error}"
	escaped := url.PathEscape(hostile)
	json := `"<script>alert(1)</script>\"'&\r\n\u2028Set-Cookie: x\u202e\u0000{error}"`
	e := newServer(t, mcpConfig(t), &desk{answer: replied})
	server := serveHTTP(t, mcpConfig(t), &desk{answer: replied})
	check := func(name string, code int, kind, sniff, text string) {
		t.Helper()
		if code < 400 || kind != "application/problem+json" || sniff != "nosniff" || strings.Contains(text, "<script") || strings.Contains(text, "alert(1)<") {
			t.Errorf("%s = %d %s %q: %s", name, code, kind, sniff, text)
		}
		if i := strings.IndexFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' }); i >= 0 {
			t.Errorf("%s: %q has %q", name, text, text[i:])
		}
	}
	for _, target := range []string{
		"/" + escaped, "/send/" + escaped, "/replies/" + escaped, "/media/" + escaped, "/replies/" + username + "?" + url.QueryEscape(hostile) + "=1",
		"/replies/" + username + "?after=" + url.QueryEscape(hostile), "/replies/" + username + "?wait=" + url.QueryEscape(hostile), "/mcp/" + escaped,
	} {
		w := serve(e, request("GET", target, ""))
		check("GET "+target, w.Code, w.Header().Get("Content-Type"), w.Header().Get("X-Content-Type-Options"), w.Body.String())
	}
	for _, body := range []string{
		json, `{` + json + `:1}`, `{"msg":` + json + `,"after":` + json + `}`, `{"msg":"hi","key":` + json + `}`, `{"msg":"hi","wait":` + json + `}`, `{"msg":"hi"}` + hostile,
	} {
		w := serve(e, request("POST", "/send/"+username, body))
		check("POST "+body, w.Code, w.Header().Get("Content-Type"), w.Header().Get("X-Content-Type-Options"), w.Body.String())
	}
	session := connect(t, server, eras[0], nil)
	for _, arguments := range []args{
		{"message": "hi", hostile: 1}, {"message": "hi", "key": hostile}, {"message": "hi", "cursor": hostile}, {"message": "hi", "conversation": hostile},
	} {
		got := callTool(t, session, "ask_agent", arguments)
		if bad := strings.IndexFunc(got.text, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' }); !got.failed || bad >= 0 {
			t.Errorf("ask_agent with %q = %+v, want an error of one plain line", arguments, got)
		}
	}
}
