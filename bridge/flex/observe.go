package flex

import (
	"net/http"
	"slices"
	"time"
)

// Try is one REST request: a call is one, and more when it is tried again.
type Try struct {
	Operation Operation
	Outcome   Outcome
	Took      time.Duration
	Number    int // 1 for the first of a call
}

// Operation is what a request is for. An operation that goes over pages makes one
// call for each.
type Operation string

const (
	opSay     Operation = "say"
	opLook    Operation = "look"    // list messages
	opState   Operation = "state"   // fetch a conversation
	opFind    Operation = "find"    // list a customer's conversations
	opOpen    Operation = "open"    // create a conversation
	opJoin    Operation = "join"    // add the customer to it
	opHook    Operation = "hook"    // add our webhook
	opRoute   Operation = "route"   // add the flow, or create an Interaction
	opHooks   Operation = "hooks"   // list the hooks of a conversation
	opClose   Operation = "close"   // a conversation
	opTasks   Operation = "tasks"   // list those of a conversation
	opShift   Operation = "shift"   // list the available workers
	opFile    Operation = "file"    // describe a file
	opService Operation = "service" // fetch the default service
	opAccount Operation = "account" // anything of an [Account]
)

var operations = []Operation{
	opSay, opLook, opState, opFind, opOpen, opJoin, opHook, opRoute, opHooks, opClose, opTasks, opShift, opFile, opService, opAccount,
}

// Operations lists those of a [Desk].
func Operations() []Operation {
	return slices.DeleteFunc(slices.Clone(operations), func(o Operation) bool { return o == opAccount })
}

// Outcome is what became of a request.
type Outcome string

const (
	OK          Outcome = "ok"
	Throttled   Outcome = "throttled"   // HTTP 429
	Refused     Outcome = "refused"     // any other 4xx; that something is not there is one
	Failed      Outcome = "failed"      // 5xx, or an answer that is none
	Unreachable Outcome = "unreachable" // no answer
)

func (t *trip) outcome(err error) Outcome {
	switch {
	case err == nil:
		return OK
	case t.status == 0:
		return Unreachable
	case t.status == http.StatusTooManyRequests:
		return Throttled
	case t.status >= 400 && t.status < 500:
		return Refused
	}
	return Failed
}
