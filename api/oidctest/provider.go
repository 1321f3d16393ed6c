// Package oidctest is an OpenID provider for tests: zitadel's, which is certified
// for OpenID Connect, on loopback, with a storage in memory. Its clients get access
// tokens that are JWTs from its token endpoint, by the grant client_credentials
// (RFC 6749, section 4.4).
package oidctest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const keysPath = "/keys"

// Provider is a running provider. It is safe for concurrent use.
type Provider struct {
	Issuer  string
	handler http.Handler
	storage *storage

	mu      sync.Mutex
	fetches int
	keys    http.Handler // in place of the real ones, if not nil
}

// Start runs a provider until the test ends. Its tokens are for these audiences.
func Start(t testing.TB, audiences ...string) *Provider {
	t.Helper()
	p := &Provider{storage: &storage{audiences: audiences}}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.Issuer = server.URL
	p.Rotate()
	handler, err := op.NewProvider(&op.Config{}, p.storage, op.StaticIssuer(p.Issuer), op.WithAllowInsecure())
	if err != nil {
		t.Fatal(err)
	}
	p.handler = handler
	return p
}

func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler := p.handler
	if r.URL.Path == keysPath {
		p.mu.Lock()
		p.fetches++
		if p.keys != nil {
			handler = p.keys
		}
		p.mu.Unlock()
	}
	handler.ServeHTTP(w, r)
}

// Fetches counts the requests for the keys.
func (p *Provider) Fetches() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetches
}

// ServeKeys has requests for the keys answered otherwise, or, by nil, as they should be.
func (p *Provider) ServeKeys(h http.Handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = h
}

// Token gets an access token for a client whose subject this is; its client_id is
// the subject, too.
func (p *Provider) Token(t testing.TB, subject string) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.Issuer+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(subject), secret)
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("the token endpoint answers %s, %v", response.Status, err)
	}
	return answer.Token
}

// Claims are of a token that Token would return.
func (p *Provider) Claims(subject string) map[string]any {
	now := time.Now().Unix()
	return map[string]any{
		"iss": p.Issuer, "sub": subject, "aud": p.storage.audiences, "client_id": subject,
		"exp": now + 3600, "iat": now, "nbf": now,
	}
}

// Sign signs what the provider itself would not, with its newest key.
func (p *Provider) Sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	return p.SignAs(t, p.storage.signing().id, claims)
}

// SignAs does so, and names another key.
func (p *Provider) SignAs(t testing.TB, id string, claims map[string]any) string {
	t.Helper()
	key := p.storage.signing()
	return Sign(t, jose.SigningKey{Algorithm: key.SignatureAlgorithm(), Key: key.private}, id, claims)
}

// Sign makes a token.
func Sign(t testing.TB, key jose.SigningKey, id string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", id))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// PublicKey is the newest one, and its id.
func (p *Provider) PublicKey() (*ecdsa.PublicKey, string) {
	key := p.storage.signing()
	return &key.private.PublicKey, key.id
}

// Rotate makes a new key, with which tokens are signed from now on. The older ones
// stay in the set.
func (p *Provider) Rotate() {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // of the machine's random numbers
	}
	p.storage.mu.Lock()
	defer p.storage.mu.Unlock()
	p.storage.made++
	p.storage.keys = append(p.storage.keys, &key{id: fmt.Sprint("key-", p.storage.made), private: private})
}

// Withdraw takes all keys but the newest out of the set.
func (p *Provider) Withdraw() {
	p.storage.mu.Lock()
	defer p.storage.mu.Unlock()
	p.storage.keys = p.storage.keys[len(p.storage.keys)-1:]
}

const secret = "the secret of every client"

// storage is what the grant needs; whatever else is called panics.
type storage struct {
	op.Storage
	audiences []string

	mu   sync.Mutex
	keys []*key // the newest last
	made int
}

func (s *storage) signing() *key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[len(s.keys)-1]
}

func (s *storage) SigningKey(context.Context) (op.SigningKey, error) { return s.signing(), nil }

func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}

func (s *storage) KeySet(context.Context) (set []op.Key, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		set = append(set, public{k})
	}
	return set, nil
}

func (s *storage) ClientCredentials(_ context.Context, id, given string) (op.Client, error) {
	if given != secret {
		return nil, errors.New("wrong secret")
	}
	return client{id: id}, nil
}

func (s *storage) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: id, Audience: s.audiences, Scopes: scopes}, nil
}

func (s *storage) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	return rand.Text(), time.Now().Add(time.Hour), nil
}

func (s *storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

func (s *storage) Health(context.Context) error { return nil }

// key is a pair of keys, and its private half for the provider.
type key struct {
	id      string
	private *ecdsa.PrivateKey
}

func (k *key) ID() string                                  { return k.id }
func (k *key) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k *key) Key() any                                    { return k.private }

// public is its other half.
type public struct{ *key }

func (p public) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (p public) Use() string                        { return "sig" }
func (p public) Key() any                           { return &p.private.PublicKey }

// client may use the one grant; whatever else is asked of it panics.
type client struct {
	op.Client
	id string
}

func (c client) GetID() string { return c.id }
func (c client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeClientCredentials}
}
func (c client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (c client) ClockSkew() time.Duration            { return 0 }
func (c client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}
