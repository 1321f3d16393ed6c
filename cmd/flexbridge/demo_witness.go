package main

import (
	"context"
	"fmt"
	"sync"

	"flexbridge/bridge"
)

// watchTwilio tells pages to look at Twilio again after every change there.
func (d *demonstration) watchTwilio(ctx context.Context) {
	_ = d.twilio.Until(ctx, func() bool { d.feed.touch(); return false })
}

// witness watches the mailbox as a waiting request does, in every conversation
// there is or comes, and tells what was kept when it is woken, until ctx is done.
func (d *demonstration) witness(ctx context.Context, mail bridge.Mailbox) {
	var watching sync.WaitGroup
	defer watching.Wait()
	seen := make(map[string]bool)
	for {
		changed := d.feed.change()
		for conversation, customer := range d.people.conversations() {
			if !seen[conversation] {
				seen[conversation] = true
				watching.Go(func() { d.attend(ctx, mail, conversation, customer) })
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (d *demonstration) attend(ctx context.Context, mail bridge.Mailbox, conversation, customer string) {
	watch, err := mail.Watch(ctx, conversation)
	if err != nil {
		return // ctx is done
	}
	defer watch.Close()
	for {
		d.marks.read(ctx, mail, conversation, customer, d.feed)
		select {
		case <-watch.C():
		case <-ctx.Done():
			return
		}
	}
}

// noticed tells what was kept of the customer's conversations before that is seen
// in any answer: the request that waited may have been quicker than the witness.
func (d *demonstration) noticed(customer string) {
	mail := d.current().mail
	for conversation, owner := range d.people.conversations() {
		if owner == customer {
			d.marks.read(context.Background(), mail, conversation, owner, d.feed)
		}
	}
}

// marks are up to where what was kept has been told. The zero value is nowhere. It is
// safe for concurrent use.
type marks struct {
	mu  sync.Mutex
	all map[string]int // conversation → how many messages
}

func (k *marks) read(ctx context.Context, mail bridge.Mailbox, conversation, customer string, f *feed) {
	k.mu.Lock()
	defer k.mu.Unlock()
	inbox, err := mail.Read(ctx, conversation, k.all[conversation]-1)
	if err != nil {
		return // ctx is done
	}
	for _, m := range inbox.Messages {
		s := step{Who: ofService, Customer: customer, Title: "Reply kept, waiters woken", Detail: fmt.Sprintf("message %d of the conversation", m.Index)}
		if m.Kind == bridge.FromCustomer {
			s.Title, s.Minor = "Question kept", true
		}
		f.add(s)
	}
	if k.all == nil {
		k.all = make(map[string]int)
	}
	k.all[conversation] = inbox.Mark + 1 // lower than before when the mailbox forgot everything
}
