// Package bridge lets a program ask a person.
//
// A customer's question is said in a conversation at a [Desk], where agents
// sit; the request that asked it is parked until an agent's reply has been kept
// in the [Mailbox], or until its deadline. Five verbs make up the product:
//
//   - [Bridge.Ask] finds or opens the conversation, watches it, says the question and waits;
//   - [Bridge.Await] only waits, after a cursor, and changes nothing;
//   - [Bridge.End] closes the conversation;
//   - [Bridge.Deliver] keeps what the desk reports, and wakes who waits for it;
//   - [Bridge.Hint] looks at the desk for what somebody reports who need not be believed.
//
// Ask and Await block. [Bridge.AskThen] and [Bridge.AwaitThen] do the same and hold no
// goroutine meanwhile.
//
// # Words
//
// A customer is who asks. A customer has at most one open conversation; the
// generation counts a customer's conversations from 0 and is never reused. A
// message has an Index within its conversation, from 0, with gaps possible, and
// is the customer's, an agent's or automatic; a reply is any message that is
// not the customer's. The mark of a conversation is the highest Index up to
// which every message is known, -1 at first. A [Cursor] is the place up to which
// a caller has seen replies. To read is to read the mailbox; to look is to ask
// the desk, which costs calls and is therefore rationed.
//
// # Promises
//
// The desk is the record: its Index is the only order and its list the only
// truth. The mailbox remembers and wakes; to lose it costs time and calls, not
// replies. What the desk reports by itself is a hint that may come late, twice,
// out of order or never. A waiter watches, then reads, then sleeps. Reading
// removes nothing: a caller that was cut off asks again with its cursor. That no
// answer has come yet is an [Answer], not an error.
//
// The package imports the standard library only.
package bridge
