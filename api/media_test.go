package api_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/api"
	"flexbridge/bridge"
)

const fileSID = "ME0123456789abcdef0123456789abcdef"

// shelf is a desk's files: one file, whatever it is asked for.
type shelf struct {
	file    bridge.Media
	err     error // of File
	openErr error
	content func(context.Context) io.Reader // nil: Size bytes, made up
	opened  int
	closed  chan struct{} // told of every close
}

func (s *shelf) File(_ context.Context, sid string) (bridge.File, error) {
	if s.err != nil {
		return bridge.File{}, s.err
	}
	f := bridge.File{Media: s.file}
	f.SID = sid
	f.Open = func(ctx context.Context) (io.ReadCloser, error) {
		s.opened++
		if s.openErr != nil {
			return nil, s.openErr
		}
		content := madeUp(f.Size)
		if s.content != nil {
			content = s.content(ctx)
		}
		return closing{content, s}, nil
	}
	return f, nil
}

type closing struct {
	io.Reader
	s *shelf
}

func (c closing) Close() error {
	if c.s.closed != nil {
		c.s.closed <- struct{}{}
	}
	return nil
}

func madeUp(size int64) io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{}), size) }

// stuck is content that comes to a halt until the context ends.
func stuck(first int64) func(context.Context) io.Reader {
	return func(ctx context.Context) io.Reader {
		return io.MultiReader(madeUp(first), readerFunc(func([]byte) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}))
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func mediaConfig(t testing.TB, s *shelf) api.Config {
	cfg := config(t)
	cfg.Files, cfg.LinkLife = s, time.Hour
	return cfg
}

// linkToken is what a link to the file ends with.
func linkToken(t testing.TB, cfg api.Config, expires time.Time) string {
	t.Helper()
	token, ok := cfg.Keys.FileToken(fileSID, expires)
	if !ok {
		t.Fatal("no token")
	}
	return token
}

func mediaRequest(t testing.TB, cfg api.Config, method string) *http.Request {
	return request(method, "/media/"+linkToken(t, cfg, time.Now().Add(time.Minute)), "")
}

// serveFiles serves over real HTTP, as only that has deadlines and callers who leave.
func serveFiles(t *testing.T, cfg api.Config, tune func(*api.API)) *httptest.Server {
	t.Helper()
	a, err := api.New(cfg, &desk{})
	if err != nil {
		t.Fatal(err)
	}
	tune(a)
	e := echo.New()
	a.Register(e)
	server := httptest.NewServer(e)
	t.Cleanup(func() {
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return server
}

func get(t *testing.T, ctx context.Context, address string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func TestFileIsPassedOn(t *testing.T) {
	s := &shelf{file: bridge.Media{Name: "a.png", Type: "Image/PNG; q=1", Size: 100_000}}
	cfg := mediaConfig(t, s)
	e := newServer(t, cfg, &desk{})
	want, _ := io.ReadAll(madeUp(100_000))
	for _, method := range []string{"GET", "HEAD"} {
		r := mediaRequest(t, cfg, method)
		r.Header.Set("Range", "bytes=5-9")
		w := serve(e, r)
		for name, value := range map[string]string{
			"Content-Type": "image/png", "Content-Length": "100000", "Content-Disposition": `attachment; filename=a.png`,
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'",
			"Cache-Control": "private, no-store", "Accept-Ranges": "none",
		} {
			if got := w.Header().Values(name); len(got) != 1 || got[0] != value {
				t.Errorf("%s: %s is %q, want %q", method, name, got, value)
			}
		}
		if w.Code != 200 || (method == "GET") != bytes.Equal(w.Body.Bytes(), want) {
			t.Errorf("%s = %d and %d bytes, want 200 and the file for GET", method, w.Code, w.Body.Len())
		}
	}
	if s.opened != 1 {
		t.Errorf("the content was opened %d times, want once, for GET", s.opened)
	}
	empty := &shelf{file: bridge.Media{Type: "text/plain"}}
	if w := serve(newServer(t, mediaConfig(t, empty), &desk{}), mediaRequest(t, cfg, "GET")); w.Code != 200 || w.Body.Len() > 0 || w.Header().Get("Content-Length") != "0" {
		t.Errorf("an empty file = %d %v, want 200 and nothing", w.Code, w.Header())
	}
}

// What links are given out, and that each leads to its file.
func TestLinks(t *testing.T) {
	rows := map[string]struct {
		media  bridge.Media
		linked bool
	}{
		"a picture":     {bridge.Media{SID: fileSID, Name: "a.png", Type: "image/png", Size: 1}, true},
		"a document":    {bridge.Media{SID: fileSID, Type: "application/vnd.oasis.opendocument.text"}, true},
		"with charset":  {bridge.Media{SID: fileSID, Type: "text/plain; charset=utf-8"}, true},
		"of no type":    {bridge.Media{SID: fileSID}, true},
		"the largest":   {bridge.Media{SID: fileSID, Type: "video/mp4", Size: api.MaxFile}, true},
		"too large":     {bridge.Media{SID: fileSID, Type: "video/mp4", Size: api.MaxFile + 1}, false},
		"SVG":           {bridge.Media{SID: fileSID, Type: "image/svg+xml", Size: 1}, false},
		"HTML":          {bridge.Media{SID: fileSID, Type: "TEXT/HTML; charset=utf-8", Size: 1}, false},
		"a program":     {bridge.Media{SID: fileSID, Type: "application/x-msdownload", Size: 1}, false},
		"nonsense":      {bridge.Media{SID: fileSID, Type: "image/png, text/html", Size: 1}, false},
		"without a SID": {bridge.Media{Type: "image/png", Size: 1}, false},
		"an odd SID":    {bridge.Media{SID: "ME/../..", Type: "image/png", Size: 1}, false},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			answer := bridge.Answer{Status: bridge.Replied, Cursor: cursor, Messages: []bridge.Message{{Media: []bridge.Media{row.media}}}}
			s := &shelf{file: bridge.Media{Type: "image/png", Size: 1}}
			e := newServer(t, mediaConfig(t, s), &desk{answer: answer})
			link := linkIn(t, serve(e, request("GET", "/replies/"+username, "")))
			path, ours := strings.CutPrefix(link, public)
			if (link != "") != row.linked || ours != row.linked {
				t.Fatalf("url = %q, want one: %v", link, row.linked)
			}
			if !row.linked {
				return
			}
			if w := serve(e, request("GET", path, "")); w.Code != 200 {
				t.Errorf("GET %s = %d %s, want the file", link, w.Code, w.Body)
			}
		})
	}
}

func linkIn(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var answer struct {
		Messages []struct{ Media []struct{ URL string } }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
		t.Fatalf("answer = %d %s (%v)", w.Code, w.Body, err)
	}
	return answer.Messages[0].Media[0].URL
}

func TestLinksSwitchedOff(t *testing.T) {
	answer := bridge.Answer{Status: bridge.Replied, Cursor: cursor, Messages: []bridge.Message{{Media: []bridge.Media{{SID: fileSID, Type: "image/png"}}}}}
	cfg := mediaConfig(t, &shelf{})
	cfg.LinkLife = 0
	e := newServer(t, cfg, &desk{answer: answer})
	if link := linkIn(t, serve(e, request("GET", "/replies/"+username, ""))); link != "" {
		t.Errorf("url = %q, want none", link)
	}
	w := serve(e, mediaRequest(t, cfg, "GET"))
	if p := asProblem(t, w.Code, w.Header(), w.Body.Bytes()); w.Code != 404 || p.Code != "not_found" {
		t.Errorf("GET = %d %s, want 404 not_found", w.Code, p.Code)
	}
}

func TestLinkRefusals(t *testing.T) {
	png := bridge.Media{Type: "image/png", Size: 1}
	cfg := mediaConfig(t, nil)
	good := linkToken(t, cfg, time.Now().Add(time.Minute))
	other, err := bridge.NewKeyring([]byte(strings.Repeat("x", bridge.MinSecret)))
	if err != nil {
		t.Fatal(err)
	}
	theirs, _ := other.FileToken(fileSID, time.Now().Add(time.Minute))
	flipped := []byte(good)
	flipped[30] ^= 1
	rows := map[string]struct {
		token      string
		shelf      shelf
		status     int
		code       string
		retryAfter int
	}{
		"expired":      {linkToken(t, cfg, time.Now().Add(-time.Second)), shelf{file: png}, 410, "link_expired", 0},
		"altered":      {string(flipped), shelf{file: png}, 404, "link_invalid", 0},
		"truncated":    {good[:69], shelf{file: png}, 404, "link_invalid", 0},
		"longer":       {good + "A", shelf{file: png}, 404, "link_invalid", 0},
		"a line break": {good[:40] + "%0A" + good[40:], shelf{file: png}, 404, "link_invalid", 0},
		"another's":    {theirs, shelf{file: png}, 404, "link_invalid", 0},
		"a SID":        {fileSID, shelf{file: png}, 404, "link_invalid", 0},
		"gone":         {good, shelf{err: fmt.Errorf("describing: %w", bridge.ErrGone)}, 404, "media_gone", 0},
		"gone since":   {good, shelf{file: png, openErr: fmt.Errorf("opening: %w", bridge.ErrGone)}, 404, "media_gone", 0},
		"unreachable":  {good, shelf{err: fmt.Errorf("describing: %w", bridge.ErrDeskUnavailable)}, 503, "desk_unavailable", 10},
		"unreadable":   {good, shelf{file: png, openErr: bridge.ErrDeskUnavailable}, 503, "desk_unavailable", 10},
		"refused":      {good, shelf{err: bridge.ErrDeskRefused}, 502, "desk_refused", 0},
		"too large":    {good, shelf{file: bridge.Media{Type: "image/png", Size: api.MaxFile + 1}}, 403, "media_refused", 0},
		"HTML":         {good, shelf{file: bridge.Media{Type: "text/html", Name: "a.png", Size: 1}}, 403, "media_refused", 0},
		"SVG":          {good, shelf{file: bridge.Media{Type: "Image/SVG+xml", Size: 1}}, 403, "media_refused", 0},
		"of no type":   {good, shelf{file: bridge.Media{Size: 1}}, 403, "media_refused", 0},
		"broken":       {good, shelf{err: errors.New("secret detail")}, 500, "internal", 0},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			cfg.Files = &row.shelf
			w := serve(newServer(t, cfg, &desk{}), request("GET", "/media/"+row.token, ""))
			p := asProblem(t, w.Code, w.Header(), w.Body.Bytes())
			if w.Code != row.status || p.Code != row.code || !spreads(w.Header(), row.retryAfter) {
				t.Errorf("GET = %d %s, Retry-After %q, want %d %s %d to twice that", w.Code, p.Code, w.Header().Get("Retry-After"), row.status, row.code, row.retryAfter)
			}
			if strings.Contains(w.Body.String(), "secret") || w.Header().Get("Content-Disposition") != "" {
				t.Errorf("GET = %v %s, want a problem and nothing of a file", w.Header(), w.Body)
			}
		})
	}
}

