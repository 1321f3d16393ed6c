package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"flexbridge/bridge"
)

// play is one course of events, and what is known of it.
type play struct {
	desk     *desk
	players  []bridge.Customer
	mail     bridge.Mailbox
	lose     func()
	settle   func()              // until nothing goes on but waiting
	time     func(time.Duration) // passes
	replicas []*bridge.Bridge
	others   []*bridge.Bridge // processes that die, to be closed
	ctx      context.Context
	unit     time.Duration // of waits
	patience time.Duration // how late an answer may be
	still    int           // after so many waits without news there is none

	mu        sync.Mutex
	err       error // the first
	reports   []bridge.Event
	losses    int
	calls     int
	extra     int // what may cause looks: gaps and losses
	questions []*question
	followers map[bridge.Customer]*follower
	told      []string        // conversations of which was told that nobody comes
	given     map[string]bool // those of which the mailbox knows it, since the last loss
	cancels   []context.CancelCauseFunc
	out       sync.WaitGroup
	log       []string
}

// follower is the one caller of a customer who uses its cursor.
type follower struct {
	cursor bridge.Cursor
	busy   bool
	lost   bool // the cursor's conversation was deleted, and forgotten
}

// question is a text that is asked, perhaps several times.
type question struct {
	who       bridge.Customer
	text, key string
	after     bridge.Cursor
	follows   bool
	until     time.Time // for so long it attaches
	busy      int
	asked     bool
	answered  bool // without an error
	done      bool // its answer was written
	loose     bool // the store was lost: it may be said twice
	losses    int
}

func (p *play) failed(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
		p.log = append(p.log, "FAILED: "+p.err.Error())
	}
}

func (p *play) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
}

// call runs a call of a customer's in the background and judges its answer.
func (p *play) call(name string, who bridge.Customer, after bridge.Cursor, wait time.Duration, call func(context.Context) (bridge.Answer, error), judge func(bridge.Answer, error)) {
	ctx, cancel := context.WithCancelCause(p.ctx)
	p.mu.Lock()
	p.calls++
	p.cancels = append(p.cancels, cancel)
	p.mu.Unlock()
	p.note("%s of %.4s after %v, waits %v", name, who, after, wait)
	p.out.Go(func() {
		start := time.Now()
		a, err := call(ctx)
		took := time.Since(start)
		p.note("%s of %.4s after %v: %s %s %v, %v", name, who, after, a.Status, texts(a.Messages), a.Cursor, err)
		if limit := max(wait, 10*p.unit) + p.patience; took > limit {
			p.failed("%s took %v, more than %v", name, took, limit)
		}
		if err == nil {
			if err := p.desk.contiguous(who, after, a); err != nil {
				p.failed("%s: %v", name, err)
			}
			if err := p.desk.waitingFor(who, a); err != nil {
				p.failed("%s: %v", name, err)
			}
			if a.Status == bridge.Closed {
				if err := p.desk.closedFor(who, a); err != nil {
					p.failed("%s: %v", name, err)
				}
			}
			if a.Status == bridge.Unavailable {
				sid, err := p.desk.unavailableFor(who, a)
				if err != nil {
					p.failed("%s: %v", name, err)
				}
				p.mu.Lock()
				p.told = append(p.told, sid)
				p.mu.Unlock()
			}
		}
		judge(a, err)
	})
}

var expected = []error{
	bridge.ErrMailbox, bridge.ErrUnsure, bridge.ErrDeskUnavailable, bridge.ErrDeskRefused, bridge.ErrBusy,
	bridge.ErrDraining, context.Canceled,
}

func isExpected(err error) bool {
	return slices.ContainsFunc(expected, func(e error) bool { return errors.Is(err, e) })
}

