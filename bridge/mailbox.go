package bridge

import (
	"context"
	"time"
)

// Mailbox remembers conversations and wakes who waits. It may forget everything
// at any moment: the desk is the record.
//
// Every change is one atomic step and, where somebody may wait for it, wakes the
// watchers of the conversation or of the customer, as the method says. Each
// method is one round trip at most, keeps to its context, and is safe for
// concurrent use. Any error means that the mailbox could not be asked or did not
// answer; a change may then have been made. Every change may be repeated.
type Mailbox interface {
	// Directory returns what is known of the customer's conversations.
	Directory(context.Context, Customer) (Directory, error)

	// Enter adds conversations to the directory, generation → SID, replacing what
	// stood at those generations. With none it notes only that the desk was asked
	// and knows none, for a minute.
	Enter(ctx context.Context, c Customer, conversations map[int]string) error

	// Tell raises the directory's Told to the cursor; a lower one changes nothing.
	Tell(context.Context, Customer, Cursor) error

	// Lease makes the holder of token the customer's only opener for d, if nobody
	// else is: held. It returns the steps recorded so far, by whomever, whether
	// held or not; Taken tells for how long somebody else still holds it. The
	// holder renews by calling again. With a d of 0 it changes nothing: held only
	// tells that nobody else is the opener.
	Lease(ctx context.Context, c Customer, token string, d time.Duration) (o Opening, held bool, err error)

	// Record writes the opening's steps, kept ten minutes, renews the lease for d
	// and wakes the customer's watchers. It reports false, and changes nothing,
	// when token does not hold the lease.
	Record(ctx context.Context, c Customer, token string, o Opening, d time.Duration) (held bool, err error)

	// Release ends the lease, if token holds it, forgets the steps, and wakes the
	// customer's watchers.
	Release(ctx context.Context, c Customer, token string) error

	// Keep keeps what is known of a conversation, once, moves the mark, and wakes
	// the conversation's watchers if anything changed. CloseLooked counts as
	// CloseHeard while a message lies beyond the mark.
	Keep(ctx context.Context, conversation string, u Update) (Kept, error)

	// Read returns the conversation and its known messages with after < Index ≤
	// mark, ascending. One that is not known has Mark, Top and Own -1, a negative
	// LookAge, waiting agents, and nothing else. It removes nothing.
	Read(ctx context.Context, conversation string, after int) (Inbox, error)

	// Find returns the Index of the customer's message that was kept with this
	// nonce, in whichever of its spellings.
	Find(ctx context.Context, conversation, nonce string) (index int, found bool, err error)

	// Claim reports whether the caller is the one to look: true if no look was
	// claimed during the last d, and then this one is.
	Claim(ctx context.Context, conversation string, d time.Duration) (bool, error)

	// Begin records that a question is about to be said, under an id of the
	// customer's: see Progress. What stands there already is returned unchanged,
	// with what is left of its Hold and Life; its life is never shortened, and
	// TakenOver has the caller's hold.
	Begin(ctx context.Context, c Customer, id string, s Saying) (Saying, Progress, error)

	// Move rewrites the record that stands under id with the same nonce, if it is
	// not said yet. Said makes it Done, for good. Both wake the customer's watchers.
	Move(ctx context.Context, c Customer, id string, s Saying) error
	Said(ctx context.Context, c Customer, id string, s Saying) error

	// Forget removes the record under id if it has this nonce, and wakes the
	// customer's watchers.
	Forget(ctx context.Context, c Customer, id string, s Saying) error

	// Watch and WatchCustomer tell of changes from the moment they return. The
	// Watch is the caller's to close.
	Watch(ctx context.Context, conversation string) (Watch, error)
	WatchCustomer(context.Context, Customer) (Watch, error)

	// Ping tells whether the mailbox can be used now.
	Ping(context.Context) error
}

// Watch is a place in the line of those who are woken.
type Watch interface {
	// C has a value when something may have changed, or may have been missed. Nil
	// says no more than that: read again. A message, which is not to be changed, was
	// kept just now and moved the mark to its Index from the one before it; if it is an
	// agent's, agents are in. Several changes may come as one nil, and several messages
	// as the last of them. C is never closed.
	C() <-chan *Message
	// Notify has f called after C was given a value, from now on. f must not block.
	Notify(f func())
	// Close leaves the line. It may be called twice.
	Close()
}

