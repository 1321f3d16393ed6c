package main

import (
	"fmt"
	"strings"
)

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
	b.choose("#wait", "10")
	b.breaks("delay", "1 to come")
	b.click("#ask-button")
	b.steps("Webhook held back for 4s", "Reply kept, waiters woken", "Webhook: signature good, acknowledged")
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
