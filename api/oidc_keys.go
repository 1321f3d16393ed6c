package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// keySet checks signatures with the provider's keys. The library's own set, which
// it is made of, fetches the keys again for every token that they do not fit, and
// for nothing else. So here the fetches are bounded (see paced), and the set is
// replaced when it is old: a key that was withdrawn must not live on for as long as
// no token with a new one comes.
type keySet struct {
	url    string
	client *http.Client
	pause  time.Duration
	age    time.Duration

	mu      sync.Mutex
	current *oidc.RemoteKeySet
	renewAt time.Time
}

func newKeySet(cfg OIDCConfig, url string) *keySet {
	k := &keySet{
		url: url, pause: cfg.Pause, age: cfg.KeyAge,
		client: issuerClient(cfg, &paced{next: bounded{cfg.Transport}, pause: cfg.Pause}),
	}
	k.use(k.fresh())
	return k
}

func (k *keySet) fresh() *oidc.RemoteKeySet {
	return oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), k.client), k.url)
}

func (k *keySet) use(set *oidc.RemoteKeySet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current, k.renewAt = set, time.Now().Add(k.age)
}

// VerifySignature returns the payload of a token that is signed with one of the
// provider's keys. Its errors tell when the keys could not be had, see notFetched.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	k.mu.Lock()
	current, renew := k.current, !time.Now().Before(k.renewAt)
	if renew {
		k.renewAt = time.Now().Add(k.pause) // by this caller alone
	}
	k.mu.Unlock()
	if renew {
		next := k.fresh()
		payload, err := next.VerifySignature(ctx, token)
		if !notFetched(err) {
			k.use(next)
			return payload, err
		}
	}
	return current.VerifySignature(ctx, token)
}

// notFetched tells whether a signature was not checked because the provider's keys
// could not be had. That is the one case in which the library's set wraps an error.
func notFetched(err error) bool { return errors.Unwrap(err) != nil }

// witness keeps the error of a key set: the library's verifier passes on its text
// only.
type witness struct {
	oidc.KeySet
	err error
}

func (w *witness) VerifySignature(ctx context.Context, token string) (payload []byte, err error) {
	payload, w.err = w.KeySet.VerifySignature(ctx, token)
	return payload, w.err
}

// issuerClient asks the provider, in bounded time, and follows no redirect, which
// might lead where SecureURL forbids.
func issuerClient(cfg OIDCConfig, transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		Timeout:       cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// maxIssuerAnswer bounds what is read of the provider's answers, in bytes.
const maxIssuerAnswer = 1 << 20

// bounded reads answers whole, and refuses those that are too long.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxIssuerAnswer+1))
	if err == nil && len(body) > maxIssuerAnswer {
		err = fmt.Errorf("the issuer answers with more than %d bytes", maxIssuerAnswer)
	}
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// paced passes one request on in each pause, and answers the others like that one:
// tokens that name keys nobody knows cost nothing to make, and must not become a
// flood at the provider. All requests are taken to be the same.
type paced struct {
	next  http.RoundTripper
	pause time.Duration

	mu    sync.Mutex
	last  *fetch
	after time.Time // when the next request may be passed on
}

// fetch is a request that was passed on. What came of it is set when done is closed.
type fetch struct {
	done     chan struct{}
	response http.Response
	body     []byte
	err      error
}

func (p *paced) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	e, now := p.last, time.Now()
	mine := e == nil || !now.Before(p.after)
	if mine {
		e = &fetch{done: make(chan struct{})}
		p.last, p.after = e, now.Add(p.pause)
	}
	p.mu.Unlock()
	if mine {
		e.run(p.next, r)
	}
	select {
	case <-e.done:
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	if e.err != nil {
		return nil, e.err
	}
	response := e.response
	response.Body = io.NopCloser(bytes.NewReader(e.body))
	return &response, nil
}

func (e *fetch) run(next http.RoundTripper, r *http.Request) {
	defer close(e.done)
	response, err := next.RoundTrip(r)
	if err != nil {
		e.err = err
		return
	}
	defer response.Body.Close()
	e.response = *response
	e.body, e.err = io.ReadAll(response.Body)
}
