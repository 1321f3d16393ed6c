package store

import (
	"fmt"

	"flexbridge/bridge"
)

// The braces are Redis Cluster's hash tag: all of one conversation, and all of
// one customer, lies on one node.
const (
	keyForm  = "flexbridge:{%s}"
	wakeForm = "flexbridge:{%s}:wake"
	openForm = "flexbridge:{%s}:open"
	saidForm = "flexbridge:{%s}:said:%s"

	budgetForm  = "flexbridge:{%s}" // redis_rate puts rate: before it
	identityKey = "flexbridge:identity"
	adoptedForm = "flexbridge:{%s}:adopted"
)

func conversationKey(conversation string) string { return fmt.Sprintf(keyForm, conversation) }

func directoryKey(c bridge.Customer) string { return fmt.Sprintf(keyForm, c) }

func openingKey(c bridge.Customer) string { return fmt.Sprintf(openForm, c) }

func sayingKey(c bridge.Customer, id string) string { return fmt.Sprintf(saidForm, c, id) }

func budgetKey(budget string) string { return fmt.Sprintf(budgetForm, budget) }

func adoptedKey(id string) string { return fmt.Sprintf(adoptedForm, id) }

// wakeChannel is where the changes of a conversation or of a customer are told.
func wakeChannel(of string) string { return fmt.Sprintf(wakeForm, of) }
