package main

import (
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"flexbridge/bridge/flex/flexsim"
)

// In every test nothing may be written to the console and nothing asked of another
// host, see browse.
func TestConsole(t *testing.T) {
	browser := startBrowser(t)
	for _, row := range []struct {
		name   string
		silent bool
		test   func(*browsed)
	}{
		{"a question's way", false, (*browsed).story},
		{"pending", true, (*browsed).pending},
		{"customers at once", true, (*browsed).crowd},
		{"keyboard", true, (*browsed).keyboard},
		{"lose", false, (*browsed).lose},
		{"delay", false, (*browsed).delay},
		{"double", false, (*browsed).double},
		{"reverse", true, (*browsed).reverse},
		{"slow", false, (*browsed).slow},
		{"busy", false, (*browsed).busy},
		{"forget", false, (*browsed).forget},
		{"restart", true, (*browsed).restart},
		{"hang up", true, (*browsed).hangUp},
		{"hang up through MCP", true, (*browsed).hangUpMCP},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.test(browse(t, browser, 1280, row.silent))
		})
	}
	t.Run("accessible", func(t *testing.T) {
		t.Parallel()
		script := axe(t)
		browse(t, browser, 1280, true).accessible(script)
	})
}

// heavy is what all files of the page may weigh, in bytes.
const heavy = 150_000

func TestConsoleIsLight(t *testing.T) {
	total := 0
	err := fs.WalkDir(console, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := console.ReadFile(name)
		total += len(body)
		for _, elsewhere := range []string{"https://", "http://"} {
			if text := strings.ReplaceAll(string(body), "http://www.w3.org/2000/svg", ""); strings.Contains(text, elsewhere) {
				t.Errorf("%s has %s", name, elsewhere)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if t.Logf("%d bytes", total); total == 0 || total > heavy {
		t.Errorf("the page weighs %d bytes, want at most %d", total, heavy)
	}
}

// README's picture of the page is there, and no burden.
func TestScreenshot(t *testing.T) {
	const name = "cmd/flexbridge/console/screenshot.png"
	if !strings.Contains(readFile(t, "README.md"), "]("+name+")") {
		t.Errorf("README does not show %s", name)
	}
	if n := len(readFile(t, name)); n > 300_000 {
		t.Errorf("%s has %d bytes, want at most 300 000", name, n)
	}
}

// Nothing of the demo is there when the service is the real one.
func TestServeHasNoConsole(t *testing.T) {
	w := newWorld(t, nil, flexsim.Config{})
	real := w.start(nil)
	_, demo := startDemo(t, true)
	paths := []string{"GET /demo", "GET /demo/events", "POST /demo/agent", "POST /demo/habit", "POST /demo/faults"}
	entries, err := console.ReadDir("console")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		paths = append(paths, "GET /demo/"+e.Name())
	}
	for _, p := range paths {
		method, path, _ := strings.Cut(p, " ")
		if got := statusOf(t, method, real.url+path, nil); got != http.StatusNotFound {
			t.Errorf("%s of the service = %d, want 404", p, got)
		}
		if got := statusOf(t, method, demo.url+path, nil); got == http.StatusNotFound {
			t.Errorf("%s of the demo = 404", p)
		}
	}
}

// Another page in the same browser orders nothing here, under whatever name.
func TestConsoleGuard(t *testing.T) {
	_, r := startDemo(t, true)
	port := r.url[strings.LastIndexByte(r.url, ':'):]
	for _, row := range []struct {
		method, path, host, origin, site string
		want                             int
	}{
		{"POST", "/demo/faults", "", "", "", http.StatusBadRequest}, // let in
		{"POST", "/demo/faults", "localhost" + port, "", "", http.StatusBadRequest},
		{"POST", "/demo/faults", "", r.url, "same-origin", http.StatusBadRequest},
		{"POST", "/demo/faults", "", "https://evil.example.com", "", http.StatusForbidden},
		{"POST", "/demo/agent", "", "https://evil.example.com", "cross-site", http.StatusForbidden},
		{"POST", "/demo/habit", "evil.example.com" + port, "", "", http.StatusForbidden},
		{"GET", "/demo/events", "evil.example.com" + port, "", "", http.StatusForbidden},
		{"GET", "/demo", "evil.example.com" + port, "", "", http.StatusForbidden},
		{"GET", "/demo", "localhost" + port, "", "", http.StatusTemporaryRedirect},
	} {
		got := statusOf(t, row.method, r.url+row.path, func(q *http.Request) {
			q.Host = row.host
			for name, value := range map[string]string{"Origin": row.origin, "Sec-Fetch-Site": row.site} {
				if value != "" {
					q.Header.Set(name, value)
				}
			}
		})
		if got != row.want {
			t.Errorf("%+v = %d", row, got)
		}
	}
}

func statusOf(t *testing.T, method, address string, change func(*http.Request)) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	header := res.Header
	if strings.HasPrefix(r.URL.Path, "/demo") && (header.Get("X-Content-Type-Options") != "nosniff" || header.Get("X-Frame-Options") != "DENY" ||
		!strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'")) {
		t.Errorf("%s has the header %v, want it as strict as everything's", address, header)
	}
	return res.StatusCode
}
