package api_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"flexbridge/api/oidctest"
)

const (
	accepted        = ""
	unauthenticated = "unauthenticated"
	invalidToken    = "invalid_token"
)

// credentials are a row of what callers may send, and the code of the refusal.
type credentials struct {
	authorization []string
	code          string
}

// wrongForms are refused wherever credentials are wanted.
func wrongForms(good string) map[string]credentials {
	return map[string]credentials{
		"none":                {nil, unauthenticated},
		"empty":               {[]string{""}, unauthenticated},
		"other scheme":        {[]string{"Basic " + base64.StdEncoding.EncodeToString([]byte("shop:"+good))}, unauthenticated},
		"no scheme":           {[]string{good}, unauthenticated},
		"scheme alone":        {[]string{"Bearer"}, unauthenticated},
		"scheme and space":    {[]string{"Bearer "}, unauthenticated},
		"two headers":         {[]string{"Bearer " + good, "Bearer " + good}, invalidToken},
		"a good one and none": {[]string{"Bearer " + good, ""}, invalidToken},
		"two in one":          {[]string{"Bearer " + good + ", Bearer " + good}, invalidToken},
		"something behind":    {[]string{"Bearer " + good + " x"}, invalidToken},
		"something wrong":     {[]string{"Bearer wrong"}, invalidToken},
		"not ASCII":           {[]string{"Bearer é"}, invalidToken},
		"one letter more":     {[]string{"Bearer a" + good}, invalidToken},
		"one letter less":     {[]string{"Bearer " + good[1:]}, invalidToken},
		"very long":           {[]string{"Bearer " + strings.Repeat("a", 20_000)}, invalidToken},
		"scheme in capitals":  {[]string{"BEARER " + good}, accepted},
		"spaces between":      {[]string{"Bearer   " + good}, accepted},
		"a good one":          {[]string{"Bearer " + good}, accepted},
	}
}

// wrongTokens are all that a token can be wrong in, and some that are right. Use
// them at once: a while later some are neither.
func wrongTokens(t *testing.T, p *oidctest.Provider) map[string]credentials {
	now := time.Now().Unix()
	sign := func(change map[string]any) string {
		claims := p.Claims("ana")
		for name, value := range change {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
		return p.Sign(t, claims)
	}
	rows := wrongForms(p.Token(t, "ana"))
	row := func(name, token, code string) { rows["token: "+name] = credentials{[]string{"Bearer " + token}, code} }
	row("as the provider makes them", sign(nil), accepted)
	row("of several audiences", sign(map[string]any{"aud": []string{"x", "other"}}), accepted)
	row("of one audience, as text", sign(map[string]any{"aud": audience}), accepted)
	row("expired within the skew", sign(map[string]any{"exp": now - 5}), accepted)
	row("valid soon, within the skew", sign(map[string]any{"nbf": now + 20}), accepted)
	row("without nbf", sign(map[string]any{"nbf": nil}), accepted)
	row("expired", sign(map[string]any{"exp": now - 40}), invalidToken)
	row("without exp", sign(map[string]any{"exp": nil}), invalidToken)
	row("with exp as text", sign(map[string]any{"exp": "tomorrow"}), invalidToken)
	row("not valid yet", sign(map[string]any{"nbf": now + 60}), invalidToken)
	row("of another audience", sign(map[string]any{"aud": "else"}), invalidToken)
	row("of no audience", sign(map[string]any{"aud": nil}), invalidToken)
	row("of another issuer", sign(map[string]any{"iss": "https://login.example.com"}), invalidToken)
	row("of the issuer with a slash", sign(map[string]any{"iss": p.Issuer + "/"}), invalidToken)
	row("of no issuer", sign(map[string]any{"iss": nil}), invalidToken)
	row("without a subject", sign(map[string]any{"sub": nil}), invalidToken)
	row("of an empty subject", sign(map[string]any{"sub": ""}), invalidToken)
	row("of a subject that is no text", sign(map[string]any{"sub": 7}), invalidToken)
	row("of a client that is no text", sign(map[string]any{"client_id": 7}), invalidToken)

	good := strings.Split(sign(nil), ".")
	row("of two parts", good[0]+"."+good[1], invalidToken)
	row("of four parts", strings.Join(good, ".")+".x", invalidToken)
	row("without its signature", good[0]+"."+good[1]+".", invalidToken)
	other := strings.Split(sign(map[string]any{"sub": "bea"}), ".")
	row("with another's claims", good[0]+"."+other[1]+"."+good[2], invalidToken)
	encode := base64.RawURLEncoding.EncodeToString
	row("without a signature, and saying so", encode([]byte(`{"alg":"none"}`))+"."+good[1]+".", invalidToken)

	// What goes wrong when the header is believed: the public key as a secret.
	public, id := p.PublicKey()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: public, KeyID: id, Algorithm: "ES256", Use: "sig"})
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string][]byte{"DER": der, "JWK": jwk} {
		row("signed with HMAC by the public key, "+name, oidctest.Sign(t, jose.SigningKey{Algorithm: jose.HS256, Key: secret}, id, p.Claims("ana")), invalidToken)
	}
	stranger := oidctest.Start(t, audience)
	row("signed by a stranger's key of the same id", stranger.Sign(t, p.Claims("ana")), invalidToken)
	row("made by a stranger", stranger.Token(t, "ana"), invalidToken)
	return rows
}