// Directory is what the mailbox knows of a customer's conversations.
type Directory struct {
	// Known is whether the desk was ever asked: if not, Conversations says nothing.
	Known         bool
	Conversations map[int]string // generation → SID
	Told          Cursor         // see Bridge.Ask
}

// Opening is how far the opening of a conversation has come.
type Opening struct {
	Generation   int
	Conversation string // empty until it is created
	Done         Step
	Taken        time.Duration // how long the lease of another still lasts; not recorded
}

// Step is a step of opening a conversation. Each includes those before it.
type Step int

const (
	NotOpened Step = iota
	Created
	Entered // in the mailbox: the conversation's owner and the directory
	Joined
	Hooked
	Routed
)

// Update is what has become known of a conversation. The zero value changes nothing.
type Update struct {
	Messages []Message
	// Believe is an Index below which missing messages are taken never to have
	// existed; 0 believes nothing.
	Believe int
	// From is the Index from which on the desk was asked what there is. A mailbox that
	// does not know all below it has lost something meanwhile: then it believes
	// nothing, and CloseLooked counts as CloseHeard.
	From int
	// Joined and Left are SIDs of agents' participants. Who left never joins again.
	Joined, Left []string
	Closed       Closing
	// Abandoned: no agent is coming. It changes nothing once one has come.
	Abandoned bool
	// Owner is set by who created the conversation, or has looked at it from its start.
	Owner *Owner
	// OwnedOnly keeps nothing in a conversation without an owner.
	OwnedOnly bool
}

// Owner tells whose conversation it is.
type Owner struct {
	Customer   Customer
	Generation int
}

// Closing tells how sure it is that a conversation is closed. It only rises.
type Closing int

const (
	NotClosed   Closing = iota
	CloseHeard          // the desk reported it, which may overtake the last message
	CloseLooked         // a look found it closed and nothing missing: final
)

// Kept tells what Keep changed.
type Kept struct {
	Mark int // after
	New  int // messages that were not known
	Late int // of those, at or below the mark, which had been believed not to exist

	// What follows is told only of a conversation that was known to have an owner.
	Replies  int // of the New ones, those that are not the customer's
	Repaired int // gaps that are closed now
	Skipped  int // gaps that are believed now
	// Answered is, for each question up to Mark to which there is now a first reply of
	// an agent, how long after it that was sent.
	Answered []time.Duration
}

// Inbox is a conversation as the mailbox knows it.
type Inbox struct {
	Owner   *Owner // nil: unknown, so the desk must be looked at from the start
	Mark    int
	Top     int           // highest Index known; above Mark means a gap
	Own     int           // highest Index of the customer's own messages up to Mark; -1 for none
	GapAge  time.Duration // since the message beyond the gap was kept
	LookAge time.Duration // since the last look was claimed; negative: never
	Closed  Closing
	Agent   AgentState
	// Unanswered is when the customer's first message was said that no agent's
	// follows, up to Mark; zero for none.
	Unanswered time.Time
	// Abandoned: no agent has come, and none is expected. Once an agent has joined,
	// left or said something it is false for good.
	Abandoned bool
	Messages  []Message
}

// Saying is the record of one question, from before it is posted until nobody
// can repeat it any more.
type Saying struct {
	Generation   int
	Conversation string
	Nonce        string
	TextHash     string // what was asked, to refuse another text under the same key
	After        Cursor // the cursor in force when it was first asked
	Index        int    // of the message, once it is said
	// Hold is for how long nobody else may say it, Life for how long the record
	// is kept. Both count from the call.
	Hold, Life time.Duration
}

// Progress tells what Begin found.
type Progress int

const (
	Started   Progress = iota // nothing: the record is the caller's, who is to say it
	TakenOver                 // somebody began and did not finish: look for the nonce before saying it
	Busy                      // somebody is saying it now
	Done                      // it has been said, at Index
)
