package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"flexbridge/bridge"
)

// Limiter counts what may be done in a minute.
type Limiter interface {
	// Spend takes one from a budget that holds perMinute and refills evenly. It
	// returns how many are left, and a wait above 0 when there was none to take: then
	// nothing was taken, and one will be there after that wait. A budget always has
	// the same perMinute, which is above 0. Safe for concurrent use.
	Spend(ctx context.Context, budget string, perMinute int) (left int, wait time.Duration, err error)
}

// What is refused because there was too much of it.
var (
	errRateLimited    = errors.New("questions come too fast")
	errTooManyWaiting = errors.New("too many requests of this caller wait already")
)

// limitedError is errRateLimited with its end. Its text is for the caller.
type limitedError struct{ seconds int }

func (e *limitedError) Error() string {
	return fmt.Sprintf("Questions come too fast here; there will be room for one in %d s", e.seconds)
}

func (e *limitedError) Unwrap() error { return errRateLimited }

// The fields of draft-ietf-httpapi-ratelimit-headers ("RateLimit header fields for
// HTTP", with structured fields as since its revision 08). A policy's q is the
// budget and w the seconds in which it refills; r is what is left of it and t the
// seconds until there is more.
const (
	headerPolicy = "RateLimit-Policy"
	headerLimit  = "RateLimit"
)

// spend takes a question from the budgets of the customer and of the caller, and
// tells in the header what is left of them. Without authentication everybody is
// one caller, so that names made up by the thousand share one budget. The customer
// comes first: who has spent all takes nothing from the caller's others.
func (a *API) spend(ctx context.Context, who caller, customer bridge.Customer, header http.Header) error {
	var policies, limits []string
	var refused error
	for _, b := range []struct {
		name      string
		of        bridge.Customer
		perMinute int
	}{
		{"customer", customer, a.cfg.QuestionsPerCustomer},
		{"caller", a.cfg.Keys.Customer("caller", who.application), a.cfg.QuestionsPerCaller},
	} {
		if b.perMinute == 0 {
			continue
		}
		policies = append(policies, fmt.Sprintf(`"%s";q=%d;w=60`, b.name, b.perMinute))
		if refused != nil {
			continue
		}
		left, wait, err := a.cfg.Limiter.Spend(ctx, string(b.of), b.perMinute)
		switch {
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return fmt.Errorf("counting questions: %w: %w", bridge.ErrMailbox, err)
		case wait > 0:
			refused = &limitedError{wholeSeconds(wait)}
		default:
			wait = time.Minute / time.Duration(b.perMinute)
		}
		limits = append(limits, fmt.Sprintf(`"%s";r=%d;t=%d`, b.name, left, wholeSeconds(wait)))
	}
	if len(policies) > 0 {
		header.Set(headerPolicy, strings.Join(policies, ", "))
		header.Set(headerLimit, strings.Join(limits, ", "))
	}
	return refused
}

func wholeSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// places are those that requests have at present, by whose they are: an
// application's, or a file's.
type places struct {
	mu    sync.Mutex
	taken map[string]int
}

// take takes a place, if fewer than limit of them are taken; leave gives it back,
// and is called once.
func (p *places) take(whose string, limit int) (leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[whose] >= limit {
		return nil, false
	}
	if p.taken == nil {
		p.taken = make(map[string]int)
	}
	p.taken[whose]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.taken[whose]--; p.taken[whose] == 0 {
			delete(p.taken, whose)
		}
	}, true
}

// enter takes one of the places that a caller's requests may have at once in this
// process; leave gives it back, and is called once. Callers who cannot be told
// apart are not counted, as they are not one caller.
func (a *API) enter(who caller) (leave func(), err error) {
	if a.cfg.MaxParkedPerCaller == 0 || who.application == "" {
		return func() {}, nil
	}
	leave, ok := a.places.take(who.application, a.cfg.MaxParkedPerCaller)
	if !ok {
		return nil, errTooManyWaiting
	}
	return leave, nil
}
