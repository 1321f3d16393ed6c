package main

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

var themes = []string{"light", "dark"}

func theme(name string) action {
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}
	return protocol(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
}

func TestConsole(t *testing.T) {
	browser := startBrowser(t)
	t.Run("story", func(t *testing.T) { t.Parallel(); story1(t, browse(t, browser, 1280, false)) })
}

func story1(t *testing.T, b *browsed) {
	b.look("first-1280-light")
	b.click("#ask-button")
	b.shows("#chat", `You asked: "Do you ship to Norway?"`)
	b.steps("The assistant asks", "Question said in the conversation", "Request parked", "Task raised in Flex", "The agent accepts",
		"The agent replies", "Reply kept, waiters woken", "Answered: replied")
	b.steps("Reply kept, waiters woken", "Webhook: signature good, acknowledged")
	b.counts(map[string]int{"asked": 1, "answered": 1, "replies": 1, "given": 1, "lost": 0})
	b.ask("What does it cost?")
	b.shows("#chat", `You asked: "What does it cost?"`)
	b.choose("#pause", "1.5")
	for _, name := range themes {
		b.run(theme(name))
		for _, width := range []int64{1280, 390} {
			b.run(chromedp.EmulateViewport(width, 900))
			b.look(fmt.Sprintf("story-%d-%s", width, name))
		}
	}
}
