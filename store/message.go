package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"flexbridge/bridge"
)

// maxIndex is the highest Index that fits a cursor.
const maxIndex = 999_999_999

// letter is a message in its stored form.
type letter struct {
	index int
	whose whose
	nonce string // of the customer's own, if known
	text  string
}

// whose is a message's author, as far as the mailbox tells them apart.
type whose int

const (
	others whose = iota
	customers
	agents
)

func whoseOf(k bridge.Kind) whose {
	switch k {
	case bridge.FromCustomer:
		return customers
	case bridge.FromAgent:
		return agents
	}
	return others
}

// seal brings messages into the stored form, the same for Memory and Redis.
func seal(messages []bridge.Message) ([]letter, error) {
	letters := make([]letter, len(messages))
	for i, m := range messages {
		if m.Index < 0 || m.Index > maxIndex {
			return nil, fmt.Errorf("message %s has Index %d, not 0 to %d", m.SID, m.Index, maxIndex)
		}
		m.SentAt = m.SentAt.UTC()
		l := letter{index: m.Index, whose: whoseOf(m.Kind)}
		if l.whose == customers {
			l.nonce = m.Nonce
			// What the customer said is the desk's to keep; we only need to find it.
			m = bridge.Message{SID: m.SID, Index: m.Index, Kind: m.Kind, Nonce: m.Nonce, SentAt: m.SentAt}
		}
		text, err := json.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("message %s: %w", m.SID, err)
		}
		l.text = string(text)
		letters[i] = l
	}
	return letters, nil
}

// unseal reads the stored form.
func unseal(text string) (bridge.Message, error) {
	var m bridge.Message
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return bridge.Message{}, fmt.Errorf("stored message: %w", err)
	}
	return m, nil
}

// between is how long after a question, in its stored form, a reply was sent.
func between(question, reply string) (time.Duration, error) {
	q, err := unseal(question)
	if err != nil {
		return 0, err
	}
	r, err := unseal(reply)
	return r.SentAt.Sub(q.SentAt), err
}

// joined lists the participants that an update says are in: an agent who writes
// is one of them.
func joined(u bridge.Update) []string {
	var sids []string
	for _, sid := range u.Joined {
		if sid != "" {
			sids = append(sids, sid)
		}
	}
	for _, m := range u.Messages {
		if m.Kind == bridge.FromAgent && m.Participant != "" {
			sids = append(sids, m.Participant)
		}
	}
	return sids
}

// hope is what an update says about whether an agent comes.
type hope int

const (
	unsaid hope = iota
	none        // is coming
	came        // which is for good
)

func hopeOf(u bridge.Update) hope {
	spoke := slices.ContainsFunc(u.Messages, func(m bridge.Message) bool { return m.Kind == bridge.FromAgent })
	named := func(sid string) bool { return sid != "" }
	switch {
	case spoke || slices.ContainsFunc(u.Joined, named) || slices.ContainsFunc(u.Left, named):
		return came
	case u.Abandoned:
		return none
	}
	return unsaid
}

// agentState tells where the agents are from how many ever came and are in.
func agentState(known bool, in int) bridge.AgentState {
	switch {
	case !known:
		return bridge.AgentWaiting
	case in > 0:
		return bridge.AgentJoined
	}
	return bridge.AgentLeft
}
