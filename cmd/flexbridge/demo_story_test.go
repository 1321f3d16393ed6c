package main

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

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
	b.runsCurl(`You asked: "And what does it cost?"`)
	b.click("#details")
	b.steps("Conversation opened", "Customer put in", "Webhook registered", "Studio flow attached, for routing", "Question kept")
	b.click("#end")
	b.shows("#chat", "The conversation is closed")
	b.steps("The assistant ends the conversation", "Answered: closed")
	b.shows("#queue", "closed")
	b.ask("Once more?")
	b.shows("#chat", `You asked: "Once more?"`)
	if n := len(b.d.twilio.Conversations()); n != 2 {
		b.Errorf("after an end there are %d conversations, want 2", n)
	}
}

// runsCurl pastes the latest request's curl, which asks the same with the same key and
// so not anew, into a shell.
func (b *browsed) runsCurl(want string) {
	b.Helper()
	line, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector("#wire-list pre").textContent`))
	if err != nil {
		b.Fatal(err)
	}
	answer, err := exec.CommandContext(b.ctx, "bash", "-c", line).Output()
	if err != nil || !strings.Contains(string(answer), strings.ReplaceAll(want, `"`, `\"`)) {
		b.Errorf("%s\n= %s, %v, want %s", line, answer, err, want)
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

var themes = []string{"light", "dark"}

func theme(name string) action {
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}
	return protocol(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
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
