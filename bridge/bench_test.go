package bridge_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbridge/bridge"
	"flexbridge/store"
	"flexbridge/store/storetest"
)

// overMailboxes runs a benchmark over memory and over a real Redis.
func overMailboxes(b *testing.B, run func(*testing.B, *bench)) {
	b.Run("memory", func(b *testing.B) { run(b, newBench(b, store.NewMemory(store.Config{}))) })
	b.Run("redis", func(b *testing.B) { run(b, newBench(b, openRedis(b))) })
}

func openRedis(b *testing.B) *store.Redis {
	redis, err := store.OpenRedis(storetest.StartRedis(b).URL, store.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = redis.Close() })
	return redis
}

// crowd is what there is beside the one that is measured: none of it may cost more.
type crowd struct{ conversations, history, waiting int }

var crowds = []crowd{{10, 10, 0}, {1_000, 10, 0}, {100_000, 10, 0}, {10, 10_000, 0}, {10_000, 10, 9_000}}

// overCrowds runs a benchmark over both mailboxes, with crowds in each.
func overCrowds(b *testing.B, run func(*testing.B, *bench, crowd)) {
	for _, c := range crowds {
		b.Run(fmt.Sprintf("conversations=%d/history=%d/waiting=%d", c.conversations, c.history, c.waiting), func(b *testing.B) {
			overMailboxes(b, func(b *testing.B, w *bench) {
				ctx, leave := context.WithCancel(b.Context())
				var waiting sync.WaitGroup
				defer waiting.Wait()
				defer leave()
				w.gather(ctx, c, &waiting)
				run(b, w, c)
			})
		})
	}
}

// gather opens the crowd's conversations, and has customers wait in the last of them.
func (w *bench) gather(ctx context.Context, c crowd, waiting *sync.WaitGroup) {
	var opening sync.WaitGroup
	for worker := range 32 {
		opening.Go(func() {
			for i := worker; i < c.conversations; i += 32 {
				w.open(i, c.history)
			}
		})
	}
	opening.Wait()
	for i := c.conversations - c.waiting; i < c.conversations; i++ {
		_, sid := benchCustomer(i)
		waiting.Add(1)
		w.park(ctx, i, bridge.At(0, sid, c.history-1), func(bridge.Answer, error) { waiting.Done() })
	}
}

// bench is a bridge whose desk must not be asked, with a mailbox that tells when a
// waiter has read, which it does last before it sleeps.
type bench struct {
	*bridge.Bridge
	b    *testing.B
	mail bridge.Mailbox
	read chan struct{}
}

func newBench(b *testing.B, mail bridge.Mailbox) *bench {
	w := &bench{b: b, mail: mail, read: make(chan struct{}, 1)}
	w.Bridge = bridge.New(struct{ bridge.Desk }{}, readTold{mail, w.read}, keys, bridge.Config{MaxParked: 1 << 30})
	b.Cleanup(w.Close)
	return w
}

type readTold struct {
	bridge.Mailbox
	read chan<- struct{}
}

func (m readTold) Read(ctx context.Context, conversation string, after int) (bridge.Inbox, error) {
	in, err := m.Mailbox.Read(ctx, conversation, after)
	if after < 1_000_000_000 { // only the state is asked for above every Index
		select {
		case m.read <- struct{}{}:
		default:
		}
	}
	return in, err
}

func benchCustomer(i int) (bridge.Customer, string) {
	return keys.Customer("username", fmt.Sprint(i)), fmt.Sprintf("CH%032x", i)
}

func benchReply(index int) bridge.Message {
	return bridge.Message{SID: fmt.Sprintf("IM%032x", index), Index: index, Kind: bridge.FromAgent,
		Author: "Ana Lopez", Text: strings.Repeat("Yes. ", 20), SentAt: time.Now(), Participant: "MB1"}
}

// open has the mailbox know a conversation with so many replies, and returns the
// cursor at the last.
func (w *bench) open(i, replies int) bridge.Cursor {
	customer, sid := benchCustomer(i)
	u := bridge.Update{Owner: &bridge.Owner{Customer: customer}}
	for index := range replies {
		u.Messages = append(u.Messages, benchReply(index))
	}
	w.must(w.mail.Enter(w.b.Context(), customer, map[int]string{0: sid}))
	_, err := w.mail.Keep(w.b.Context(), sid, u)
	w.must(err)
	return bridge.At(0, sid, replies-1)
}

