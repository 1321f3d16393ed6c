// Package store remembers conversations and wakes who waits: the bridge's
// Mailbox, twice. [Redis] serves any number of replicas; [Memory] serves one
// process, and lets tests drive time.
//
// Both keep the same rules, which package storetest holds them to. A message is
// kept once, under its Index, in one stored form (message.go); of a customer's
// own message only what is needed to order and to find it. Indices have at most
// nine digits, as in cursors: a message with another is an error, and nothing of
// its update is kept.
//
// # Keys and lifetimes
//
// Every change is one Lua script on one key, so that Cluster needs no more than
// the hash tags, and every key but one has a lifetime, so that nothing needs tidying.
// keys.go spells them.
//
//	flexbridge:{CH…}              hash: a whole conversation, lost or kept as a unit;
//	                              Config.Retention, renewed by every change
//	flexbridge:{<customer>}       hash: the customer's directory; Config.Retention, renewed
//	                              by every change, or a minute if it holds only that the
//	                              desk knows of no conversation
//	flexbridge:{<customer>}:open  hash: the opener's lease and steps; ten minutes, renewed
//	                              by Lease and Record
//	flexbridge:{<customer>}:said:<id>  hash: a question being said, or said; Saying.Life,
//	                              which no later call shortens
//	rate:flexbridge:{<budget>}    string: when a budget is full again, as redis_rate has it;
//	                              until then, which is a minute at most
//	flexbridge:identity           string: the fingerprint of the identity secret; no lifetime,
//	                              as there is one
//	flexbridge:{<id>}:adopted     string: what the first of several equal calls was given; as
//	                              long as Adopt says
//	flexbridge:{…}:wake           pub/sub channel of a conversation or a customer: the
//	                              message in its stored form, where bridge.Watch brings
//	                              one, or the word wake
//
// The fields of a conversation: mark, top, own (as in bridge.Inbox), gap_at and
// looked (ms, the server's clock), closed, customer, generation, agents (how many
// are in), in:<participant> (1, or 0 once it left), hope (1: no agent is coming, 2:
// one has come, which is for good), m:<Index> (JSON), n:<nonce> (the Index of a
// message that the customer said under it), beyond (the known indices above the
// mark, each with whose it is), holes (the ranges that were believed not to exist,
// below it), spoke (the Index of the agents' last message up to the mark) and
// unanswered (the indices of the customer's after that one).
// The last four keep the cost of a change and of a read from growing with the
// conversation or with an absurd Index.
//
// Clocks: in Redis only the server's counts, and ages leave it as durations, so
// that the replicas' clocks never matter.
package store
