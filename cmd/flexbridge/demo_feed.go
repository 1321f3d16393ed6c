package main

import (
	"slices"
	"sync"
	"time"
)

// step is one thing that happened on a question's or a reply's way.
type step struct {
	ID       int     `json:"id"`            // from 1, in order of being noticed
	At       float64 `json:"at"`            // Unix, ms
	Who      who     `json:"who"`           // whose doing it is
	Customer string  `json:"customer"`      // as the log names it; empty: everybody's
	Tab      string  `json:"tab,omitempty"` // of the page, if the step is of its own request
	Title    string  `json:"title"`
	Detail   string  `json:"detail,omitempty"`
	Minor    bool    `json:"minor,omitempty"` // of the details
}

type who string

const (
	ofAssistant who = "assistant"
	ofService   who = "service"
	ofTwilio    who = "twilio"
	ofAgent     who = "agent"
	ofFault     who = "fault"
)

// remembered is how many steps a page that comes later is still told.
const remembered = 1000

// feed is what happened, for pages to follow. It is safe for concurrent use.
type feed struct {
	mu      sync.Mutex
	last    int
	steps   []step
	changed chan struct{} // closed, and replaced, with every change
}

func newFeed() *feed { return &feed{changed: make(chan struct{})} }

// add notes a step that happens now, or when its At says.
func (f *feed) add(s step) {
	if s.At == 0 {
		s.At = stamp(time.Now())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	s.ID = f.last
	f.steps = append(f.steps, s)
	if len(f.steps) >= 2*remembered {
		f.steps = slices.Clone(f.steps[remembered:])
	}
	f.wake()
}

// touch tells the pages that something else changed.
func (f *feed) touch() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wake()
}

func (f *feed) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// since returns the steps after the ID, and what is closed with the next change. An
// ID of the future is of another run: it returns all.
func (f *feed) since(id int) ([]step, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id > f.last {
		id = 0
	}
	i := slices.IndexFunc(f.steps, func(s step) bool { return s.ID > id })
	if i < 0 {
		i = len(f.steps)
	}
	return slices.Clone(f.steps[i:]), f.changed
}

// change returns what is closed with the next change.
func (f *feed) change() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func stamp(t time.Time) float64 { return float64(t.UnixMicro()) / 1000 }
