package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// startBrowser starts a headless Chromium, which ends with the test.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("FLEXBRIDGE_REQUIRE_CHROMIUM") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, quit := chromedp.NewContext(ctx)
	t.Cleanup(quit)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return ctx
}

type action = chromedp.Action[chromedp.Void]

// protocol is an action of the protocol's own.
func protocol[P any](c cdp.Command[P, cdp.Empty], params P) action {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// browsed is the demo's page in a tab of a browser.
type browsed struct {
	*testing.T
	ctx context.Context
	d   *demonstration
	r   *replica

	mu       sync.Mutex
	problems []string // console errors, exceptions and requests to elsewhere
}

// browse opens the page of a demo of its own.
func browse(t *testing.T, browser context.Context, width int64, silent bool, first ...action) *browsed {
	t.Helper()
	b := &browsed{T: t}
	b.d, b.r = startDemo(t, silent)
	ctx, leave := chromedp.NewContext(browser)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	b.ctx = ctx
	t.Cleanup(func() {
		cancel()
		leave()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, problem := range b.problems {
			t.Error(problem)
		}
	})
	if err := chromedp.Do(ctx, protocol(network.Enable, network.EnableParams{}), protocol(cdplog.Enable, cdp.Empty{})); err != nil {
		t.Fatal(err)
	}
	b.listen()
	b.run(append(first, chromedp.EmulateViewport(width, 900), chromedp.Navigate(b.r.url+"/demo"))...)
	b.until(`document.body.classList.contains("live") && sessionStorage.run`)
	return b
}

// listen notes what should not happen in the page.
func (b *browsed) listen() {
	note := func(format string, args ...any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.problems = append(b.problems, fmt.Sprintf(format, args...))
	}
	on(b.ctx, runtime.ExceptionThrown, func(e runtime.EventExceptionThrown) {
		text, _ := json.Marshal(e.ExceptionDetails)
		note("the page threw: %s", text)
	})
	on(b.ctx, runtime.ConsoleAPICalled, func(e runtime.EventConsoleAPICalled) {
		text, _ := json.Marshal(e.Args)
		note("the page's console: %s %s", e.Type, text)
	})
	on(b.ctx, cdplog.EntryAdded, func(e cdplog.EventEntryAdded) {
		if e.Entry.Level == cdplog.EntryLevelError {
			note("the browser's console: %s %s", e.Entry.Text, e.Entry.URL)
		}
	})
	on(b.ctx, network.RequestWillBeSent, func(e network.EventRequestWillBeSent) {
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && "http://"+u.Host != b.r.url {
			note("the page asked %s", e.Request.URL)
		}
	})
}

// on calls f with each event until ctx is done.
func on[E any](ctx context.Context, event cdp.Event[E], f func(E)) {
	events := chromedp.Events(ctx, event)
	go func() {
		for e, err := range events {
			if err != nil {
				return
			}
			f(e)
		}
	}()
}

func (b *browsed) run(actions ...action) {
	b.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.Fatal(err, b.page())
	}
}

// until waits for a condition in the page.
func (b *browsed) until(condition string) {
	b.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[any](condition, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(25*time.Second)))
	if err != nil {
		b.Fatalf("%s: %v\n%s", condition, err, b.page())
	}
}

// page is what is to be read there.
func (b *browsed) page() (text string) {
	text, _ = chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	return text
}

func (b *browsed) click(selector string) {
	b.Helper()
	b.run(chromedp.Click(chromedp.CSS(selector)))
}

func script(format string, args ...any) action {
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf(format, args...))
}

func (b *browsed) choose(selector, value string) {
	b.Helper()
	b.run(chromedp.SetValue(chromedp.CSS(selector), value), script(`document.querySelector(%q).dispatchEvent(new Event("change"))`, selector))
}

func (b *browsed) write(selector, text string) {
	b.Helper()
	b.run(script(`document.querySelector(%q).value = ""`, selector), chromedp.SendKeys(chromedp.CSS(selector), text))
}

func (b *browsed) ask(text string) {
	b.Helper()
	b.write("#question", text)
	b.click("#ask-button")
}

// shows waits until the text stands in an element.
func (b *browsed) shows(selector, text string) {
	b.Helper()
	b.until(fmt.Sprintf(`document.querySelector(%q).innerText.includes(%q)`, selector, text))
}

// counts waits for counters, by their names in the page.
func (b *browsed) counts(want map[string]int) {
	b.Helper()
	for name, n := range want {
		b.until(fmt.Sprintf(`document.querySelector("[data-count=%s]").textContent === "%d"`, name, n))
	}
}

// steps waits until these stand on the way, in this order.
func (b *browsed) steps(titles ...string) {
	b.Helper()
	text, _ := json.Marshal(titles)
	b.until(fmt.Sprintf(`(() => { let i = 0; const want = %s;
		for (const s of document.querySelectorAll("#steps strong")) if (s.textContent === want[i]) i++;
		return i === want.length; })()`, text))
}

// look keeps a screenshot in the folder that FLEXBRIDGE_SCREENSHOTS names, if it does.
func (b *browsed) look(name string) {
	folder := os.Getenv("FLEXBRIDGE_SCREENSHOTS")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644); err != nil {
		b.Fatal(err)
	}
}

// axe is axe-core's script, from the node_modules of the tests.
func axe(t *testing.T) string {
	script, err := os.ReadFile(filepath.Join(os.Getenv(nodeVariable), "axe-core", "axe.min.js"))
	if err != nil {
		if os.Getenv("FLEXBRIDGE_REQUIRE_CHROMIUM") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return string(script)
}

// isAccessible holds that axe-core finds nothing wrong with the page as it is.
func (b *browsed) isAccessible(axe string) {
	b.Helper()
	type violation struct {
		ID, Help string
		Nodes    []struct{ HTML, FailureSummary string }
	}
	b.run(chromedp.Evaluate[chromedp.Void](axe))
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]violation](`axe.run().then((r) => r.violations)`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatal(err)
	}
	for _, v := range found {
		var where []string
		for _, n := range v.Nodes {
			where = append(where, n.HTML+"\n"+n.FailureSummary)
		}
		b.Errorf("axe: %s, %s\n%s", v.ID, v.Help, strings.Join(where, "\n"))
	}
}
