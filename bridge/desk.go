package bridge

import (
	"context"
	"time"
)

// Desk is where the agents sit. Each method is a call or more to a distant
// service; the numbers of calls are part of the promise.
//
// Errors: one that says what became of the call wraps exactly one of [ErrTaken],
// [ErrClosed], [ErrGone], [ErrDeskRefused] and [ErrDeskUnavailable], and then
// nothing was changed. Any other error leaves the outcome unknown: the desk may
// have done what was asked. A context that ends in the middle leaves it unknown,
// too.
//
// Implementations are safe for concurrent use, keep to the context's deadline,
// and retry only what the desk says it never processed.
type Desk interface {
	// Find lists every conversation of the customer, closed ones too, in no
	// order. One call a page.
	Find(context.Context, Customer) ([]Found, error)

	// Create makes the conversation of the customer's generation, which routing can
	// see is about this, and returns its SID. ErrTaken: there is one already, see
	// Fetch. One call.
	Create(ctx context.Context, c Customer, generation int, about About) (conversation string, err error)

	// Fetch returns the conversation of the customer's generation. ErrGone when
	// there is none. One call.
	Fetch(ctx context.Context, c Customer, generation int) (Found, error)

	// Join adds the customer to the conversation; that it is there already is no
	// error. One call.
	Join(ctx context.Context, conversation string, c Customer) error

	// Hook makes the desk report the conversation's events to us. Not repeatable:
	// see Hooks. At most one call.
	Hook(ctx context.Context, conversation string) error

	// Route makes the customer's next message reach agents, who can see what it is
	// about. Not repeatable: see Hooks. One call.
	Route(ctx context.Context, conversation string, about About) error

	// Hooks tells which of Hook and Route have been done. At most two calls.
	Hooks(ctx context.Context, conversation string) (hooked, routed bool, err error)

	// Say posts the customer's message. ErrClosed and ErrGone: the conversation
	// does not take messages any more. One call.
	Say(ctx context.Context, conversation string, u Utterance) (Message, error)

	// State tells whether the conversation is closed. ErrGone: it was deleted. One call.
	State(ctx context.Context, conversation string) (closed bool, err error)

	// Abandoned tells of an open conversation whether no agent has come and none
	// will, because what Route began came to nothing. False while that cannot be
	// known. At most three calls.
	Abandoned(ctx context.Context, conversation string) (bool, error)

	// OnShift tells whether any agent can take a conversation now. True where that
	// cannot be known. At most one call.
	OnShift(context.Context) (bool, error)

	// Since lists the messages with an Index above after, ascending. One call for
	// every hundred.
	Since(ctx context.Context, conversation string, after int) (Listing, error)

	// Close closes the conversation for good. That it is closed or gone already is
	// no error. One call.
	Close(ctx context.Context, conversation string) error
}

// Found is a conversation that the desk knows of.
type Found struct {
	Conversation string
	Generation   int
	Closed       bool
}

// Utterance is what a customer says.
type Utterance struct {
	Customer Customer
	Text     string
	Nonce    string // stands in the message, so that it can be found after an unknown outcome
}

// Listing is what Since saw.
type Listing struct {
	Messages []Message
	// At is when, by the desk's own clock, in whole seconds; zero if it did not say.
	At time.Time
}
