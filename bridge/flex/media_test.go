package flex_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge"
	"flexbridge/bridge/flex"
	"flexbridge/bridge/flex/flexsim"
)

// sent is a file that an agent sent.
func (w *world) sent(t *testing.T, file flexsim.Media) bridge.Media {
	t.Helper()
	m, err := w.sim.Agent("ann@example.com").Send(w.open(t, 0), "", file)
	if err != nil {
		t.Fatal(err)
	}
	return bridge.Media{SID: m.Media[0].SID, Name: file.Name, Type: file.Type, Size: file.Size}
}

func TestFile(t *testing.T) {
	for name, change := range map[string]func(*flex.Config){
		"default service": func(*flex.Config) {},
		"service given":   func(c *flex.Config) { c.ServiceSID = flexsim.ServiceSID },
		"API key":         func(c *flex.Config) { c.APIKey, c.APISecret, c.AuthToken = "SK1", secret, "" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, change)
			want := w.sent(t, flexsim.Media{Name: "a.png", Type: "image/png", Size: 100_000})
			content, _ := io.ReadAll(flexsim.Content(want.SID, want.Size))
			w.sim.Reset()
			for range 2 {
				f, err := w.File(t.Context(), want.SID)
				if err != nil || f.Media != want {
					t.Fatalf("File = %+v, %v, want %+v", f.Media, err, want)
				}
				body, err := f.Open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(body)
				if body.Close(); err != nil || !bytes.Equal(got, content) {
					t.Errorf("content = %d bytes, %v, want the file's %d", len(got), err, len(content))
				}
			}
			configurations := 1
			if name == "service given" {
				configurations = 0
			}
			if c, m, f := w.sim.Count(flexsim.FetchConfiguration), w.sim.Count(flexsim.FetchMedia), w.sim.Count(flexsim.FetchContent); c != configurations || m != 2 || f != 2 {
				t.Errorf("%d, %d and %d calls, want the service's once at most and a fresh link each time", c, m, f)
			}
			for _, c := range w.sim.Calls() {
				if with := c.Header.Get("Authorization") != ""; with == (c.Op == flexsim.FetchContent) {
					t.Errorf("%s %s with credentials: %v", c.Method, c.Path, with)
				}
			}
		})
	}
}

func TestFileErrors(t *testing.T) {
	const nobody = "ME00000000000000000000000000000fff"
	rows := map[string]struct {
		op    flexsim.Op
		fault flexsim.Fault
		want  error
	}{
		"429, for a moment":       {flexsim.FetchMedia, flexsim.Fault{Status: 429}, nil},
		"500, for a moment":       {flexsim.FetchMedia, flexsim.Fault{Status: 500}, nil},
		"the service, 500":        {flexsim.FetchConfiguration, flexsim.Fault{Status: 500}, nil},
		"a page":                  {flexsim.FetchMedia, flexsim.Fault{Status: 404, HTML: true}, bridge.ErrDeskRefused},
		"Twilio's 404":            {flexsim.FetchMedia, flexsim.Fault{Status: 404}, bridge.ErrGone},
		"no such service":         {flexsim.FetchConfiguration, flexsim.Fault{Status: 404}, bridge.ErrDeskRefused},
		"credentials":             {flexsim.FetchMedia, flexsim.Fault{Status: 401}, bridge.ErrDeskRefused},
		"the content's 404":       {flexsim.FetchContent, flexsim.Fault{Status: 404}, bridge.ErrGone},
		"a lapsed link":           {flexsim.FetchContent, flexsim.Fault{Status: 403}, bridge.ErrDeskUnavailable},
		"the content's 500":       {flexsim.FetchContent, flexsim.Fault{Status: 500, HTML: true}, bridge.ErrDeskUnavailable},
		"another content":         {flexsim.FetchContent, flexsim.Fault{Status: 200, HTML: true}, bridge.ErrDeskUnavailable},
		"the content's cut":       {flexsim.FetchContent, flexsim.Fault{Cut: true}, bridge.ErrDeskUnavailable},
		"a redirect elsewhere":    {flexsim.FetchContent, flexsim.Fault{Status: 302, HTML: true}, bridge.ErrDeskUnavailable},
		"no file, and no service": {flexsim.UnknownOp, flexsim.Fault{}, bridge.ErrGone},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			sid := w.sent(t, flexsim.Media{Type: "image/png", Size: 100}).SID
			if row.op == flexsim.UnknownOp {
				sid = nobody
			}
			w.fresh()
			times := 1
			if row.want != nil {
				times = -1 // net/http itself repeats a GET that was cut off
			}
			w.sim.Break(row.op, times, row.fault)
			f, err := w.File(t.Context(), sid)
			if err == nil {
				var body io.ReadCloser
				if body, err = f.Open(t.Context()); err == nil {
					body.Close()
				}
			}
			w.outcome(t, "File and Open", err, row.want)
			if err != nil && strings.Contains(err.Error(), "Signature") {
				t.Errorf("the error holds the link: %v", err)
			}
		})
	}
}

