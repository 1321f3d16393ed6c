package bridge

import (
	"context"
	"errors"
	"time"
)

// Observer is told what happens, for whoever counts it. Its methods are called from
// many goroutines at once, and must not block.
type Observer interface {
	// Waited: a request left its place after so long, from when it took one. Requests
	// that found none, or were refused before, are not told of.
	Waited(Call, Ending, time.Duration)
	// Answered: an agent's first reply to a question was sent so long after it, by
	// the desk's clock. It is told once of each question, by the process that kept the
	// reply; not of what a conversation holds that the mailbox has lost.
	Answered(time.Duration)
	// Woke: a parked answer was handed to its caller so long after the report of the
	// reply came in, here or in another process. Clocks of machines differ; what they
	// make negative is 0.
	Woke(time.Duration)
	// Happened: n more of something.
	Happened(what Happening, n int)
}

// Call is what waits: [Bridge.Ask], [Bridge.Await] or [Bridge.End], by the names
// that callers know.
type Call string

const (
	CallSend    Call = "send"
	CallReplies Call = "replies"
	CallEnd     Call = "end"
)

// Ending is how a wait ended: the answer's Status, or one of these, of which the
// first two are Pending to the caller.
type Ending string

const (
	Drained   Ending = "drained"   // the process stops
	Displaced Ending = "displaced" // the same customer waits too often
	Left      Ending = "left"      // the caller did not wait for the answer
	Failed    Ending = "failed"    // with any other error
)

// Endings lists how a wait of this call can end.
func Endings(c Call) []Ending {
	endings := []Ending{Ending(Replied), Ending(Pending), Ending(Closed), Drained, Left, Failed}
	if c != CallEnd { // which waits for nobody, and takes no seat
		endings = append(endings, Ending(Unavailable), Displaced)
	}
	return endings
}

// Happening is something that is only counted.
type Happening int

const (
	DeliveryLate Happening = iota // a report could not be kept in KeepLimit, and is tried again
	DeliveryLost                  // a report was given up
	GapRepaired                   // a look brought what was missing below a message
	GapSkipped                    // a look made a gap believed
	ReplyFound                    // a look brought a reply that no report had
	LookDone
	LookFailed
	LookRefused // for want of LooksPerSecond; look-ups of customers, too

	// Happenings is how many there are.
	Happenings int = iota
)

// silent is the Observer when there is none.
type silent struct{}

func (silent) Waited(Call, Ending, time.Duration) {}
func (silent) Answered(time.Duration)             {}
func (silent) Woke(time.Duration)                 {}
func (silent) Happened(Happening, int)            {}

// waited tells how a wait ended that began at since. taken is closed when a later
// request took its seat; nil never is.
func (b *Bridge) waited(ctx context.Context, call Call, since time.Time, taken <-chan struct{}, a Answer, err error) {
	ending := Ending(a.Status)
	draining := errors.Is(context.Cause(ctx), ErrDraining)
	switch {
	case err != nil && ctx.Err() != nil && !draining:
		ending = Left
	case err != nil || a.Status == "": // a panic leaves neither
		ending = Failed
	case a.Status == Pending && draining:
		ending = Drained
	case a.Status == Pending && isClosed(taken):
		ending = Displaced
	}
	b.observer.Waited(call, ending, time.Since(since))
}

// outside runs what others do when they are told of a wait: if they panic, it goes on.
func (b *Bridge) outside(f func()) {
	if err := shielded(func() error { f(); return nil }); err != nil {
		b.log.Error("who is told of waits failed", "error", err)
	}
}

// answered tells of the questions that a reply was kept to.
func (b *Bridge) answered(kept Kept) {
	for _, d := range kept.Answered {
		b.observer.Answered(max(0, d))
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// mayLook takes one from the ration of looks.
func (b *Bridge) mayLook() bool {
	if b.ration.take() {
		return true
	}
	b.observer.Happened(LookRefused, 1)
	return false
}
