package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"flexbridge/api"
)

// problem is a problem document as a client reads it.
type problem struct {
	Type, Title, Detail, Code, Field string
	Status                           int
	ID                               string `json:"request_id"`
}

// asProblem checks what all problem documents have in common.
func asProblem(t testing.TB, status int, header http.Header, body []byte) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("%q is no problem document: %v", body, err)
	}
	if p.Status != status || p.Type != "about:blank" || p.Title != http.StatusText(status) || p.Detail == "" || p.Code == "" ||
		header.Get("Content-Type") != "application/problem+json" || header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %s is no problem document of ours", status, header, body)
	}
	return p
}

// fields are so many members of an object.
func fields(n int, value string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"f%d":%q`, i, value))
	}
	return strings.Join(all, ",")
}

// What is not of its form is refused, with the field named, before anybody is asked.
func TestRefuses(t *testing.T) {
	const send, replies, end = "/send/" + username, "/replies/" + username, "/end/" + username
	msg := func(more string) string { return `{"msg":"hi"` + more + `}` }
	rows := map[string]struct {
		method, target, body string
		status               int
		code, field          string
	}{
		"short username":             {"POST", "/send/k7Wq2mXz9pLd4Rt", msg(""), 400, "invalid", "username"},
		"long username":              {"POST", "/send/" + strings.Repeat("abcdefgh", 16) + "i", msg(""), 400, "invalid", "username"},
		"plain username":             {"POST", "/send/abcdefgabcdefgabcdefg", msg(""), 400, "invalid", "username"},
		"username with a space":      {"POST", "/send/k7Wq2mXz9pLd4RtB%20", msg(""), 400, "invalid", "username"},
		"username with a slash":      {"POST", "/send/k7Wq2mXz9pLd4RtB%2Fx", msg(""), 400, "invalid", "username"},
		"username with a percent":    {"POST", "/send/k7Wq2mXz9pLd4RtB%2541", msg(""), 400, "invalid", "username"},
		"username of letters beyond": {"GET", "/replies/k7Wq2mXz9pLd4Rté", "", 400, "invalid", "username"},

		"no body":              {"POST", send, "", 400, "invalid", "msg"},
		"white space":          {"POST", send, " \n", 400, "invalid", "msg"},
		"no msg":               {"POST", send, `{}`, 400, "invalid", "msg"},
		"null msg":             {"POST", send, `{"msg":null}`, 400, "invalid", "msg"},
		"empty msg":            {"POST", send, `{"msg":""}`, 400, "invalid", "msg"},
		"blank msg":            {"POST", send, `{"msg":" \t\n\u00a0"}`, 400, "invalid", "msg"},
		"msg of a number":      {"POST", send, `{"msg":1}`, 400, "invalid", "msg"},
		"msg of an object":     {"POST", send, `{"msg":{"a":1}}`, 400, "invalid", "msg"},
		"nothing seen in msg":  {"POST", send, `{"msg":"\u0000\u202e \ufeff\u200b\udb40\udc41"}`, 400, "invalid", "msg"},
		"msg too long":         {"POST", send, `{"msg":"` + strings.Repeat("é", api.MaxText+1) + `"}`, 400, "invalid", "msg"},
		"not UTF-8":            {"POST", send, "{\"msg\":\"caf\xe9\"}", 400, "invalid", "body"},
		"not JSON":             {"POST", send, `hi`, 400, "invalid", "body"},
		"half of JSON":         {"POST", send, `{"msg":"hi"`, 400, "invalid", "body"},
		"a comma too many":     {"POST", send, `{"msg":"hi",}`, 400, "invalid", "body"},
		"an array":             {"POST", send, `[{"msg":"hi"}]`, 400, "invalid", "body"},
		"a string":             {"POST", send, `"hi"`, 400, "invalid", "body"},
		"null":                 {"POST", send, `null`, 400, "invalid", "body"},
		"something after it":   {"POST", send, msg("") + `{}`, 400, "invalid", "body"},
		"a byte order mark":    {"POST", send, "\ufeff" + msg(""), 400, "invalid", "body"},
		"unknown field":        {"POST", send, msg(`,"text":"x"`), 400, "invalid", "text"},
		"other capitals":       {"POST", send, msg(`,"KEY":"x"`), 400, "invalid", "KEY"},
		"msg twice":            {"POST", send, msg(`,"msg":"ho"`), 400, "invalid", "msg"},
		"after twice, a null":  {"POST", send, msg(`,"after":null,"after":null`), 400, "invalid", "after"},
		"after no cursor":      {"POST", send, msg(`,"after":"3"`), 400, "invalid", "after"},
		"after a number":       {"POST", send, msg(`,"after":3`), 400, "invalid", "after"},
		"empty key":            {"POST", send, msg(`,"key":""`), 400, "invalid", "key"},
		"long key":             {"POST", send, msg(`,"key":"` + strings.Repeat("k", api.MaxKey+1) + `"`), 400, "invalid", "key"},
		"key beyond ASCII":     {"POST", send, msg(`,"key":"é"`), 400, "invalid", "key"},
		"key with a line":      {"POST", send, msg(`,"key":"a\n"`), 400, "invalid", "key"},
		"key a number":         {"POST", send, msg(`,"key":1`), 400, "invalid", "key"},
		"context of a number":  {"POST", send, msg(`,"context":{"a":1}`), 400, "invalid", "context"},
		"context of an object": {"POST", send, msg(`,"context":{"a":{"b":"c"}}`), 400, "invalid", "context"},
		"context a list":       {"POST", send, msg(`,"context":["a"]`), 400, "invalid", "context"},
		"context with a name":  {"POST", send, msg(`,"context":{"A":"b"}`), 400, "invalid", "context"},
		"context without one":  {"POST", send, msg(`,"context":{"":"b"}`), 400, "invalid", "context"},
		"context's long name":  {"POST", send, msg(`,"context":{"` + strings.Repeat("a", 33) + `":"b"}`), 400, "invalid", "context"},
		"context's long value": {"POST", send, msg(`,"context":{"a":"` + strings.Repeat("é", api.MaxContextValue+1) + `"}`), 400, "invalid", "context"},
		"context of too many":  {"POST", send, msg(`,"context":{` + fields(api.MaxContext+1, "x") + `}`), 400, "invalid", "context"},
		"context of too much":  {"POST", send, msg(`,"context":{` + fields(8, strings.Repeat("x", api.MaxContextValue)) + `}`), 400, "invalid", "context"},
		"locale no tag":        {"POST", send, msg(`,"locale":"english please"`), 400, "invalid", "locale"},
		"locale a number":      {"POST", send, msg(`,"locale":1`), 400, "invalid", "locale"},
		"long locale":          {"POST", send, msg(`,"locale":"en` + strings.Repeat("-abcdefgh", 4) + `"`), 400, "invalid", "locale"},
		"wait below 0":         {"POST", send, msg(`,"wait":-1`), 400, "invalid", "wait"},
		"wait above":           {"POST", send, msg(`,"wait":301`), 400, "invalid", "wait"},
		"wait a fraction":      {"POST", send, msg(`,"wait":1.5`), 400, "invalid", "wait"},
		"wait a string":        {"POST", send, msg(`,"wait":"20"`), 400, "invalid", "wait"},
		"wait beyond int":      {"POST", send, msg(`,"wait":1e99`), 400, "invalid", "wait"},
		"a query":              {"POST", send + "?wait=20", msg(""), 400, "invalid", "wait"},
		"body too large":       {"POST", send, `{"msg":"` + strings.Repeat("x", api.MaxRequest) + `"}`, 413, "too_large", ""},

		"unknown parameter":    {"GET", replies + "?cursor=1", "", 400, "invalid", "cursor"},
		"after= twice":         {"GET", replies + "?after=&after=", "", 400, "invalid", "after"},
		"wait= twice":          {"GET", replies + "?wait=1&wait=1", "", 400, "invalid", "wait"},
		"after= no cursor":     {"GET", replies + "?after=0-3", "", 400, "invalid", "after"},
		"wait= nothing":        {"GET", replies + "?wait=", "", 400, "invalid", "wait"},
		"wait= below 0":        {"GET", replies + "?wait=-1", "", 400, "invalid", "wait"},
		"wait= above":          {"GET", replies + "?wait=301", "", 400, "invalid", "wait"},
		"wait= with a sign":    {"GET", replies + "?wait=%2B1", "", 400, "invalid", "wait"},
		"wait= with a unit":    {"GET", replies + "?wait=20s", "", 400, "invalid", "wait"},
		"a query out of shape": {"GET", replies + "?wait=%zz", "", 400, "invalid", "query"},

		"end: unknown field":  {"POST", end, `{"msg":"hi"}`, 400, "invalid", "msg"},
		"end: no cursor":      {"POST", end, `{"after":"x"}`, 400, "invalid", "after"},
		"end: body too large": {"POST", end, strings.Repeat(" ", api.MaxRequest+1), 413, "too_large", ""},

		"no such path":   {"GET", "/nothing", "", 404, "not_found", ""},
		"no username":    {"POST", "/send/", msg(""), 404, "not_found", ""},
		"path below":     {"POST", send + "/x", msg(""), 400, "invalid", "username"},
		"GET of send":    {"GET", send, "", 405, "method_not_allowed", ""},
		"POST of a read": {"POST", replies, "", 405, "method_not_allowed", ""},
		"PUT of root":    {"PUT", "/", "", 405, "method_not_allowed", ""},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			d := &desk{answer: replied}
			w := serve(newServer(t, config(t), d), request(row.method, row.target, row.body))
			if w.Code != row.status || len(d.calls) != 0 {
				t.Fatalf("%s %s = %d %s, %d calls, want %d and none", row.method, row.target, w.Code, w.Body, len(d.calls), row.status)
			}
			p := asProblem(t, w.Code, w.Header(), w.Body.Bytes())
			if p.Code != row.code || p.Field != row.field || !strings.Contains(p.Detail, row.field) {
				t.Errorf("%s %s = %+v, want code %q and field %q", row.method, row.target, p, row.code, row.field)
			}
			if allow := w.Header().Get("Allow"); (row.status == http.StatusMethodNotAllowed) != (allow != "") {
				t.Errorf("%s %s has Allow %q", row.method, row.target, allow)
			}
		})
	}
}

func TestContentTypes(t *testing.T) {
	rows := map[string]int{
		"application/json":                     200,
		"Application/JSON":                     200,
		"application/json; charset=utf-8":      200,
		"application/json;charset=\"UTF-8\"":   200,
		"application/json; profile=x":          200,
		"application/json; charset=iso-8859-1": 415,
		"application/json; charset":            415,
		"application/x-www-form-urlencoded":    415,
		"application/problem+json":             415,
		"text/plain":                           415,
		"":                                     415,
	}
	for contentType, status := range rows {
		t.Run(contentType, func(t *testing.T) {
			d := &desk{answer: replied}
			r := request("POST", "/send/"+username, `{"msg":"hi"}`)
			r.Header.Set("Content-Type", contentType)
			w := serve(newServer(t, config(t), d), r)
			if w.Code != status || (len(d.calls) == 1) != (status == 200) {
				t.Fatalf("POST = %d %s, %d calls, want %d", w.Code, w.Body, len(d.calls), status)
			}
			if status != 200 && asProblem(t, w.Code, w.Header(), w.Body.Bytes()).Code != "media_type" {
				t.Errorf("POST = %s, want media_type", w.Body)
			}
		})
	}
	r := request("POST", "/send/"+username, `{"msg":"hi"}`)
	r.Header.Set("Content-Encoding", "gzip")
	if w := serve(newServer(t, config(t), &desk{}), r); w.Code != 415 {
		t.Errorf("POST of something compressed = %d, want 415", w.Code)
	}
}

// FuzzSend: no body makes the handler panic; it is refused with 400, or what is
// asked is within the limits.
func FuzzSend(f *testing.F) {
	for _, seed := range []string{
		`{"msg":"hi"}`, `{"msg":"h\u00e9","after":"0-3-9f2c","key":"k","wait":20}`, `{"msg":"\ud800"}`,
		`{"msg":"hi","msg":"ho"}`, `{"msg":null}`, `[]`, ``, `{"wait":1e2,"msg":"x"}`, "{\"msg\":\"\xff\"}", `{"msg":"x"}x`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		d := &desk{answer: replied}
		r := request("POST", "/send/"+username, body)
		r.Header.Set("Content-Type", "application/json")
		w := serve(newServer(t, config(t), d), r)
		if w.Code == 400 || w.Code == 413 {
			asProblem(t, w.Code, w.Header(), w.Body.Bytes())
			return
		}
		if w.Code != 200 || len(d.calls) != 1 {
			t.Fatalf("POST = %d %s", w.Code, w.Body)
		}
		q := d.calls[0].question
		if n := utf8.RuneCountInString(q.Text); n < 1 || n > api.MaxText || !utf8.ValidString(q.Text) || len(q.Text) > 32<<10 || len(q.Key) > api.MaxKey {
			t.Errorf("asked %+v", q)
		}
	})
}