// No name breaks out of the header or of the folder in which a file is saved.
func TestFileNames(t *testing.T) {
	for name, want := range map[string]string{
		"a.png":                           "a.png",
		`say "cheese".png`:                `say "cheese".png`,
		"a\r\nSet-Cookie: x=1\n.png":      "aSet-Cookie: x=1.png",
		"Übersicht 報告😀.png":               "Übersicht 報告😀.png",
		"../../etc/passwd":                "passwd",
		`C:\Users\ana\a b.png`:            "a b.png",
		"/":                               "file.png",
		"..":                              "file.png",
		".bashrc":                         "bashrc",
		"":                                "file.png",
		"\x00\x1b[31m\u202egnp.exe":       "[31mgnp.exe",
		"bad \xff bytes; x=\"y\".png":     `bad  bytes; x="y".png`,
		strings.Repeat("é", 300) + ".png": strings.Repeat("é", 56) + ".png",
		strings.Repeat(".x", 300):         strings.Repeat("x.", 29) + ".x",
		"a." + strings.Repeat("x", 300):   "a." + strings.Repeat("x", 58),
	} {
		t.Run(name, func(t *testing.T) {
			cfg := mediaConfig(t, &shelf{file: bridge.Media{Name: name, Type: "image/png"}})
			header := serve(newServer(t, cfg, &desk{}), mediaRequest(t, cfg, "HEAD")).Header().Get("Content-Disposition")
			disposition, params, err := mime.ParseMediaType(header)
			got := params["filename"]
			if err != nil || disposition != "attachment" || len(params) != 1 {
				t.Fatalf("Content-Disposition = %q (%v)", header, err)
			}
			if got != want || strings.Trim(header, allASCII) != "" {
				t.Errorf("filename = %q in %q, want %q", got, header, want)
			}
		})
	}
}