// ask asks a question, by a replica or by a process that dies.
func (p *play) ask(q *question, b *bridge.Bridge, wait time.Duration, dying, write bool) {
	f := p.followers[q.who]
	p.mu.Lock()
	if q.follows {
		f.busy = true
	}
	if q.losses != p.losses && q.key == "" {
		q.loose = true
	}
	q.busy++
	losses := p.losses
	given := maps.Clone(p.given)
	if q.asked { // perhaps before that was told
		given = nil
	}
	q.asked = true
	until := time.Now().Add(wait + 119*p.unit)
	// The call that said it may have been any of those that nobody heard the end of,
	// so the shortest window counts.
	if q.until.IsZero() || q.key == "" && !q.answered && until.Before(q.until) {
		q.until = until
	}
	p.mu.Unlock()
	p.call("asking "+q.text, q.who, q.after, wait, func(ctx context.Context) (bridge.Answer, error) {
		return b.Ask(ctx, bridge.Question{Customer: q.who, Text: q.text, After: q.after, Key: q.key, Deadline: time.Now().Add(wait)})
	}, func(a bridge.Answer, err error) {
		var wrong error
		for sid := range given {
			if p.lost() == losses && p.desk.saidInVain(sid, q.text) {
				p.failed("%q was said in %s, to which nobody comes", q.text, sid)
			}
		}
		switch {
		case dying:
		case err == nil && a.Status == bridge.Replied && !a.More:
			wrong = p.desk.answers(q.who, q.text, a)
		case err != nil && errors.Is(err, bridge.ErrCursorAhead):
			wrong = p.ahead(q.who, q.after, q.follows)
		case err != nil && !isExpected(err):
			wrong = err
		}
		if wrong != nil {
			p.failed("asking %s: %v", q.text, wrong)
		}
		if err == nil && write && !dying {
			a.Written()
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		q.busy--
		if q.losses != p.losses && (losses != p.losses || q.key == "") { // while it was being said, or it is not found
			q.loose = true
		}
		if q.follows {
			f.busy = false
		}
		if err == nil && (!q.answered && q.key == "" || until.After(q.until)) {
			q.until = until
		}
		if dying || err != nil {
			return
		}
		q.answered = true
		if write && a.Status != bridge.Pending && !a.More && q.key == "" {
			q.done, q.loose = true, q.loose || q.busy > 0 // those may ask anew
		}
		if q.follows {
			f.cursor = a.Cursor
		}
	})
}

// ahead tells whether a cursor that was given may be ahead: what it stood in was deleted.
func (p *play) ahead(who bridge.Customer, after bridge.Cursor, follows bool) error {
	_, conversations := p.desk.truth(who)
	i := find(conversations, after)
	if i >= 0 && !conversations[i].deleted {
		return fmt.Errorf("the cursor %v, which was given, is ahead", after)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if follows {
		p.followers[who].lost = true
	}
	return nil
}

func (p *play) await(who bridge.Customer, b *bridge.Bridge, after bridge.Cursor, wait time.Duration, follows, dying bool) {
	f := p.followers[who]
	if follows {
		p.mu.Lock()
		f.busy = true
		p.mu.Unlock()
	}
	p.call("waiting", who, after, wait, func(ctx context.Context) (bridge.Answer, error) {
		return b.Await(ctx, who, after, time.Now().Add(wait))
	}, func(a bridge.Answer, err error) {
		switch {
		case errors.Is(err, bridge.ErrCursorAhead) && !dying:
			if err := p.ahead(who, after, follows); err != nil {
				p.failed("waiting: %v", err)
			}
		case err != nil && !isExpected(err) && !dying:
			p.failed("waiting: %v", err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if follows {
			f.busy = false
			if err == nil && !dying {
				f.cursor = a.Cursor
			}
		}
	})
}

// newPlay wires a play, whose customers are its own: what is published in one database
// of a Redis is heard in all. The caller sets settle and time.
func newPlay(ctx context.Context, name string, mail bridge.Mailbox, lose func(), c bridge.Config) *play {
	ann, bob := keys.Customer("username", name+"ann"), keys.Customer("username", name+"bob")
	p := &play{
		players: []bridge.Customer{ann, bob},
		desk:    newDesk(), mail: mail, lose: lose, ctx: ctx, unit: time.Second, patience: 5 * time.Second, still: 1,
		followers: map[bridge.Customer]*follower{ann: {}, bob: {}}, given: map[string]bool{},
	}
	p.desk.report = func(e bridge.Event) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.reports = append(p.reports, e)
	}
	p.desk.faults = map[string][]fault{}
	p.desk.knows(func(sid string) bool {
		c := p.desk.conversations[sid]
		return c != nil && c.abandoned
	})
	for range 2 {
		p.replicas = append(p.replicas, bridge.New(p.desk, mail, keys, c))
	}
	return p
}

// close ends every process.
func (p *play) close() {
	p.out.Wait()
	for _, b := range append(p.others, p.replicas...) {
		b.Close()
	}
}

// opening returns the customer's open conversation at the desk.
func (d *desk) opening(who bridge.Customer) *conversation {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conversations {
		if c.customer == who && !c.closed && len(c.messages) > 0 {
			return c
		}
	}
	return nil
}

// happens plays the program.
func (p *play) happens(program []step, c bridge.Config) error {
	for i, s := range program {
		p.step(i, s, c)
		p.settle()
		p.giveUp()
		if err := p.desk.notWhole(); err != nil && p.desk.pending() == 0 {
			p.failed("%v", err)
		}
		if p.err != nil {
			break
		}
	}
	p.finish()
	if p.err != nil {
		return fmt.Errorf("%w\n%s", p.err, strings.Join(p.log, "\n"))
	}
	return nil
}

// giveUp notes the conversations of which the mailbox knows that nobody comes.
func (p *play) giveUp() {
	p.mu.Lock()
	told := p.told
	p.told = nil
	p.mu.Unlock()
	for _, sid := range told {
		if in, err := p.mail.Read(p.ctx, sid, -1); err == nil && in.Abandoned {
			p.mu.Lock()
			p.given[sid] = true
			p.mu.Unlock()
		}
	}
}

func (d *desk) pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.late
}
