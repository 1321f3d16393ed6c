package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Config holds the bridge's limits and timings. A zero field has the default
// that stands beside it.
type Config struct {
	// Wait is the longest wait of one request, the shortest such where callers have
	// several; deadline looks of a conversation are at least LookEvery or Wait apart,
	// whichever is shorter. 40 s.
	Wait time.Duration
	// SayLimit is what saying may take at least, whatever the request's deadline. 10 s.
	SayLimit time.Duration
	// Lease is for how long one opener has the customer to itself between two steps. 10 s.
	Lease time.Duration
	// RepeatFor is how long after its deadline the same text attaches to a
	// question that was said, and KeyFor how long a key binds its text. 120 s, 24 h.
	RepeatFor, KeyFor time.Duration
	// Doubt are the pauses before each search for a question whose saying has an
	// unknown outcome; after the last search it is said again. 1 s, 2 s.
	Doubt [2]time.Duration

	// GapWait is how long a gap may be a late webhook; GapBelief how old, by the
	// desk's clock, the message above a gap must be before the gap is believed. 300 ms, 3 s.
	GapWait, GapBelief time.Duration
	// LookLimit is the longest one look runs, LookEvery how far deadline looks of
	// a conversation are apart, LastLook how long before its deadline a waiter looks
	// at the earliest. 3 s, 30 s, 3 s.
	LookLimit, LookEvery, LastLook time.Duration
	// HintEvery is how far looks of a conversation are apart that hints ask for. 1 s.
	HintEvery time.Duration
	// LooksPerSecond bounds deadline looks, searches for cursors ahead and look-ups
	// of unknown customers, in this process; and once more looks that hints ask for. 20.
	LooksPerSecond int

	// KeepLimit is how long a report may take to be kept before it is refused;
	// trying goes on for KeepRetry, for at most KeepWaiting reports, and as many
	// hints. 2 s, 30 s, 1000.
	KeepLimit, KeepRetry time.Duration
	KeepWaiting          int

	// MaxParked is how many requests may wait in this process, ParkedEach how many
	// of one customer: one more ends that customer's oldest. 20000, 4.
	MaxParked, ParkedEach int

	// Logger gets one line for what an operator must know; nil is silent.
	Logger *slog.Logger
	// Observer is told what happens; nil is nobody.
	Observer Observer
}

func (c Config) withDefaults() Config {
	fill(&c.Wait, 40*time.Second)
	fill(&c.SayLimit, 10*time.Second)
	fill(&c.Lease, 10*time.Second)
	fill(&c.RepeatFor, 120*time.Second)
	fill(&c.KeyFor, 24*time.Hour)
	fill(&c.Doubt[0], time.Second)
	fill(&c.Doubt[1], 2*time.Second)
	fill(&c.GapWait, 300*time.Millisecond)
	fill(&c.GapBelief, 3*time.Second)
	fill(&c.LookLimit, 3*time.Second)
	fill(&c.LookEvery, 30*time.Second)
	fill(&c.LastLook, 3*time.Second)
	fill(&c.HintEvery, time.Second)
	fill(&c.LooksPerSecond, 20)
	fill(&c.KeepLimit, 2*time.Second)
	fill(&c.KeepRetry, 30*time.Second)
	fill(&c.KeepWaiting, 1000)
	fill(&c.MaxParked, 20_000)
	fill(&c.ParkedEach, 4)
	fill(&c.Logger, slog.New(slog.DiscardHandler))
	fill[Observer](&c.Observer, silent{})
	return c
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Bridge is safe for concurrent use.
type Bridge struct {
	desk   Desk
	mail   Mailbox
	keys   *Keyring
	config Config
	log    *slog.Logger

	observer Observer

	parking parking
	ration  ration
	readers ration // within it: what is looked up for those who only read
	hints   hints
	shift   shift
	late    atomic.Int64 // reports that wait for the mailbox
	running sync.WaitGroup

	closing context.Context // ends what need not be finished
	giveUp  context.CancelFunc
}

// New wires a bridge to where agents sit and to what remembers. Close it when
// nobody calls it any more.
func New(desk Desk, mail Mailbox, keys *Keyring, config Config) *Bridge {
	config = config.withDefaults()
	closing, giveUp := context.WithCancel(context.Background())
	return &Bridge{
		closing: closing, giveUp: giveUp,
		desk: desk, mail: mail, keys: keys, config: config, log: config.Logger, observer: config.Observer,
		parking: parking{max: config.MaxParked, each: config.ParkedEach},
		ration:  ration{perSecond: config.LooksPerSecond},
		readers: ration{perSecond: (config.LooksPerSecond + 1) / 2},
		hints:   hints{ration: ration{perSecond: config.LooksPerSecond}, waiting: map[string]bool{}},
	}
}

// Close gives hints up and waits for looks and deliveries under way, each of which
// has a limit of its own. No other method may be called any more.
func (b *Bridge) Close() {
	b.giveUp()
	b.running.Wait()
}

// Parked is how many requests are being answered now.
func (b *Bridge) Parked() int { return b.parking.count() }

// background runs f to its end even if the caller leaves; Close waits for it.
func (b *Bridge) background(ctx context.Context, limit time.Duration, f func(context.Context)) {
	b.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		f(ctx)
	})
}

// within bounds work that goes on when the caller leaves or the process drains:
// it ends at the deadline, but has at least so long.
func within(ctx context.Context, deadline time.Time, atLeast time.Duration) (context.Context, context.CancelFunc) {
	if least := time.Now().Add(atLeast); least.After(deadline) {
		deadline = least
	}
	return context.WithDeadline(context.WithoutCancel(ctx), deadline)
}

// place is one conversation of a customer.
type place struct {
	customer     Customer
	generation   int
	conversation string
}

func (p place) at(index int) Cursor { return At(p.generation, p.conversation, index) }

// mailErr is what every failure of the mailbox becomes.
func mailErr(doing string, err error) error {
	return fmt.Errorf("%s: %w: %w", doing, ErrMailbox, err)
}