var allASCII = func() string {
	var b strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		b.WriteByte(c)
	}
	return b.String()
}()

// A file that the desk does not send whole is never taken for whole.
func TestFileCutOff(t *testing.T) {
	for name, content := range map[string]func(context.Context) io.Reader{
		"short":  func(context.Context) io.Reader { return madeUp(90_000) },
		"failed": func(context.Context) io.Reader { return io.MultiReader(madeUp(90_000), readerFunc(failing)) },
		"stuck":  stuck(90_000),
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{file: bridge.Media{Type: "image/png", Size: 100_000}, content: content}
			cfg := mediaConfig(t, s)
			log := logTo(&cfg)
			server := serveFiles(t, cfg, func(a *api.API) { a.SetPatience(time.Second, 100*time.Millisecond, time.Minute, 1) })
			res := get(t, t.Context(), server.URL+"/media/"+linkToken(t, cfg, time.Now().Add(time.Minute)))
			body, err := io.ReadAll(res.Body)
			if res.ContentLength != 100_000 || len(body) > 90_000 || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("GET = %d bytes of %d, %v, want an unexpected end", len(body), res.ContentLength, err)
			}
			server.Close()
			if strings.Count(log.String(), "cut off") != 1 || !strings.Contains(log.String(), "outcome=file_cut") {
				t.Errorf("log = %s", log)
			}
		})
	}
}

