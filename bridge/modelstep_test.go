package bridge_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"flexbridge/bridge"
)

// step plays one step. One that makes no sense now does nothing.
func (p *play) step(i int, s step, c bridge.Config) {
	who := p.players[s.a%len(p.players)]
	b := p.replicas[s.b%len(p.replicas)]
	wait := []time.Duration{0, 1, 6, 40}[s.b%4] * p.unit
	write := s.a%3 > 0
	f := p.follower(who)
	switch s.op {
	case "ask", "keyed", "follow":
		q := &question{who: who, text: fmt.Sprintf("question %d", i), losses: p.lost(), until: time.Now().Add(24 * time.Hour)}
		if s.op == "keyed" {
			q.key = fmt.Sprint("key", i)
		} else {
			q.until = time.Time{}
		}
		if s.op == "follow" || s.op == "keyed" && s.b%2 == 0 {
			if f.busy || f.lost {
				return
			}
			q.follows, q.after = true, f.cursor
		}
		p.questions = append(p.questions, q)
		p.ask(q, b, wait, false, write)
	case "again":
		if q := p.repeatable(s); q != nil {
			p.ask(q, b, wait, false, write)
		}
	case "crash":
		p.crash(i, s, c, who, wait)
	case "lose inside":
		p.loseInside(i, s, c, who, wait)
	case "await":
		if s.b%3 == 0 {
			p.await(who, b, bridge.Cursor{}, wait, false, false)
		} else if !f.busy && !f.lost {
			p.await(who, b, f.cursor, wait, true, false)
		}
	case "end":
		if s.b%3 == 0 && !f.busy {
			p.call("ending", who, bridge.Cursor{}, 0, func(ctx context.Context) (bridge.Answer, error) {
				return b.End(ctx, who, bridge.Cursor{})
			}, func(_ bridge.Answer, err error) {
				if err != nil && !isExpected(err) {
					p.failed("ending: %v", err)
				}
			})
		}
	case "hang up", "drain":
		p.leave(s)
	case "time":
		p.time([]time.Duration{p.unit / 10, p.unit, 5 * p.unit, 45 * p.unit, 130 * p.unit}[s.a%5])
	case "lose store":
		if s.a%2 == 0 {
			p.note("the store is lost")
			p.mu.Lock()
			p.losses++
			clear(p.given)
			p.mu.Unlock()
			p.lose()
		}
	case "fault":
		p.fault(s)
	default:
		p.atTheDesk(i, s, who)
	}
}

// repeatable picks a question that a caller may ask again unchanged.
func (p *play) repeatable(s step) *question {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*question
	for _, q := range p.questions {
		f := p.followers[q.who]
		if !q.done && time.Now().Before(q.until) && !(q.follows && (f.busy || f.lost)) {
			all = append(all, q)
		}
	}
	if len(all) == 0 {
		return nil
	}
	q := all[s.a%len(all)]
	if q.key != "" && q.losses != p.losses && !p.findable(q) {
		q.loose = true
	}
	return q
}

// findable reports whether a question with a key is in the newest conversation.
func (p *play) findable(q *question) bool {
	all, conversations := p.desk.truth(q.who)
	newest := conversations[max(0, len(conversations)-1):]
	for _, s := range all {
		if s.Text == q.text && (s.deleted || s.sid != newest[0].sid) {
			return false
		}
	}
	return true
}

// follower is how a customer stands now.
func (p *play) follower(who bridge.Customer) follower {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *p.followers[who]
}

// lost is how often the store was lost.
func (p *play) lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.losses
}

// crash lets a process die in the middle of something.
func (p *play) crash(i int, s step, c bridge.Config, who bridge.Customer, wait time.Duration) {
	g := dies(1+s.b%31, s.b%2 == 0)
	b := bridge.New(gatedDesk{p.desk, g}, gatedMailbox{p.mail, g}, keys, c)
	p.others = append(p.others, b)
	switch f := p.follower(who); {
	case s.a%4 == 0 && !f.busy && !f.lost:
		p.await(who, b, f.cursor, wait, true, true)
	case s.a%4 == 1:
		if q := p.repeatable(s); q != nil {
			p.ask(q, b, wait, true, false)
		}
	default:
		q := &question{who: who, text: fmt.Sprintf("question %d", i), losses: p.lost()}
		if s.a%4 == 2 {
			q.key, q.until = fmt.Sprint("key", i), time.Now().Add(24*time.Hour)
		}
		p.questions = append(p.questions, q)
		p.ask(q, b, wait, true, false)
	}
}

// loseInside asks, and loses the store in the middle of that.
func (p *play) loseInside(i int, s step, c bridge.Config, who bridge.Customer, wait time.Duration) {
	f := p.follower(who)
	if f.busy || f.lost {
		return
	}
	g, n := &gate{}, 1+s.b%31
	g.before = func(i int, op string) error {
		if i == n {
			p.note("the store is lost before %s", op)
			p.mu.Lock()
			p.losses++
			clear(p.given)
			p.mu.Unlock()
			p.lose()
		}
		return nil
	}
	q := &question{who: who, text: fmt.Sprintf("question %d", i), losses: p.lost(), follows: true, after: f.cursor}
	b := bridge.New(gatedDesk{p.desk, g}, gatedMailbox{p.mail, g}, keys, c)
	p.others = append(p.others, b)
	p.questions = append(p.questions, q)
	p.ask(q, b, wait, false, false)
}

