package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge/flex/flexsim"
)

//go:embed console/parcel.png
var parcel string

// habit is whether the agent acts by itself, and how soon.
func (d *demonstration) habit() (auto bool, pause time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.auto, d.pause
}

// onTask accepts a conversation that waits for an agent.
func (d *demonstration) onTask(ctx context.Context, t flexsim.Task) {
	d.raised(t)
	if auto, wait := d.habit(); auto && pause(ctx, wait) {
		_ = d.join(t.Conversation) // it may have been closed meanwhile
	}
}

// onMessage replies to what the customer says.
func (d *demonstration) onMessage(ctx context.Context, m flexsim.Message) {
	d.said(m)
	if auto, wait := d.habit(); auto && ofCustomer(m) && pause(ctx, 2*wait) {
		_ = d.say(m.Conversation, fmt.Sprintf("You asked: %q. Let me think… yes!", m.Text))
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (d *demonstration) join(conversation string) error {
	if c, _ := d.twilio.Conversation(conversation); in(c, d.agent.Identity()) {
		return nil
	}
	return d.did(conversation, "The agent accepts", d.agent.Join(conversation))
}

func in(c flexsim.Conversation, identity string) bool {
	for _, p := range c.Participants {
		if p.Identity == identity {
			return true
		}
	}
	return false
}

func (d *demonstration) say(conversation, text string, files ...flexsim.Media) error {
	err := d.join(conversation)
	if err == nil {
		_, err = d.agent.Send(conversation, text, files...)
	}
	return err
}

// did tells what the agent did, if it could.
func (d *demonstration) did(conversation, title string, err error) error {
	if err == nil {
		d.feed.add(step{Who: ofAgent, Customer: d.people.owner(conversation), Title: title})
	}
	return err
}

// speak plays the agent: {"say": "…"}, {"leave": true}, {"close": true}, {"accept": true}
// or {"picture": true}, in the newest conversation or in the one named.
func (d *demonstration) speak(c echo.Context) error {
	var order struct {
		Conversation string `json:"conversation"`
		Say          string `json:"say"`
		Leave        bool   `json:"leave"`
		Close        bool   `json:"close"`
		Accept       bool   `json:"accept"`
		Picture      bool   `json:"picture"`
	}
	if err := c.Bind(&order); err != nil {
		return err
	}
	at := order.Conversation
	if all := d.twilio.Conversations(); at == "" && len(all) > 0 {
		at = all[len(all)-1].SID
	}
	var err error
	switch {
	case at == "":
		err = errors.New("there is no conversation yet: ask something first")
	case order.Say != "":
		err = d.say(at, order.Say)
	case order.Picture:
		err = d.say(at, "", flexsim.Media{Name: "parcel.png", Type: "image/png", Size: int64(len(parcel)), Data: parcel})
	case order.Accept:
		err = d.join(at)
	case order.Leave:
		err = d.did(at, "The agent leaves", d.agent.Leave(at))
	case order.Close:
		err = d.did(at, "The agent closes the conversation", d.agent.Close(at))
	default:
		err = errors.New(`nothing to do: send {"say":"…"}, {"leave":true}, {"close":true}, {"accept":true} or {"picture":true}`)
	}
	if err != nil {
		return echo.NewHTTPError(http.StatusConflict, err.Error())
	}
	return c.NoContent(http.StatusNoContent)
}

// setHabit takes {"auto": true, "pause": 1.5}, the pause in seconds.
func (d *demonstration) setHabit(c echo.Context) error {
	var order struct {
		Auto  bool    `json:"auto"`
		Pause float64 `json:"pause"`
	}
	if err := c.Bind(&order); err != nil {
		return err
	}
	if order.Pause < 0 || order.Pause > 60 {
		return echo.NewHTTPError(http.StatusBadRequest, "pause is from 0 to 60 seconds")
	}
	d.mu.Lock()
	d.auto, d.pause = order.Auto, time.Duration(order.Pause*float64(time.Second))
	d.mu.Unlock()
	d.feed.touch()
	return c.NoContent(http.StatusNoContent)
}

// said tells of a message in Twilio.
func (d *demonstration) said(m flexsim.Message) {
	s := step{At: stamp(m.Created), Who: ofAgent, Customer: d.people.owner(m.Conversation), Title: "The agent replies", Detail: fmt.Sprintf("message %d", m.Index)}
	if ofCustomer(m) {
		s.Who, s.Title = ofService, "Question said in the conversation"
	}
	if len(m.Media) > 0 {
		s.Detail += " with " + m.Media[0].Name
	}
	d.feed.add(s)
}

func (d *demonstration) raised(t flexsim.Task) {
	detail := "by the Studio flow"
	if t.Returned {
		detail = "as the customer wrote again"
	}
	d.feed.add(step{At: stamp(t.Created), Who: ofTwilio, Customer: d.people.owner(t.Conversation), Title: "Task raised in Flex", Detail: detail})
}