func failing([]byte) (int, error) { return 0, errors.New("reset by peer") }

// A desk that does not begin in time is given up.
func TestFileThatDoesNotBegin(t *testing.T) {
	s := &shelf{file: bridge.Media{Type: "image/png", Size: 10}}
	cfg := mediaConfig(t, nil)
	cfg.Files = filesFunc(func(ctx context.Context, sid string) (bridge.File, error) {
		<-ctx.Done()
		return bridge.File{}, fmt.Errorf("%w: %w", bridge.ErrDeskUnavailable, ctx.Err())
	})
	server := serveFiles(t, cfg, func(a *api.API) { a.SetPatience(50*time.Millisecond, time.Minute, time.Minute, 1) })
	res := get(t, t.Context(), server.URL+"/media/"+linkToken(t, cfg, time.Now().Add(time.Minute)))
	if res.StatusCode != 503 || s.opened > 0 {
		t.Errorf("GET = %d, want 503", res.StatusCode)
	}
}

type filesFunc func(context.Context, string) (bridge.File, error)

func (f filesFunc) File(ctx context.Context, sid string) (bridge.File, error) { return f(ctx, sid) }

// A reader who takes nothing, or only a little for too long, gives its place back.
func TestSlowReader(t *testing.T) {
	for name, patience := range map[string][2]time.Duration{
		"stall": {100 * time.Millisecond, time.Minute},
		"whole": {time.Minute, 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{file: bridge.Media{Type: "video/mp4", Size: api.MaxFile}, closed: make(chan struct{}, 1)}
			if name == "whole" {
				s.content = stuck(api.MaxFile - 1)
			}
			cfg := mediaConfig(t, s)
			server := serveFiles(t, cfg, func(a *api.API) { a.SetPatience(time.Second, patience[0], patience[1], 1) })
			res := get(t, t.Context(), server.URL+"/media/"+linkToken(t, cfg, time.Now().Add(time.Minute)))
			if name == "whole" {
				go io.Copy(io.Discard, res.Body)
			}
			closedSoon(t, s)
			again := get(t, t.Context(), server.URL+"/media/nonsense")
			if again.StatusCode != 404 {
				t.Errorf("GET = %d afterwards, want 404", again.StatusCode)
			}
		})
	}
}