func (p *play) leave(s step) {
	if len(p.cancels) == 0 {
		return
	}
	if s.op == "hang up" {
		i := s.a % len(p.cancels)
		p.note("call %d hangs up", i)
		p.cancels[i](context.Canceled)
		return
	}
	p.note("draining")
	for _, cancel := range p.cancels {
		cancel(bridge.ErrDraining)
	}
}

func (p *play) fault(s step) {
	ops := []string{"find", "create", "fetch", "join", "hook", "hook", "route", "route", "hooks", "say", "say", "say", "state", "since", "abandoned", "close"}
	op := ops[s.a%len(ops)]
	f := []fault{
		{err: bridge.ErrDeskUnavailable}, {err: errCut}, {late: 1}, {late: p.unit}, {late: 5 * p.unit / 2},
		{slow: p.unit}, {slow: 4 * p.unit}, {slow: 5 * p.unit}, {err: bridge.ErrDeskRefused},
	}[s.b%9]
	p.note("fault %s %+v", op, f)
	p.desk.mu.Lock()
	defer p.desk.mu.Unlock()
	p.desk.faults[op] = append(p.desk.faults[op], f)
}

// atTheDesk plays agents and operators, and the webhooks.
func (p *play) atTheDesk(i int, s step, who bridge.Customer) {
	p.mu.Lock()
	n := len(p.reports)
	p.mu.Unlock()
	conv := p.desk.opening(who)
	switch s.op {
	case "deliver", "double", "lose report":
		if n == 0 {
			return
		}
		p.mu.Lock()
		at := s.a % n
		e := p.reports[at]
		if s.op != "double" {
			p.reports = slices.Delete(p.reports, at, at+1)
		}
		p.mu.Unlock()
		if s.op == "lose report" {
			p.extra++
			p.note("lost %s", describe(e))
			return
		}
		p.note("deliver %s", describe(e))
		if err := p.replicas[s.b%2].Deliver(p.ctx, e); err != nil {
			p.failed("Deliver = %v", err)
		}
		return
	}
	if conv == nil {
		return
	}
	p.note("%s in %.8s…%s", s.op, conv.sid, conv.sid[30:])
	p.extra++
	switch s.op {
	case "speak":
		m := p.desk.agentSays(conv.sid, fmt.Sprint("reply ", i))
		p.mu.Lock()
		p.reports = append(p.reports, bridge.Event{Conversation: conv.sid, Ours: true, Message: &m})
		p.mu.Unlock()
	case "greet":
		p.desk.greets(conv.sid, fmt.Sprint("greeting ", i))
	case "skip":
		p.desk.skip(conv.sid)
	case "abandon":
		p.desk.abandons(conv.sid)
	case "close":
		p.desk.closes(conv.sid)
		p.mu.Lock()
		p.reports = append(p.reports, bridge.Event{Conversation: conv.sid, Ours: true, Closed: true})
		p.mu.Unlock()
	case "delete":
		if s.b%4 == 0 && p.desk.pending() == 0 {
			p.desk.drop(conv.sid)
		}
	}
}

func describe(e bridge.Event) string {
	if e.Message != nil {
		return fmt.Sprintf("%s@%d of %s", e.Message.Text, e.Message.Index, e.Conversation[30:])
	}
	return "the end of " + e.Conversation[30:]
}

// finish lets every wait end, and every follower read on to the end; then all of
// the promises must have been kept.
func (p *play) finish() {
	p.desk.mu.Lock()
	clear(p.desk.faults)
	p.desk.mu.Unlock()
	p.out.Wait()
	p.time(15 * p.unit) // leases of the dead, and what is late at the desk
	for _, who := range p.players {
		f := p.followers[who]
		for quiet := 0; quiet < p.still; {
			if p.err != nil || f.lost {
				return
			}
			before := f.cursor
			p.await(who, p.replicas[0], f.cursor, 40*p.unit, true, false)
			p.out.Wait()
			p.time(31 * p.unit) // who is told that nobody comes does not wait for the next look
			p.await(who, p.replicas[0], f.cursor, 40*p.unit, true, false)
			p.out.Wait()
			if quiet++; f.cursor != before {
				quiet = 0
			}
		}
		p.sawAll(who, f)
	}
	for _, q := range p.questions {
		n, most := p.desk.asked(q.text), 1
		all, _ := p.desk.truth(q.who)
		in := map[string]bool{}
		for _, s := range all {
			if s.Text == q.text {
				if in[s.sid] = true; s.deleted {
					most = n // nobody could find it
				}
			}
		}
		if q.losses != p.losses && len(in) > 1 {
			most = n // after a loss only the newest conversation is searched
		}
		if n > most && !q.loose || n == 0 && q.answered {
			p.failed("%q was said %d times (answered %v)", q.text, n, q.answered)
		}
	}
	if err := p.desk.notWhole(); err != nil {
		p.failed("%v", err)
	}
	// Looks follow from calls, gaps and losses, never from time.
	if n, most := p.desk.counted("state"), 8*p.calls+4*p.extra+16*p.losses; n > most {
		p.failed("%d looks by %d calls, want at most %d", n, p.calls, most)
	}
}

// sawAll fails if a reply lies beyond the follower's cursor.
func (p *play) sawAll(who bridge.Customer, f *follower) {
	all, conversations := p.desk.truth(who)
	at := find(conversations, f.cursor)
	for _, s := range all {
		unread := at < 0 || s.made > conversations[at].made || s.made == conversations[at].made && s.Index > f.cursor.Index
		// Who has no cursor yet begins after the last question.
		if unread && !s.deleted && s.Kind != bridge.FromCustomer && !f.cursor.IsZero() {
			p.failed("%q was never seen; the cursor is %v", s.Text, f.cursor)
		}
	}
}
