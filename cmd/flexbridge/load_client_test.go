package main

import (
	"cmp"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// loadHooks is how many connections bring webhooks, or open those of callers.
const loadHooks = 64

// loadPatience is how long anything may take.
const loadPatience = 4 * time.Minute

// loader plays everybody around a system.
type loader struct {
	*system
	t       *testing.T
	figures figures

	lines []*line // of the callers
	hooks []*line
	base  usage // when nobody has come yet
}

func (l *loader) close() {
	for _, each := range append(l.lines, l.hooks...) {
		if each != nil {
			each.Close()
		}
	}
}

// each runs f for every number below n, so many at a time: worker w of so many
// takes those that leave w.
func (l *loader) each(n, workers int, f func(w, i int) error) {
	l.t.Helper()
	errs := make([]error, workers)
	var work sync.WaitGroup
	for w := range workers {
		work.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				errs[w] = f(w, i)
			}
		})
	}
	work.Wait()
	if err := cmp.Or(errs...); err != nil {
		l.t.Fatal(err)
	}
}

// warm connects the webhooks' connections and some callers, and has these ask some
// questions, so that nothing is done for the first time later.
func (l *loader) warm() {
	l.base = l.usage()
	l.lines, l.hooks = make([]*line, len(l.callers)), make([]*line, loadHooks)
	l.each(loadHooks, loadHooks, func(_, i int) (err error) {
		l.hooks[i], err = dialLine(l.addr, i)
		return err
	})
	l.each(min(loadHooks, len(l.callers)), loadHooks, func(w, i int) (err error) {
		if l.lines[i], err = dialLine(l.addr, i); err != nil {
			return err
		}
		for range 20 {
			if _, err := l.exchange(l.callers[i], l.lines[i], l.hooks[w]); err != nil {
				return err
			}
		}
		return nil
	})
	l.settle()
}

// exchange asks, sends the reply and reads the answer. It returns how long that took.
func (l *loader) exchange(a asker, caller, hook *line) (time.Duration, error) {
	_ = caller.SetDeadline(time.Now().Add(loadPatience))
	began := time.Now()
	if _, err := caller.Write(a.ask()); err != nil {
		return 0, err
	}
	if err := a.asked(); err != nil {
		return 0, err
	}
	if err := send(a.reply(), hook); err != nil {
		return 0, err
	}
	answer, err := caller.answer()
	took := time.Since(began)
	if err == nil {
		err = a.answered(answer)
	}
	return took, err
}

// send brings a reply, and reads that it has been taken.
func send(reply [][]byte, hook *line) error {
	_ = hook.SetDeadline(time.Now().Add(loadPatience))
	for _, request := range reply {
		if _, err := hook.Write(request); err != nil {
			return err
		}
		if _, err := hook.answer(); err != nil {
			return fmt.Errorf("a webhook: %w", err)
		}
	}
	return nil
}

// settle waits until the system rests: until its processes use less than a tenth
// of a processor.
func (l *loader) settle() {
	const step = 500 * time.Millisecond
	used := func() (seconds float64) {
		for _, pids := range l.processes() {
			for _, pid := range pids {
				seconds += cpu(l.t, pid)
			}
		}
		return seconds
	}
	for before, late := used(), time.Now().Add(loadPatience); time.Now().Before(late); {
		time.Sleep(step)
		now := used()
		if now-before < step.Seconds()/10 {
			return
		}
		before = now
	}
	l.t.Fatal("the system does not come to rest")
}

// park has everybody ask, and wait.
func (l *loader) park() {
	before := l.calls()
	l.each(len(l.callers), loadHooks, func(_, i int) (err error) {
		if l.lines[i] == nil {
			if l.lines[i], err = dialLine(l.addr, i); err != nil {
				return err
			}
		}
		if _, err = l.lines[i].Write(l.callers[i].ask()); err != nil {
			return err
		}
		return l.callers[i].asked()
	})
	l.settle()
	now, n := l.usage(), float64(len(l.callers))
	l.figures["KB parked"] = float64(now.pss[0]-l.base.pss[0]) / n / 1024
	l.figures["KB Redis"] = float64(now.pss[1]-l.base.pss[1]) / n / 1024
	l.figures["conns"] = float64(now.clients)
	l.figures["calls to Twilio"] = float64(now.calls-before) / n
	l.profile(true)
}

// wake answers everybody who waits, at a rate per second, or as fast as webhooks
// are taken if that is 0.
func (l *loader) wake(rate float64) {
	n := len(l.callers)
	replies := make([][][]byte, n) // to sign them takes time that is Twilio's
	l.each(n, loadHooks, func(_, i int) error {
		replies[i] = l.callers[i].reply()
		return nil
	})
	sent, read := make([]time.Time, n), make([]time.Time, n)
	errs := make([]error, n)
	before := l.usage()
	var readers sync.WaitGroup
	for i, caller := range l.lines {
		readers.Go(func() {
			_ = caller.SetReadDeadline(time.Now().Add(loadPatience))
			answer, err := caller.answer()
			read[i] = time.Now()
			if err == nil {
				err = l.callers[i].answered(answer)
			}
			errs[i] = err
		})
	}
	began := time.Now()
	l.each(n, loadHooks, func(w, i int) error {
		if rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		}
		sent[i] = time.Now()
		return send(replies[i], l.hooks[w])
	})
	readers.Wait()
	took := time.Since(began)
	l.profile(false)
	if err := cmp.Or(errs...); err != nil {
		l.t.Fatal(err)
	}
	latencies := newLatencies()
	for i := range n {
		latencies.add(read[i].Sub(sent[i]))
	}
	l.report(latencies, before, n, took)
}

// loop has every caller ask again and again.
func (l *loader) loop(d time.Duration) {
	l.profile(true)
	before := l.usage()
	latencies, began := newLatencies(), time.Now()
	var exchanges atomic.Int64
	l.each(len(l.callers), len(l.callers), func(w, i int) error {
		for time.Since(began) < d {
			took, err := l.exchange(l.callers[i], l.lines[i], l.hooks[w])
			if err != nil {
				return err
			}
			latencies.add(took)
			exchanges.Add(1)
		}
		return nil
	})
	took, n := time.Since(began), int(exchanges.Load())
	l.profile(false)
	l.figures["calls to Twilio"] = float64(l.calls()-before.calls) / float64(n)
	l.figures["conns"] = float64(l.redis.Clients())
	l.report(latencies, before, n, took)
}

// report notes what n answers cost since before.
func (l *loader) report(latencies *latencies, before usage, n int, took time.Duration) {
	after, each := l.usage(), func(v float64) float64 { return v / float64(n) }
	l.figures["p50 ms"] = latencies.at(50)
	l.figures["p99 ms"] = latencies.at(99)
	l.figures["max ms"] = latencies.at(100)
	l.figures["per s"] = float64(n) / took.Seconds()
	l.figures["µs CPU"] = each(after.cpu[0]-before.cpu[0]) * 1e6
	l.figures["µs Redis"] = each(after.cpu[1]-before.cpu[1]) * 1e6
	for name, calls := range after.commands {
		if per := each(float64(calls - before.commands[name])); per > 0.01 {
			l.figures["redis "+name] = per
			l.figures["commands"] += per
		}
	}
}
