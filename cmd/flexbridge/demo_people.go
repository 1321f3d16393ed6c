package main

import (
	"maps"
	"strconv"
	"strings"
	"sync"

	"flexbridge/bridge"
)

// logName is how the log names a customer.
func logName(c bridge.Customer) string { return string(c[:8]) }

// people tells whose a conversation is, and which of a page's tabs a customer is.
// The zero value knows nobody. It is safe for concurrent use.
type people struct {
	mu     sync.Mutex
	owners map[string]string // conversation → customer
	tabs   map[string]string // customer → tab
}

// ownerOf reads the customer and the generation in a conversation's unique name.
func ownerOf(uniqueName string) (customer string, generation int) {
	i := strings.LastIndexByte(uniqueName, '-')
	if i < 0 {
		return "", 0
	}
	c, ours := bridge.CustomerOf(uniqueName[:i])
	if !ours {
		return "", 0
	}
	generation, _ = strconv.Atoi(uniqueName[i+1:])
	return logName(c), generation
}

func (p *people) own(conversation, customer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.owners == nil {
		p.owners = make(map[string]string)
	}
	p.owners[conversation] = customer
}

func (p *people) owner(conversation string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.owners[conversation]
}

// conversations are all that were opened.
func (p *people) conversations() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.owners)
}

// seat says that the customer is who asks in this tab.
func (p *people) seat(customer, tab string) {
	if customer == "" || tab == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tabs == nil {
		p.tabs = make(map[string]string)
	}
	p.tabs[customer] = tab
}

func (p *people) seats() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	seats := make(map[string]string) // not nil, as it goes into JSON
	maps.Copy(seats, p.tabs)
	return seats
}
