package bridge

import "errors"

// What can go wrong. The text of an error that wraps ErrInvalid, ErrKeyReused or
// ErrCursorAhead is meant for the caller; other texts are for the log.
var (
	// ErrInvalid: the input is not of its form.
	ErrInvalid = errors.New("invalid")
	// ErrCursorAhead: the cursor lies beyond everything that was ever said.
	ErrCursorAhead = errors.New("the cursor is ahead of the conversation")
	// ErrKeyReused: the key was used with another text during the last 24 hours.
	ErrKeyReused = errors.New("the key belongs to another question")
	// ErrUnsure: the question may or may not have been said. Asked again unchanged,
	// it is not said twice.
	ErrUnsure = errors.New("it is not known yet whether the question was said")
	// ErrMailbox: the mailbox cannot be used now.
	ErrMailbox = errors.New("the mailbox cannot be used now")
	// ErrBusy: too much is going on to take this on; nothing was changed.
	ErrBusy = errors.New("too busy")

	// ErrDraining is the cause of the end of every wait when the process stops.
	ErrDraining = errors.New("the process is stopping")
)

// What a Desk reports, see there.
var (
	// ErrTaken: the generation has a conversation already.
	ErrTaken = errors.New("the conversation exists already")
	// ErrClosed: the conversation is closed.
	ErrClosed = errors.New("the conversation is closed")
	// ErrGone: there is no such conversation, or there is none any more.
	ErrGone = errors.New("no such conversation")
	// ErrDeskRefused: the desk understood and refused. Trying again does not help.
	ErrDeskRefused = errors.New("the desk refused")
	// ErrDeskUnavailable: the desk cannot be reached or has no room; it did nothing.
	ErrDeskUnavailable = errors.New("the desk is not available")
)