// Where Twilio's answer sends us is not where its credentials go, nor anywhere but
// to Twilio's own hosts.
func TestFileOnlyFromTwilio(t *testing.T) {
	visited := make(chan string, 10)
	inside := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { visited <- r.URL.Path }))
	t.Cleanup(inside.Close)
	for _, link := range []string{
		"", "/content", "http://169.254.169.254/latest/meta-data", inside.URL + "/secret", "https://127.0.0.1/x",
		"http://media.us1.twilio.com/x", "https://twilio.com.example.com/x", "https://eviltwilio.com/x", "https://example.com/.twilio.com",
		"https://user:password@media.us1.twilio.com/x", "file:///etc/passwd", "//localhost/x", "https://%zz",
	} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"size": 5, "content_type": "image/png", "filename": null, "links": {"content_direct_temporary": %q}}`, link)
		}))
		w := newWorld(t, func(c *flex.Config) { c.APIURL, c.ServiceSID = api.URL, flexsim.ServiceSID })
		f, err := w.File(t.Context(), "ME00000000000000000000000000000001")
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Open(t.Context())
		w.outcome(t, "Open of "+link, err, bridge.ErrDeskUnavailable)
		if err != nil && !strings.Contains(err.Error(), "not Twilio's") {
			t.Errorf("Open of %s = %v, want a refusal", link, err)
		}
		w.CloseIdleConnections()
		api.Close()
	}
	if len(visited) > 0 {
		t.Errorf("%s was visited", <-visited)
	}
}

// Incomplete descriptions are no files.
func TestFileIncomplete(t *testing.T) {
	for _, answer := range []string{`{}`, `{"size": null}`, `{"size": -1}`, `{"size": "x"}`, `[]`, `x`} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, answer) }))
		w := newWorld(t, func(c *flex.Config) { c.APIURL, c.ServiceSID = api.URL, flexsim.ServiceSID })
		_, err := w.File(t.Context(), "ME00000000000000000000000000000001")
		w.outcome(t, "File of "+answer, err, bridge.ErrDeskUnavailable)
		w.CloseIdleConnections()
		api.Close()
	}
}

// The context ends what is being read, at Twilio, too.
func TestFileIsCancelled(t *testing.T) {
	w := newWorld(t)
	file := w.sent(t, flexsim.Media{Type: "video/mp4", Size: 1 << 30})
	w.sim.Break(flexsim.FetchContent, 1, flexsim.Fault{Late: true, Hold: make(chan struct{})})
	f, err := w.File(t.Context(), file.SID)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	body, err := f.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.CopyN(io.Discard, body, 1<<20); err != nil {
		t.Fatal(err)
	}
	if w.sim.Sending() != 1 {
		t.Errorf("%d files are being sent, want 1", w.sim.Sending())
	}
	cancel()
	if _, err := io.Copy(io.Discard, body); err == nil {
		t.Error("the file was read to its end")
	}
	if err := w.sim.Until(within(t, 20*time.Second), func() bool { return w.sim.Sending() == 0 }); err != nil {
		t.Errorf("Twilio goes on sending: %v", err)
	}
}

// The credentials go to Twilio's host for files, or to what takes its place.
func TestFilesHost(t *testing.T) {
	const path = "/v1/Services/IS1/Media/ME1"
	for api, want := range map[string]string{
		"": "https://mcs.us1.twilio.com" + path, "http://127.0.0.1:1/twilio/": "http://127.0.0.1:1/twilio" + path,
	} {
		w := newWorld(t, func(c *flex.Config) { c.APIURL = api })
		got, err := w.Target("https://mcs.us1.twilio.com" + path)
		if err != nil || got != want {
			t.Errorf("with API URL %q a file is at %v (%v), want %s", api, got, err, want)
		}
	}
}
