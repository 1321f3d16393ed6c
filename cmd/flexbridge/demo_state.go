package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"

	"flexbridge/bridge"
	"flexbridge/bridge/flex/flexsim"
)

// state is the agent's desk, and what else a page shows of this moment.
type state struct {
	Run           string            `json:"run"`           // another one when the demo was started again
	MCPWait       float64           `json:"mcpWait"`       // seconds
	Conversations []seen            `json:"conversations"` // the newest last
	Tabs          map[string]string `json:"tabs"`          // customer → tab
	Counts        counts            `json:"counts"`
	Armed         map[fault]int     `json:"armed"` // faults that are still to come
	Auto          bool              `json:"auto"`
	Pause         float64           `json:"pause"` // seconds
}

// seen is a conversation as an agent sees it.
type seen struct {
	SID      string   `json:"sid"`
	Customer string   `json:"customer"`
	State    string   `json:"state"` // waiting, joined, left or closed
	Messages []spoken `json:"messages"`
}

type spoken struct {
	ID    string   `json:"id"`
	Agent bool     `json:"agent"`
	Text  string   `json:"text"`
	Files []string `json:"files"`
	At    float64  `json:"at"`
}

// counts is the balance: what Twilio holds against what the service wrote to its
// callers.
type counts struct {
	Asked    int `json:"asked"`    // questions in Twilio
	Answered int `json:"answered"` // of those, with a reply that a caller was given
	Replies  int `json:"replies"`  // of agents, in Twilio
	Given    int `json:"given"`    // of those, to callers
	Lost     int `json:"lost"`     // of those not given, before a place that a caller was told to have read
}

// shown is how many conversations a page is told of, the newest.
const shown = 30

func (d *demonstration) state() state {
	auto, pause := d.habit()
	s := state{
		Run: d.keys.Fingerprint(), MCPWait: d.config.MCPWait.Seconds(),
		Conversations: []seen{}, Tabs: d.people.seats(), Armed: d.faults.armed(),
		Auto: auto, Pause: pause.Seconds(),
	}
	all := d.twilio.Conversations()
	s.Counts = d.tally.balance(all)
	for _, c := range all[max(0, len(all)-shown):] {
		s.Conversations = append(s.Conversations, d.see(c))
	}
	return s
}

func (d *demonstration) see(c flexsim.Conversation) seen {
	customer, _ := ownerOf(c.UniqueName)
	s := seen{SID: c.SID, Customer: customer, State: "waiting", Messages: []spoken{}}
	for _, m := range c.Messages {
		l := spoken{ID: m.SID, Agent: !ofCustomer(m), Text: m.Text, Files: []string{}, At: stamp(m.Created)}
		for _, file := range m.Media {
			l.Files = append(l.Files, file.Name)
		}
		s.Messages = append(s.Messages, l)
	}
	switch {
	case c.State == flexsim.Closed:
		s.State = "closed"
	case in(c, d.agent.Identity()):
		s.State = "joined"
	case c.State == flexsim.Inactive:
		s.State = "left"
	}
	return s
}

func ofCustomer(m flexsim.Message) bool {
	_, ours := bridge.CustomerOf(m.Author)
	return ours
}

// tally is what callers were given. The zero value is nothing. It is safe for
// concurrent use.
type tally struct {
	mu    sync.Mutex
	given map[string]bool          // messages, by SID
	read  map[string]bridge.Cursor // by customer: how far an answer said it has been read
}

// take counts an answer that was written to its caller, plain or from /mcp, where it
// may be the last event of a stream.
func (t *tally) take(customer string, body []byte) {
	if i := bytes.LastIndex(body, []byte("data: ")); i >= 0 && !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		body = body[i+len("data: "):]
	}
	type answer struct {
		Messages []struct{ ID string }
		Cursor   bridge.Cursor
	}
	var all struct {
		answer
		Result struct{ StructuredContent answer }
	}
	_ = json.Unmarshal(bytes.TrimSpace(body), &all)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.given == nil {
		t.given, t.read = make(map[string]bool), make(map[string]bridge.Cursor)
	}
	for _, a := range []answer{all.answer, all.Result.StructuredContent} {
		for _, m := range a.Messages {
			t.given[m.ID] = true
		}
		if a.Cursor.Compare(t.read[customer]) > 0 {
			t.read[customer] = a.Cursor
		}
	}
}

// balance compares with what is in Twilio.
func (t *tally) balance(conversations []flexsim.Conversation) (n counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range conversations {
		customer, generation := ownerOf(c.UniqueName)
		answered := false // by a later message
		for _, m := range slices.Backward(c.Messages) {
			at := bridge.At(generation, c.SID, m.Index)
			switch {
			case ofCustomer(m):
				n.Asked++
				if answered {
					n.Answered++
				}
			case t.given[m.SID]:
				n.Replies++
				n.Given++
				answered = true
			default:
				n.Replies++
				if at.Compare(t.read[customer]) <= 0 {
					n.Lost++
				}
			}
		}
	}
	return n
}
