package main

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"flexbridge/bridge/flex/flexsim"
)

// chaos lets things go wrong, one after the other, until the soak is over.
func (s *soak) chaos() {
	faults := map[string]func(){
		"webhooks lost":      func() { s.breakWebhooks(flexsim.WebhookFault{Lose: true}) },
		"webhooks doubled":   func() { s.breakWebhooks(flexsim.WebhookFault{Copies: 1 + s.below(3)}) },
		"webhooks late":      func() { s.breakWebhooks(flexsim.WebhookFault{Delay: s.upTo(5 * time.Second)}) },
		"webhooks reordered": func() { s.twilio.ReverseWebhooks(nil, 2+s.below(8)) },

		"REST 429":             func() { s.breakREST(flexsim.Fault{Status: http.StatusTooManyRequests}) },
		"REST 429 Retry-After": func() { s.breakREST(flexsim.Fault{Status: http.StatusTooManyRequests, RetryAfter: 1}) },
		"REST 500":             func() { s.breakREST(flexsim.Fault{Status: http.StatusInternalServerError}) },
		"REST 500 done":        func() { s.breakREST(flexsim.Fault{Status: http.StatusInternalServerError, Late: true}) },
		"REST slow":            func() { s.breakREST(flexsim.Fault{Delay: s.upTo(3 * time.Second), Late: s.below(2) == 0}) },
		"REST too slow":        func() { s.breakREST(flexsim.Fault{Delay: 12 * time.Second, Late: s.below(2) == 0}) },
		"REST cut":             func() { s.breakREST(flexsim.Fault{Cut: true}) },
		"REST cut done":        func() { s.breakREST(flexsim.Fault{Cut: true, Late: true}) },

		"Redis restarted": func() { s.away(s.redis.Kill, func() { s.redis.Restart(true) }) },
		"Redis lost": func() {
			s.loses(func() { s.away(s.redis.Kill, func() { s.redis.Restart(false) }) })
		},
		"Redis frozen":    func() { s.away(s.redis.Freeze, s.redis.Thaw) },
		"Redis emptied":   func() { s.loses(func() { s.redis.Do("FLUSHALL") }) },
		"scripts flushed": func() { s.redis.Do("SCRIPT", "FLUSH") },
		"clients killed": func() {
			s.redis.Do("CLIENT", "KILL", "TYPE", []string{"normal", "pubsub"}[s.below(2)])
		},

		"replica killed": func() {
			slot := s.slots[s.below(len(s.slots))]
			slot.kill()
			rest(s.over, s.upTo(time.Second))
			s.replace(slot)
		},
		"replica drained": func() {
			slot := s.slots[s.below(len(s.slots))]
			if err := slot.stop(); err != nil {
				s.t.Errorf("drained with %v", err)
			}
			s.replace(slot)
		},
	}
	kinds := slices.Sorted(maps.Keys(faults))
	for rest(s.over, s.upTo(time.Second)) {
		kind := kinds[s.below(len(kinds))]
		s.faults[kind]++
		faults[kind]()
	}
}

// mend lets everything be well, so that what remains can be told.
func (s *soak) mend() { s.twilio.Mend() }

func (s *soak) breakWebhooks(f flexsim.WebhookFault) { s.twilio.BreakWebhooks(nil, 1+s.below(20), f) }

func (s *soak) breakREST(f flexsim.Fault) {
	ops := []flexsim.Op{
		flexsim.AnyOp, flexsim.CreateMessage, flexsim.CreateMessage, flexsim.CreateConversation,
		flexsim.CreateParticipant, flexsim.CreateWebhook, flexsim.ListMessages, flexsim.FetchConversation,
		flexsim.ListParticipantConversations, flexsim.CreateInteraction, flexsim.ListTasks,
	}
	s.twilio.Break(ops[s.below(len(ops))], 1+s.below(3), f)
}

// away takes Redis away for a while.
func (s *soak) away(begin, end func()) {
	begin()
	rest(s.t.Context(), s.upTo(4*time.Second))
	end()
}

// loses notes when Redis lost what it knew.
func (s *soak) loses(f func()) {
	from := time.Now()
	f()
	s.losses = append(s.losses, span{from, time.Now()})
}
