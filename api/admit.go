package api

import (
	"context"
	"net/http"
	"time"

	"flexbridge/bridge"
)

// Limiter counts what may be done in a minute.
type Limiter interface {
	// Spend takes one from a budget that holds perMinute and refills evenly. It
	// returns how many are left, and a wait above 0 when there was none to take: then
	// nothing was taken, and one will be there after that wait. Safe for concurrent
	// use.
	Spend(ctx context.Context, budget string, perMinute int) (left int, wait time.Duration, err error)
}

// spend takes a question from the budgets of the customer and of the caller, and
// tells in the header what is left of them.
func (a *API) spend(ctx context.Context, who caller, customer bridge.Customer, header http.Header) error {
	return nil
}

// enter takes one of the places that a caller's requests may have at once in this
// process; leave gives it back.
func (a *API) enter(who caller) (leave func(), err error) {
	return func() {}, nil
}