func (w *bench) must(err error) {
	if err != nil {
		w.b.Error(err)
		w.b.FailNow()
	}
}

func (w *bench) deliver(i, index int) {
	_, sid := benchCustomer(i)
	m := benchReply(index)
	w.must(w.Deliver(w.b.Context(), bridge.Event{Conversation: sid, Ours: true, Message: &m}))
}

// park has a customer wait after a cursor, until ctx is done, and returns once it does.
func (w *bench) park(ctx context.Context, i int, after bridge.Cursor, woken func(bridge.Answer, error)) {
	customer, _ := benchCustomer(i)
	drained(w.read)
	go func() { woken(w.Await(ctx, customer, after, time.Now().Add(time.Hour))) }()
	<-w.read
}

func drained(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// BenchmarkDeliver measures keeping one reply that nobody waits for.
func BenchmarkDeliver(b *testing.B) {
	overCrowds(b, func(b *testing.B, w *bench, c crowd) {
		n, among := 0, c.conversations-c.waiting
		b.ReportAllocs()
		for b.Loop() {
			w.deliver(n%among, c.history+n/among)
			n++
		}
	})
}

// BenchmarkWake measures a reply to somebody who waits: ns/wake is from the call of
// Deliver to the return of Await, ns/op has the parking, too.
func BenchmarkWake(b *testing.B) {
	overCrowds(b, func(b *testing.B, w *bench, c crowd) {
		n, among := 0, c.conversations-c.waiting
		answers := make(chan bridge.Answer, 1)
		var waking time.Duration
		b.ReportAllocs()
		for b.Loop() {
			i, index := n%among, c.history+n/among
			_, sid := benchCustomer(i)
			w.park(b.Context(), i, bridge.At(0, sid, index-1), func(a bridge.Answer, err error) {
				if err != nil || a.Status != bridge.Replied {
					b.Errorf("Await = %+v, %v, want replied", a, err)
				}
				answers <- a
			})
			began := time.Now()
			w.deliver(i, index)
			<-answers
			waking += time.Since(began)
			n++
		}
		b.ReportMetric(float64(waking.Nanoseconds())/float64(b.N), "ns/wake")
	})
}

// BenchmarkPark measures one more who waits, without the HTTP around it: what it
// takes until it sleeps, and heap, stack and goroutines while it does. Over memory
// the heap has the conversation, too.
func BenchmarkPark(b *testing.B) {
	overMailboxes(b, func(b *testing.B, w *bench) {
		ctx, leave := context.WithCancel(b.Context())
		var waiting sync.WaitGroup
		defer waiting.Wait()
		defer leave()
		var before, after runtime.MemStats
		memory(&before)
		goroutines, n := runtime.NumGoroutine(), 0
		for b.Loop() {
			b.StopTimer()
			cursor := w.open(n, 1)
			b.StartTimer()
			waiting.Add(1)
			w.park(ctx, n, cursor, func(bridge.Answer, error) { waiting.Done() })
			n++
		}
		memory(&after)
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/float64(n), "goroutines/parked")
		b.ReportMetric(float64(after.HeapAlloc)/float64(n)-float64(before.HeapAlloc)/float64(n), "heap-B/parked")
		b.ReportMetric(float64(after.StackInuse)/float64(n)-float64(before.StackInuse)/float64(n), "stack-B/parked")
	})
}

func memory(stats *runtime.MemStats) {
	runtime.GC()
	runtime.ReadMemStats(stats)
}

// BenchmarkRead measures reading the one reply after a cursor, which must not
// depend on how many stand before it.
func BenchmarkRead(b *testing.B) {
	overMailboxes(b, func(b *testing.B, w *bench) {
		for i, length := range []int{1, 100, 10_000} {
			b.Run(fmt.Sprint(length), func(b *testing.B) {
				customer, sid := benchCustomer(i)
				w.open(i, length)
				after := bridge.At(0, sid, length-2)
				b.ReportAllocs()
				for b.Loop() {
					a, err := w.Await(b.Context(), customer, after, time.Now().Add(time.Hour))
					if err != nil || len(a.Messages) != 1 {
						b.Fatalf("Await = %d messages, %v, want one", len(a.Messages), err)
					}
				}
			})
		}
	})
}
