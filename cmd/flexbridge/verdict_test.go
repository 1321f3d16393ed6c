package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"flexbridge/bridge/flex/flexsim"
)

// verdict counts what a soak must not have done, and what it did.
type verdict struct {
	expected, received, lost, doubled, misordered int // replies
	twice, excused                                int // questions
}

// judge compares what each caller got with what Twilio knows.
func (s *soak) judge(callers []*caller) {
	var v verdict
	for _, c := range callers {
		ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
		if err := c.follow(ctx); err != nil {
			s.t.Error(err)
		}
		if _, err := c.read(ctx, 0); err != nil {
			s.t.Error(err)
		}
		cancel()
		t := c.truth()
		v.replies(s, c, t)
		v.questions(s, t)
		for _, conversation := range t.conversations {
			s.whole(conversation)
		}
	}
	for _, err := range s.stuck {
		s.t.Error(err)
	}
	s.t.Logf("exchanges %d, hung up %d, REST calls %d, conversations %d", s.exchanges, s.hungUp, s.twilio.Count(), len(s.twilio.Conversations()))
	s.t.Logf("faults %v", s.faults)
	s.t.Logf("calls repeated, by what they got: %v", s.failures)
	s.t.Logf("replies expected %d, received %d, lost %d, doubled %d; callers whose order was wrong %d",
		v.expected, v.received, v.lost, v.doubled, v.misordered)
	s.t.Logf("questions asked twice %d; for the reason that the store was lost underway %d", v.twice, v.excused)
}

func (v *verdict) replies(s *soak, c *caller, t truth) {
	v.expected, v.received = v.expected+len(t.replies), v.received+len(c.got)
	again := repeated(c.got)
	v.doubled += len(again)
	for _, reply := range t.replies {
		if !slices.Contains(c.got, reply) {
			v.lost++
			s.t.Errorf("%s never got %q", c.name, reply)
		}
	}
	if len(again) > 0 {
		s.t.Errorf("%s got more than once: %q", c.name, again)
	} else if !slices.Equal(c.got, t.replies) {
		v.misordered++
		s.t.Errorf("%s got another sequence than was said:\n got %q\nwant %q", c.name, c.got, t.replies)
	}
}

// questions counts those that were asked more than once.
func (v *verdict) questions(s *soak, t truth) {
	first := map[string]flexsim.Message{}
	for _, conversation := range t.conversations {
		for _, m := range conversation.Messages {
			if !strings.HasPrefix(m.Author, "flexbridge-") {
				continue
			}
			before, again := first[m.Text]
			switch {
			case !again:
				first[m.Text] = m
			case s.nobodyKnew(before, m):
				v.excused++
			default:
				v.twice++
				s.t.Errorf("%q was asked at %v as %d in %s, and again at %v as %d in %s", m.Text,
					before.Created, before.Index, before.Conversation, m.Created, m.Index, m.Conversation)
			}
		}
	}
}

// nobodyKnew reports whether the store was lost so that a question could not but
// be asked twice: while it was on its way, so that whoever repeated it found no
// trace of it anywhere, or before it was repeated in a later conversation.
func (s *soak) nobodyKnew(first, second flexsim.Message) bool {
	last := first.Created
	if first.Conversation != second.Conversation {
		last = second.Created
	}
	for _, loss := range s.losses {
		if loss.to.After(s.begun[first.Text]) && loss.from.Before(last) {
			return true
		}
	}
	return false
}
