package flex

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/twilio/twilio-go/client"
	twilio "github.com/twilio/twilio-go/rest/conversations/v1"
)

const (
	// maxAnswer bounds what is read of one answer: a page of 100 messages of 32 KB
	// text and 4 KB attributes, escaped, stays below it.
	maxAnswer = 32 << 20
	// maxTries is how often a read is sent when the network or Twilio fails.
	maxTries = 3
	// maxThrottled ends the retries of a call whose context has no deadline.
	maxThrottled = time.Minute
)

// trip is one HTTP request. twilio-go takes no context and hides the headers of
// the answer and whether the request was sent (issues 98 and 255 of
// github.com/twilio/twilio-go), so each request goes through a transport of its
// own that binds the one and notes the others. Connections are shared.
type trip struct {
	api     *twilio.ApiService
	handler *client.RequestHandler // api's, and of Twilio's other APIs
	desk    *Desk
	ctx     context.Context
	sent    atomic.Bool // a connection took the request, so Twilio may have got it
	status  int         // of the answer; 0 without one
	header  http.Header // of the answer
}

func (d *Desk) trip(ctx context.Context) *trip {
	t := &trip{desk: d, ctx: ctx}
	// NewRequestHandler would read TWILIO_EDGE and TWILIO_REGION.
	t.handler = &client.RequestHandler{Client: &client.Client{
		Credentials: d.credentials,
		HTTPClient: &http.Client{
			Transport:     t,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}}
	t.api = twilio.NewApiService(t.handler)
	return t
}

// RoundTrip sends twilio-go's request. It reads the answer whole, as twilio-go
// leaves the body of an error open, which would cost the connection.
func (t *trip) RoundTrip(r *http.Request) (*http.Response, error) {
	target, err := t.desk.target(r.URL)
	if err != nil {
		return nil, err
	}
	r = r.Clone(httptrace.WithClientTrace(t.ctx, &httptrace.ClientTrace{
		// The transport looks for another connection only for a request of which
		// nothing was written, or which may be repeated.
		GetConn: func(string) { t.sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { t.sent.Store(true) },
	}))
	r.URL, r.Host = target, target.Host
	res, err := t.desk.transport.RoundTrip(r)
	if err != nil {
		// net/http will name the URL that twilio-go asked for, not this one.
		return nil, fmt.Errorf("calling %s: %w", target.Host, err)
	}
	t.status, t.header = res.StatusCode, res.Header
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	res.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// conversationsHost is the API whose paths are those of a service.
const conversationsHost = "conversations.twilio.com"

// target is where a request really goes: twilio-go's base URLs cannot be set, and
// the URL of a next page is whatever the answer said, which must not choose who
// gets our credentials. The paths of a service are those of the account's
// default service below /Services (twilio.com/docs/conversations/api).
func (d *Desk) target(u *url.URL) (*url.URL, error) {
	path := u.EscapedPath()
	if service := d.config.ServiceSID; service != "" && u.Host == conversationsHost && !strings.HasPrefix(path, "/v1/Services/") {
		path = "/v1/Services/" + url.PathEscape(service) + strings.TrimPrefix(path, "/v1")
	}
	base := d.base
	if base == nil {
		if !strings.HasSuffix(u.Host, ".twilio.com") {
			return nil, fmt.Errorf("%q is no host of Twilio's", u.Host)
		}
		base = &url.URL{Scheme: "https", Host: u.Host}
	}
	target, err := url.Parse(strings.TrimSuffix(base.String(), "/") + path)
	if err != nil {
		return nil, err
	}
	target.RawQuery = u.RawQuery
	return target, nil
}

// write makes a call that changes something. It is repeated only when Twilio
// says that it did not process it.
func write[T any](ctx context.Context, d *Desk, op Operation, what string, do func(*trip) (T, error)) (T, error) {
	return call(ctx, d, op, what, false, do)
}

// read makes a call that changes nothing. It is repeated when it failed, too.
func read[T any](ctx context.Context, d *Desk, op Operation, what string, do func(*trip) (T, error)) (T, error) {
	return call(ctx, d, op, what, true, do)
}

func call[T any](ctx context.Context, d *Desk, op Operation, what string, reading bool, do func(*trip) (T, error)) (T, error) {
	var (
		result T
		err    error
		tries  int
	)
	_, retryErr := backoff.Retry(ctx, func() (struct{}, error) {
		attempt, cancel := context.WithTimeout(ctx, d.config.Timeout)
		defer cancel()
		t := d.trip(attempt)
		tries++
		began := time.Now()
		result, err = do(t)
		err = t.verdict(reading, err)
		d.tried(ctx, Try{Operation: op, Outcome: t.outcome(err), Took: time.Since(began), Number: tries})
		if t.repeatable(err, reading, tries) {
			return struct{}{}, t.delayed(err)
		}
		return struct{}{}, backoff.Permanent(err)
	}, backoff.WithBackOff(pauses()), backoff.WithMaxElapsedTime(patience(ctx)),
		backoff.WithNotify(func(_ error, pause time.Duration) {
			d.log.WarnContext(ctx, "Twilio is asked again", "call", what, "pause", pause, "reason", err)
		}))
	if retryErr != nil {
		// Retry's own error may be the context's alone, which would hide that
		// nothing was done.
		var none T
		return none, fmt.Errorf("%s: %w", what, err)
	}
	return result, nil
}

// repeatable tells whether the request may be sent again: Twilio never processed
// one that it answered with 429 (twilio.com/docs/api/errors/20429).
func (t *trip) repeatable(err error, reading bool, tries int) bool {
	if err == nil {
		return false
	}
	return t.status == http.StatusTooManyRequests || reading && tries < maxTries && unavailable(err)
}

// delayed makes err one that Retry waits for as long as Twilio asks.
func (t *trip) delayed(err error) error {
	seconds, parseErr := strconv.Atoi(t.header.Get("Retry-After"))
	if parseErr != nil || seconds <= 0 {
		return err
	}
	return backoff.RetryAfter(seconds)
}

// pauses are 0.1 to 0.3 s, then twice as long each time, up to 5 s.
func pauses() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval:     200 * time.Millisecond,
		RandomizationFactor: 0.5,
		Multiplier:          2,
		MaxInterval:         5 * time.Second,
	}
}

// patience is how long a call may go on trying: a pause that would outlast the
// context is not begun, so that its caller hears at once.
func patience(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return maxThrottled
	}
	return max(1, min(maxThrottled, time.Until(deadline))) // 0 would be no limit
}

// next fetches what is at a URL, such as the one that a page of a list gave for
// the next. Asking twilio-go for a page by its token would damage a token with a
// dot and a digit.
func next[Page any](t *trip, nextURL string) (*Page, error) {
	res, err := t.api.RequestHandler().Get(nextURL, nil, nil, "")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	page := new(Page)
	return page, json.NewDecoder(res.Body).Decode(page)
}