func closedSoon(t *testing.T, s *shelf) {
	t.Helper()
	select {
	case <-s.closed:
	case <-time.After(20 * time.Second):
		t.Fatal("the content is still open")
	}
}

// A file may take as long as it goes on: longer than it may take to begin, than
// each piece may take, and than the server's limits for requests that do not last.
func TestFileTakesItsTime(t *testing.T) {
	const pieces, each = 20, 5_000
	s := &shelf{file: bridge.Media{Type: "image/png", Size: pieces * each}, content: func(ctx context.Context) io.Reader {
		all := madeUp(pieces * each)
		return readerFunc(func(p []byte) (int, error) {
			select {
			case <-time.After(100 * time.Millisecond):
				return all.Read(p[:each])
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		})
	}}
	cfg := mediaConfig(t, s)
	a, err := api.New(cfg, &desk{})
	if err != nil {
		t.Fatal(err)
	}
	a.SetPatience(time.Second, 500*time.Millisecond, time.Minute, 1)
	e := echo.New()
	a.Register(e)
	server := httptest.NewUnstartedServer(e)
	server.Config.ReadHeaderTimeout, server.Config.ReadTimeout, server.Config.WriteTimeout = 10*time.Second, 100*time.Millisecond, 100*time.Millisecond
	server.Start()
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	res := get(t, t.Context(), server.URL+"/media/"+linkToken(t, cfg, time.Now().Add(time.Minute)))
	if body, err := io.ReadAll(res.Body); err != nil || len(body) != pieces*each {
		t.Errorf("GET = %d bytes, %v, want all", len(body), err)
	}
}

// Who leaves costs the desk nothing more, even while the desk sends nothing.
func TestReaderLeaves(t *testing.T) {
	s := &shelf{file: bridge.Media{Type: "image/png", Size: 100_000}, content: stuck(50_000), closed: make(chan struct{}, 1)}
	cfg := mediaConfig(t, s)
	log := logTo(&cfg)
	server := serveFiles(t, cfg, func(*api.API) {})
	ctx, leave := context.WithCancel(t.Context())
	res := get(t, ctx, server.URL+"/media/"+linkToken(t, cfg, time.Now().Add(time.Minute)))
	if _, err := io.ReadFull(res.Body, make([]byte, 40_000)); err != nil {
		t.Fatal(err)
	}
	leave()
	closedSoon(t, s)
	server.Close()
	if !strings.Contains(log.String(), "outcome=caller_left") || strings.Contains(log.String(), "cut off") {
		t.Errorf("log = %s, want no more than that the caller left", log)
	}
}

// A process that stops finishes the files that are under way.
func TestFileOutlastsDraining(t *testing.T) {
	rest := make(chan struct{})
	s := &shelf{file: bridge.Media{Type: "image/png", Size: 100_000}}
	s.content = func(ctx context.Context) io.Reader {
		all := madeUp(100_000)
		wait := readerFunc(func([]byte) (int, error) {
			select {
			case <-rest:
				return 0, cmp.Or(ctx.Err(), io.EOF)
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		})
		return io.MultiReader(io.LimitReader(all, 60_000), wait, all)
	}
	cfg := mediaConfig(t, s)
	waits, drain := context.WithCancelCause(t.Context())
	defer drain(nil)
	e := newServer(t, cfg, &desk{})
	reader, writer := io.Pipe()
	w := &pipeWriter{httptest.NewRecorder(), writer}
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.ServeHTTP(w, mediaRequest(t, cfg, "GET").WithContext(waits))
		writer.Close()
	}()
	begun := make([]byte, 60_000)
	if _, err := io.ReadFull(reader, begun); err != nil {
		t.Fatal(err)
	}
	drain(bridge.ErrDraining)
	close(rest)
	body, err := io.ReadAll(reader)
	<-done
	want, _ := io.ReadAll(madeUp(100_000))
	if err != nil || !bytes.Equal(append(begun, body...), want) {
		t.Errorf("GET = %d bytes, %v, want all", len(begun)+len(body), err)
	}
}

type pipeWriter struct {
	*httptest.ResponseRecorder
	to io.Writer
}

func (w *pipeWriter) Write(p []byte) (int, error) { return w.to.Write(p) }

// One file more than may be fetched at once is told to come back.
func TestFilesAtOnce(t *testing.T) {
	s := &shelf{file: bridge.Media{Type: "image/png", Size: 100_000}, content: stuck(50_000), closed: make(chan struct{}, 3)}
	cfg := mediaConfig(t, s)
	server := serveFiles(t, cfg, func(a *api.API) { a.SetPatience(time.Minute, time.Minute, time.Minute, 2) })
	link := server.URL + "/media/" + linkToken(t, cfg, time.Now().Add(time.Minute))
	ctx, leave := context.WithCancel(t.Context())
	for range 2 {
		get(t, ctx, link)
	}
	if res := get(t, t.Context(), link); res.StatusCode != 503 || !spreads(res.Header, 5) {
		t.Errorf("the third GET = %d, Retry-After %q, want 503, 5 to 10", res.StatusCode, res.Header.Get("Retry-After"))
	}
	leave()
	closedSoon(t, s)
	closedSoon(t, s)
	s.content = nil
	for { // the place is given back a moment after the content was closed
		res := get(t, t.Context(), link)
		if body, err := io.ReadAll(res.Body); res.StatusCode == 200 {
			if err != nil || len(body) != 100_000 {
				t.Errorf("GET = %d bytes, %v, want the file", len(body), err)
			}
			return
		}
	}
}

// Who reads one file slowly, by whatever links, leaves room for other files.
func TestOneFileLeavesRoomForOthers(t *testing.T) {
	s := &shelf{file: bridge.Media{Type: "image/png", Size: 100_000}, content: stuck(50_000), closed: make(chan struct{}, 4)}
	cfg := mediaConfig(t, s)
	server := serveFiles(t, cfg, func(*api.API) {})
	link := func(sid string) string {
		token, _ := cfg.Keys.FileToken(sid, time.Now().Add(time.Minute))
		return server.URL + "/media/" + token
	}
	ctx, leave := context.WithCancel(t.Context())
	for range 4 {
		if res := get(t, ctx, link(fileSID)); res.StatusCode != 200 {
			t.Fatalf("GET = %d, want 200", res.StatusCode)
		}
	}
	if res := get(t, t.Context(), link(fileSID)); res.StatusCode != 503 || !spreads(res.Header, 5) {
		t.Errorf("the fifth GET of one file = %d, Retry-After %q, want 503, 5 to 10", res.StatusCode, res.Header.Get("Retry-After"))
	}
	other := "ME" + strings.Repeat("7", 32)
	if res := get(t, ctx, link(other)); res.StatusCode != 200 {
		t.Errorf("GET of another file = %d, want 200", res.StatusCode)
	}
	leave()
	for range 5 {
		closedSoon(t, s)
	}
	for { // the place is given back a moment after the content was closed
		if get(t, t.Context(), link(fileSID)).StatusCode == 200 {
			return
		}
	}
}

// Neither the link nor its file is logged.
func TestLinkIsNotLogged(t *testing.T) {
	cfg := mediaConfig(t, &shelf{file: bridge.Media{Name: "topsecret.png", Type: "image/png", Size: 1}})
	log := logTo(&cfg)
	token := linkToken(t, cfg, time.Now().Add(time.Minute))
	serve(newServer(t, cfg, &desk{}), request("GET", "/media/"+token, ""))
	if strings.Contains(log.String(), token) || strings.Contains(log.String(), "topsecret") || !strings.Contains(log.String(), "route=/media/:token") || !strings.Contains(log.String(), "outcome=file") {
		t.Errorf("log = %s", log)
	}
}
