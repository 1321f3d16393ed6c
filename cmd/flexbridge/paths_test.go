package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
)

// raw sends bytes as they are, and reads the first answer; the status is 0 when the
// server only closes the connection.
func raw(t *testing.T, address, sends string) (status int, header http.Header, body string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, sends); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(sends, " ")
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		return 0, nil, ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(text)
}

// What proxies and this server could understand in two ways is refused or means one
// thing, and nothing that a request says of itself reaches a document or the log.
func TestOddRequests(t *testing.T) {
	w := newWorld(t, nil, flexsim.Config{})
	var log lockedBuffer
	w.log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	r := w.start(nil)
	address := strings.TrimPrefix(r.url, "http://")
	name := username("eve")
	const end = "Host: x\r\nConnection: close\r\n\r\n"
	get := func(target string) string { return "GET " + target + " HTTP/1.1\r\n" + end }
	post := "POST /end/" + name + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	long := "SECRET" + strings.Repeat("X", 20_000)
	for title, row := range map[string]struct {
		sends  string
		status int
	}{
		"well":                        {get("/replies/" + name + "?wait=0"), 200},
		"two slashes":                 {get("//replies/" + name), 404},
		"two slashes inside":          {get("/replies//" + name), 400},
		"slash at the end":            {get("/replies/" + name + "/"), 400},
		"no username":                 {get("/replies/"), 404},
		"dots":                        {get("/replies/../replies/" + name), 400},
		"escaped dots":                {get("/send/%2e%2e/replies/" + name), 405},
		"escaped dots as a name":      {get("/replies/%2e%2e"), 400},
		"escaped slash":               {get("/replies%2f" + name), 404},
		"escaped slash in the name":   {get("/replies/" + name + "%2fx"), 400},
		"escaped letter":              {get("/repl%69es/" + name + "?wait=0"), 404},
		"capitals":                    {get("/REPLIES/" + name), 404},
		"NUL":                         {get("/replies/" + name + "%00"), 400},
		"a half escape":               {get("/replies/" + name + "%2"), 400},
		"backslash":                   {get(`/replies\` + name), 404},
		"parameter":                   {get("/replies;x/" + name), 404},
		"semicolon in the query":      {get("/replies/" + name + "?wait=0;after="), 400},
		"profiles":                    {get("/debug/pprof/"), 404},
		"profile":                     {get("/debug/pprof/heap"), 404},
		"variables":                   {get("/debug/vars"), 404},
		"metrics":                     {get("/metrics"), 404},
		"no path":                     {get("http://x"), 404},
		"absolute":                    {get("http://elsewhere.example.com/replies/" + name + "?wait=0"), 200},
		"absolute, another scheme":    {get("ftp://elsewhere.example.com/replies/" + name), 200},
		"absolute, a user":            {get("http://u:p@elsewhere.example.com/livez"), 200},
		"opaque":                      {get("x:replies/" + name), 404},
		"fragment":                    {get("/livez#x"), 404},
		"HTTP/1.0":                    {"GET /replies/" + name + "?wait=0 HTTP/1.0\r\n\r\n", 200},
		"HTTP/0.9":                    {"GET /livez\r\n\r\n", 400},
		"HTTP/2 without asking":       {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404},
		"HTTP/3.0":                    {"GET /livez HTTP/3.0\r\n" + end, 505},
		"no Host":                     {"GET /livez HTTP/1.1\r\n\r\n", 400},
		"two Hosts":                   {"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		"Host of nonsense":            {"GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
		"asterisk":                    {"OPTIONS * HTTP/1.1\r\n" + end, 404},
		"asterisk, GET":               {"GET * HTTP/1.1\r\n" + end, 404},
		"tunnel":                      {"CONNECT elsewhere.example.com:443 HTTP/1.1\r\n" + end, 404},
		"trace":                       {"TRACE /send/" + name + " HTTP/1.1\r\n" + end, 405},
		"a method nobody knows":       {"BREW /send/" + name + " HTTP/1.1\r\n" + end, 405},
		"a method in small letters":   {"get /livez HTTP/1.1\r\n" + end, 405},
		"a long method":               {long + " /livez HTTP/1.1\r\n" + end, 405},
		"a long method, a webhook":    {long + " /twilio/webhook HTTP/1.1\r\n" + end, 405},
		"a method of nonsense":        {"GE(T /livez HTTP/1.1\r\n" + end, 400},
		"HEAD of an operation":        {"HEAD /replies/" + name + " HTTP/1.1\r\n" + end, 405},
		"HEAD of a webhook":           {"HEAD /twilio/webhook HTTP/1.1\r\n" + end, 405},
		"method override":             {"GET /end/" + name + " HTTP/1.1\r\nX-HTTP-Method-Override: POST\r\n" + end, 405},
		"upgrade":                     {"GET /livez HTTP/1.1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n" + end, 200},
		"two lengths":                 {post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400},
		"one length twice":            {post + "Content-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 200},
		"a length with a sign":        {post + "Content-Length: +2\r\n\r\n{}", 400},
		"a list of lengths":           {post + "Content-Length: 2, 2\r\n\r\n{}", 400},
		"a negative length":           {post + "Content-Length: -1\r\n\r\n", 400},
		"length and chunks":           {post + "Content-Type: application/json\r\nContent-Length: 90\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200},
		"chunks and identity":         {post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501},
		"chunks twice":                {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501},
		"chunks hidden by a tab":      {post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400},
		"chunks in HTTP/1.0":          {"POST /end/" + name + " HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200},
		"a header's name with space":  {post + "Content-Length : 2\r\n\r\n{}", 400},
		"a folded header":             {post + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n", 200},
		"a chunk of an odd size":      {post + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n", 400},
		"a chunk of a great size":     {post + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n", 400},
		"chunks with extensions":      {post + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\n\r\n", 200},
		"chunks with trailers":        {post + "Content-Type: application/json\r\nTrailer: Authorization\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n", 200},
		"trailers nobody announced":   {post + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n", 200},
		"very many headers":           {"GET /livez HTTP/1.1\r\n" + strings.Repeat("X: x\r\n", 20_000) + end, 431},
		"a signed webhook by HTTP1.0": {"POST /twilio/webhook HTTP/1.0\r\nX-Twilio-Signature: x\r\n\r\n", 403},
		"a webhook with two slashes":  {"POST //twilio/webhook HTTP/1.1\r\nX-Twilio-Signature: x\r\n" + end, 404},
		"a webhook, slash at the end": {"POST /twilio/webhook/ HTTP/1.1\r\nX-Twilio-Signature: x\r\n" + end, 404},
		"MCP, slash at the end":       {"POST /mcp/ HTTP/1.1\r\n" + end, 404},
	} {
		status, header, body := raw(t, address, row.sends)
		if status != row.status {
			t.Errorf("%s: %d %.200s, want %d", title, status, body, row.status)
		}
		if strings.Contains(body, "elsewhere") || strings.Contains(body, name) || strings.Contains(body, "SECRET") {
			t.Errorf("%s: the answer repeats what was sent: %.300s", title, body)
		}
		// What net/http itself refuses it answers in its own words.
		if kind := header.Get("Content-Type"); status >= 400 && kind != "application/problem+json" && !strings.HasPrefix(body, fmt.Sprint(status, " ")) && status != http.StatusNotImplemented {
			t.Errorf("%s: %d of type %q: %.200s", title, status, kind, body)
		} else if kind == "application/problem+json" && header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v, want nosniff", title, header)
		}
		if header.Get("Server")+header.Get("X-Powered-By") != "" {
			t.Errorf("%s: %v tells what serves", title, header)
		}
	}
	for line := range strings.Lines(log.String()) {
		if len(line) > 1000 || strings.Contains(line, name) || strings.Contains(line, "elsewhere") {
			t.Errorf("the log has a line of %d bytes: %.300s", len(line), line)
		}
	}
	if log.String() == "" {
		t.Error("nothing was logged")
	}
}

// unnamed is a problem document without the one name that each request has of its own.
func unnamed(body string) string {
	return regexp.MustCompile(`"request_id":"\w+"`).ReplaceAllString(body, "")
}

// PUBLIC_URL is what documents and links have, whatever a request or a proxy claims.
func TestClaimsOfTheRequestDoNotMatter(t *testing.T) {
	w := newWorld(t, nil, flexsim.Config{})
	r := w.start(nil)
	address := strings.TrimPrefix(r.url, "http://")
	_, sent := w.linked(r, "ann", picture)
	if sent.SID == "" {
		t.Fatal("no file was sent")
	}
	claims := "Host: evil.example.com\r\nX-Forwarded-Host: evil.example.com\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n" +
		"X-Forwarded-For: 192.0.2.66\r\nX-Real-IP: 192.0.2.66\r\nForwarded: host=evil.example.com;proto=https;for=192.0.2.66\r\n" +
		"X-Original-URL: /livez\r\nX-Rewrite-URL: /livez\r\nX-Forwarded-Prefix: /evil\r\nConnection: close\r\n\r\n"
	for _, path := range []string{"/", "/openapi.yaml", "/.well-known/ai-plugin.json", "/legal", "/nothing", "/replies/" + username("ann") + "?wait=0&after=0--1-0000", "/replies/x"} {
		for _, target := range []string{path, "http://evil.example.com" + path} {
			status, header, body := raw(t, address, "GET "+target+" HTTP/1.1\r\n"+claims)
			var all bytes.Buffer
			_ = header.Write(&all)
			if text := all.String() + body; status == 0 || strings.Contains(text, "evil") || strings.Contains(text, "192.0.2.66") || strings.Contains(text, "8443") {
				t.Errorf("GET %s = %d %s, which believes the request", target, status, text)
			}
			plain, _, same := raw(t, address, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if status != plain || !strings.HasPrefix(path, "/replies/") && unnamed(body) != unnamed(same) {
				t.Errorf("GET %s = %d %q, want %d %q as without claims", target, status, body, plain, same)
			}
			if strings.Contains(path, "wait=0") && !strings.Contains(body, `"url":"`+r.url+"/media/") {
				t.Errorf("GET %s = %s, want a link below %s", target, body, r.url)
			}
		}
	}
}
