package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"flexbridge/bridge/flex/flexsim"
)

func theme(name string) action {
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}
	return protocol(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
}

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

func (b *browsed) story() {
	b.look("first-1280-light")
	b.click("#ask-button")
	b.shows("#chat", `You asked: "Do you ship to Norway?"`)
	b.steps("The assistant asks", "Question said in the conversation", "Task raised in Flex", "Request parked", "The agent accepts",
		"The agent replies", "Reply kept, waiters woken", "Answered: replied")
	b.steps("Reply kept, waiters woken", "Webhook: signature good, acknowledged")
	b.balanced(1, 1)
	b.ask("And what does it cost?")
	b.shows("#chat", `You asked: "And what does it cost?"`)
	b.balanced(2, 2)
	b.click("#wire summary")
	b.shows("#wire-list", "curl -s 'http")
	b.shows("#wire-list", `"status": "replied"`)
	b.click("#details")
	b.steps("Conversation opened", "Customer put in", "Webhook registered", "Studio flow attached, for routing", "Question kept")
	b.click("#end")
	b.shows("#chat", "The conversation is closed")
	b.shows("#queue", "closed")
	b.ask("Once more?")
	b.shows("#chat", `You asked: "Once more?"`)
	if n := len(b.d.twilio.Conversations()); n != 2 {
		b.Errorf("after an end there are %d conversations, want 2", n)
	}
}

// balanced waits until all that agents said was given, and nothing lost.
func (b *browsed) balanced(asked, replies int) {
	b.Helper()
	b.counts(map[string]int{"asked": asked, "answered": asked, "replies": replies, "given": replies, "lost": 0})
}

// A reply in parts and a picture, long after the wait, while no request is there.
func (b *browsed) pending() {
	b.choose("#wait", "3")
	b.click("#follow")
	b.click("#ask-button")
	b.shows("#parked-text", "Answered by")
	b.shows("#queue", "waits for an agent")
	b.shows("#chat", "Pending: the question stands")
	b.counts(map[string]int{"asked": 1, "answered": 0, "lost": 0})
	b.click("[data-act=accept]")
	b.shows("#queue", "with you")
	b.reply("Yes.")
	b.reply("By ship.")
	b.click("[data-act=picture]")
	b.counts(map[string]int{"replies": 3, "given": 0, "lost": 0})
	b.click("#more")
	b.shows("#chat", "By ship.")
	b.until(`document.querySelector("#chat img").naturalWidth > 0 && document.querySelector("#chat a").pathname.startsWith("/media/")`)
	b.balanced(1, 3)
	b.click("[data-act=leave]")
	b.shows("#queue", "you left")
	b.click("[data-act=close]")
	b.shows("#queue", "closed")
}

func (b *browsed) reply(text string) {
	b.Helper()
	b.write("#text", text)
	b.click("#reply-button")
	b.shows("#desk-chat", text)
}

// All that a page has connections for, some through MCP, answered the last first.
func (b *browsed) crowd() {
	names := []string{"Ada", "Ben", "Cleo", "Dan"}
	for i, name := range names {
		if i > 0 {
			b.click("#add")
		}
		if i >= 2 {
			b.click("input[value=mcp]")
		}
		b.ask("May " + name + "?")
		b.shows("#queue", name)
	}
	b.until(`document.querySelectorAll("#customers .busy").length === 4`)
	b.until(`document.querySelector("#add").hidden`)
	for i, name := range slices.Backward(names) {
		b.click(fmt.Sprintf("#queue li:nth-last-child(%d) button", i+1))
		b.shows("#desk-chat", "May "+name+"?")
		b.reply(name + " may.")
	}
	b.until(`document.querySelectorAll("#customers .busy").length === 0`)
	for i, name := range names {
		b.click(fmt.Sprintf("#customers button:nth-child(%d)", i+1))
		b.shows("#chat", name+" may.")
		b.until(`document.querySelectorAll("#chat .agent").length === 1`)
		b.steps("The assistant asks", "Request parked", "Reply kept, waiters woken", "Answered: replied")
		b.until(`[...document.querySelectorAll("#steps strong")].filter((s) => s.textContent === "The assistant asks").length === 1`)
	}
	b.balanced(4, 4)
}

func (b *browsed) keyboard() {
	b.tabTo("#question")
	b.run(chromedp.KeyEvent(kb.Enter))
	b.shows("#queue", "waits for an agent")
	b.tabTo("[data-act=accept]")
	b.run(chromedp.KeyEvent(" "))
	b.shows("#queue", "with you")
	b.tabTo("#text")
	b.run(chromedp.KeyEvent("By keyboard."), chromedp.KeyEvent(kb.Enter))
	b.shows("#chat", "By keyboard.")
	b.tabTo("#add")
	b.run(chromedp.KeyEvent(" "))
	b.until(`document.activeElement.id === "question" && document.querySelector("[aria-selected=true]").textContent === "Ben"`)
	b.tabTo("[aria-selected=true]")
	b.run(chromedp.KeyEvent(kb.ArrowLeft))
	b.until(`document.activeElement.textContent === "Ada" && document.activeElement.ariaSelected === "true"`)
	b.shows("#chat", "By keyboard.")
	b.tabTo("[data-fault=mend]")
}

// tabTo presses Tab until the element has the focus, which is to be seen.
func (b *browsed) tabTo(selector string) {
	b.Helper()
	for range 100 {
		there, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](fmt.Sprintf(
			`document.activeElement === document.querySelector(%q) && getComputedStyle(document.activeElement).outlineStyle !== "none"`, selector)))
		if err != nil {
			b.Fatal(err)
		}
		if there {
			return
		}
		b.run(chromedp.KeyEvent(kb.Tab))
	}
	b.Fatalf("Tab does not come to %s", selector)
}

