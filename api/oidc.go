package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/coreos/go-oidc/v3/oidc"
)

// OIDCConfig tells whose tokens are accepted. Issuer and Audiences are required.
type OIDCConfig struct {
	// Issuer is the provider, as a URL that [SecureURL] accepts and exactly as
	// tokens name it in iss.
	Issuer string
	// Audiences are this service's names at the provider; a token is accepted that
	// has any of them in aud. None should be a client's own id, with which its ID
	// tokens, not made for this service, would do.
	Audiences []string
	// Patience is how long to wait for the provider at the start. 0 means 20 s.
	Patience time.Duration
	// Timeout is of one request to the provider; callers may wait that long for its
	// keys. 0 means 3 s.
	Timeout time.Duration
	// Pause is the time from one request for the provider's keys to the next one,
	// however many tokens name keys that are not known. 0 means 10 s.
	Pause time.Duration
	// KeyAge is how long keys are used before they are fetched anew: a key that
	// the provider has withdrawn is accepted no longer than that, as long as the
	// provider can be reached. 0 means 5 min.
	KeyAge time.Duration
	// Transport carries the requests; nil means a plain one.
	Transport http.RoundTripper
}

// clockSkew is how far the provider's clock may be off.
const clockSkew = 30 * time.Second

// algorithms are those that need no secret of the issuer to check. A signature
// with HMAC would be checked with the public key, which everybody has (RFC 8725,
// section 2.1).
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
	oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// provider is what OpenID Connect Discovery 1.0, section 3, tells of an issuer.
type provider struct {
	Issuer           string `json:"issuer"`
	AuthorizationURL string `json:"authorization_endpoint"`
	TokenURL         string `json:"token_endpoint"`
	KeysURL          string `json:"jwks_uri"`
}

// DiscoveryURL is where it tells that.
func (p provider) DiscoveryURL() string {
	return strings.TrimSuffix(p.Issuer, "/") + "/.well-known/openid-configuration"
}

// OIDCAuth lets people call whom an OpenID provider knows, by access tokens that
// are JWTs (RFC 9068). The customer is the issuer and the subject, so there is no
// username. It asks the provider at once, and fails if that does not answer in time
// or calls itself otherwise.
func OIDCAuth(ctx context.Context, cfg OIDCConfig) (Auth, error) {
	if !SecureURL(cfg.Issuer) || len(cfg.Audiences) == 0 || slices.Contains(cfg.Audiences, "") {
		return nil, errors.New("an https issuer and an audience are needed")
	}
	cfg.Patience = cmp.Or(cfg.Patience, 20*time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 3*time.Second)
	cfg.Pause = cmp.Or(cfg.Pause, 10*time.Second)
	cfg.KeyAge = cmp.Or(cfg.KeyAge, 5*time.Minute)
	if cfg.Transport == nil {
		// Requests are rare, so no connection is kept.
		cfg.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	}
	found, err := discover(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &oidcAuth{cfg: cfg, provider: found, keys: newKeySet(cfg, found.KeysURL)}, nil
}

// discover asks the provider until it answers.
func discover(ctx context.Context, cfg OIDCConfig) (found provider, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Patience, errors.New("it has not answered in time"))
	defer cancel()
	ctx = oidc.ClientContext(ctx, issuerClient(cfg, bounded{cfg.Transport}))
	var last error
	p, err := backoff.Retry(ctx, func() (*oidc.Provider, error) {
		p, err := oidc.NewProvider(ctx, cfg.Issuer)
		last = err // a wait that ends would hide it
		if other := new(oidc.IssuerMismatchError); errors.As(err, &other) {
			return nil, backoff.Permanent(err)
		}
		return p, err
	}, backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: 200 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 3 * time.Second,
	}), backoff.WithMaxElapsedTime(cfg.Patience))
	if err != nil {
		return found, fmt.Errorf("asking the issuer about itself: %s", clean(cmp.Or(last, err).Error(), 300))
	}
	if err := p.Claims(&found); err != nil {
		return found, fmt.Errorf("reading what the issuer tells of itself: %w", err)
	}
	if !SecureURL(found.KeysURL) {
		return found, errors.New("the issuer has its keys (jwks_uri) at no https URL")
	}
	return found, nil
}

// SecureURL tells whether a URL is fit for secrets and what they depend on: https
// with a host, or http on loopback, and neither a user, query nor fragment.
func SecureURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

type oidcAuth struct {
	cfg      OIDCConfig
	provider provider
	keys     *keySet
}

func (o *oidcAuth) scheme() scheme { return scheme{ModeOIDC, o.provider} }

func (o *oidcAuth) identify(r *http.Request) (caller, error) {
	text, err := bearerToken(r)
	if err != nil {
		return caller{}, err
	}
	keys := &witness{KeySet: o.keys}
	// Times and audience are checked below: the library knows one audience, allows
	// nbf five minutes and exp none.
	token, err := oidc.NewVerifier(o.cfg.Issuer, keys, &oidc.Config{
		SupportedSigningAlgs: algorithms, SkipClientIDCheck: true, SkipExpiryCheck: true,
	}).Verify(r.Context(), text)
	switch {
	case notFetched(keys.err):
		return caller{}, fmt.Errorf("%w: %w", errAuthUnavailable, keys.err)
	case err != nil:
		return caller{}, fmt.Errorf("%w: %w", errInvalidToken, err)
	}
	var claims struct {
		NotBefore float64 `json:"nbf"` // RFC 7519, section 2: a fraction is possible
		Client    string  `json:"client_id"`
		Party     string  `json:"azp"`
	}
	if err := token.Claims(&claims); err != nil {
		return caller{}, fmt.Errorf("%w: %w", errInvalidToken, err)
	}
	now := time.Now()
	switch {
	case !slices.ContainsFunc(token.Audience, func(a string) bool { return slices.Contains(o.cfg.Audiences, a) }):
		err = fmt.Errorf("made for others: %.100q", token.Audience)
	case !now.Add(-clockSkew).Before(token.Expiry): // so it is without exp, too
		err = fmt.Errorf("expired at %v", token.Expiry)
	case claims.NotBefore > float64(now.Add(clockSkew).Unix()):
		err = errors.New("not valid yet")
	case token.Subject == "":
		err = errors.New("no subject")
	}
	if err != nil {
		return caller{}, fmt.Errorf("%w: %w", errInvalidToken, err)
	}
	return caller{
		application: cmp.Or(claims.Client, claims.Party, o.cfg.Issuer),
		person:      []string{o.cfg.Issuer, token.Subject},
	}, nil
}