func (b *browsed) breaks(fault, armed string) {
	b.Helper()
	b.click("[data-fault=" + fault + "]")
	b.until(fmt.Sprintf(`document.querySelector("[data-fault=%s]").dataset.left === %q`, fault, armed))
}

func (b *browsed) lose() {
	b.choose("#wait", "3")
	b.breaks("lose", "1 to come")
	b.click("#ask-button")
	b.steps("Webhook lost on its way", "Looked at Twilio's list", "Answered: replied")
	b.until(`document.querySelector("[data-fault=lose]").dataset.left === ""`)
	b.balanced(1, 1)
}

func (b *browsed) delay() {
	b.choose("#wait", "3")
	b.breaks("delay", "1 to come")
	b.click("#ask-button")
	b.steps("Webhook held back for 4s", "Answered: replied")
	b.balanced(1, 1)
}

func (b *browsed) double() {
	b.breaks("double", "1 to come")
	b.click("#details")
	b.click("#ask-button")
	b.steps("Webhook sent twice", "Webhook received", "Webhook received")
	b.shows("#chat", "You asked")
	b.balanced(1, 1)
	b.until(`document.querySelectorAll("#chat .agent").length === 1`)
}

func (b *browsed) reverse() {
	b.click("#ask-button")
	b.shows("#queue", "waits for an agent")
	b.breaks("reverse", "2 to come")
	b.reply("One.")
	b.reply("Two.")
	b.steps("Webhook held back, to come after the next one")
	b.shows("#chat", "One.")
	b.until(`!document.querySelector("#more").hidden && document.querySelector("#more").ariaDisabled === "false"`)
	if text := b.page(); strings.Count(text, "Two.") < 2 { // it may have come along
		b.click("#more")
	}
	b.shows("#chat", "Two.")
	b.until(`/One[^]*Two/.test(document.querySelector("#chat").innerText)`)
	b.balanced(1, 2)
}

func (b *browsed) slow() {
	b.breaks("slow", "3 to come")
	b.click("#ask-button")
	b.until(`document.querySelector("[data-fault=slow]").dataset.left === "2 to come"`)
	b.shows("#chat", "You asked")
	b.balanced(1, 1)
}

func (b *browsed) busy() {
	b.breaks("busy", "2 to come")
	b.click("#ask-button")
	b.steps("Twilio refuses a call", "Twilio is asked again", "Question said in the conversation", "Answered: replied")
	b.balanced(1, 1)
}

func (b *browsed) forget() {
	b.click("#ask-button")
	b.balanced(1, 1)
	b.click("[data-fault=forget]")
	b.steps("The store forgets everything")
	b.ask("Still there?")
	b.shows("#chat", `You asked: "Still there?"`)
	b.balanced(2, 2)
	if n := len(b.d.twilio.Conversations()); n != 1 {
		b.Errorf("there are %d conversations, want the 1 that was", n)
	}
}

// The request that waits is answered at once, and the next service finds the rest.
func (b *browsed) restart() {
	b.click("#ask-button")
	b.steps("Request parked")
	b.click("[data-fault=restart]")
	b.steps("Request parked", "Answered: pending", "The assistant waits for replies")
	b.shows("#chat", "The assistant asks on")
	b.shows("#steps", "1 waiting requests are answered pending at once")
	b.reply("After the restart.")
	b.shows("#chat", "After the restart.")
	b.balanced(1, 1)
}

func (b *browsed) hangUp() {
	b.click("#ask-button")
	b.steps("Request parked")
	b.click("#hangup")
	b.steps("Request parked", "The assistant asks")
	b.steps("The caller hung up")
	b.reply("You asked once.")
	b.shows("#chat", "You asked once.")
	b.balanced(1, 1)
	b.until(`document.querySelectorAll("#chat .agent").length === 1`)
}

func (b *browsed) hangUpMCP() {
	b.click("input[value=mcp]")
	b.hangUp()
	b.click("#wire summary")
	b.shows("#wire-list", "Mcp-Protocol-Version: 2026-07-28")
}

// In both themes, wide and narrow, empty and with everything there is to see.
func (b *browsed) accessible(axe string) {
	views := func(name string) {
		for _, tint := range themes {
			for _, width := range []int64{1280, 390} {
				b.run(theme(tint), chromedp.EmulateViewport(width, 900))
				b.isAccessible(axe)
				b.look(fmt.Sprintf("%s-%d-%s", name, width, tint))
				b.until(`document.documentElement.scrollWidth <= innerWidth`)
			}
		}
	}
	b.choose("#pause", "1.5")
	views("empty")
	b.click("#add")
	b.click("#ask-button")
	b.shows("#queue", "waits for an agent")
	b.click("[data-act=accept]")
	b.reply("Yes, twice a week. " + strings.Repeat("Øresund", 30))
	b.click("[data-act=picture]")
	b.shows("#chat", "Yes, twice")
	b.click("#more")
	b.until(`document.querySelector("#chat img")`)
	b.breaks("lose", "1 to come")
	b.ask("And to Svalbard?")
	b.shows("#parked-text", "Answered by")
	views("story")
	b.click("#wire summary")
	b.click("#details")
	b.click("#customers button")
	views("details")
}

var themes = []string{"light", "dark"}

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
