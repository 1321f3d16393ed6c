package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"flexbridge/bridge/flex"
	"flexbridge/bridge/flex/flexsim"
	"flexbridge/deploy"
)

// certificate is what the front shows, and who trusts it.
type certificate struct {
	pair  *x509.Certificate
	key   any
	roots *x509.CertPool
}

// ailment is a way in which a set-up can be broken.
type ailment struct {
	name   string
	check  string  // the one that must find it; empty: none
	status outcome // that it must come to
	change func(*patient)
}

func set(name, value string) func(*patient) {
	return func(p *patient) { p.environ[name] = value }
}

const (
	otherFlow = "FWffffffffffffffffffffffffffffffff"
	hookPath  = "/twilio/webhook"
)

// flowOf puts a flow into the account and names it in the environment.
func flowOf(status, definition string) func(*patient) {
	return func(p *patient) { p.environ["TWILIO_FLOW_SID"] = p.twilio.AddFlow("mine", status, definition) }
}

const emptyFlow = `{"description":"","initial_state":"Trigger","flags":{"allow_concurrent_calls":true},"states":[
{"name":"Trigger","type":"trigger","properties":{"offset":{"x":0,"y":0}},"transitions":[{"event":"incomingConversationMessage"}]}]}`

var flowToFlex = func() string {
	text, err := json.Marshal(deploy.StudioFlow(flexsim.WorkflowSID, flexsim.TaskChannelSID))
	if err != nil {
		panic(err)
	}
	return string(text)
}()

// serviceHook sets the service's webhook once the public address is known.
func serviceHook(scope string, global bool, hook flexsim.ServiceHook) func(*patient) {
	return func(p *patient) {
		p.environ["WEBHOOK_SCOPE"] = scope
		p.service = func(c *Config) {
			h := hook
			h.URL = strings.ReplaceAll(h.URL, "%PUBLIC%", c.PublicURL)
			h.PreURL = strings.ReplaceAll(h.PreURL, "%PUBLIC%", c.PublicURL)
			if global {
				p.twilio.SetGlobalHook(h)
			} else {
				p.twilio.SetServiceHook(h)
			}
			c.WebhookScope = scope
		}
	}
}

const ourHook = "%PUBLIC%" + hookPath

// before is a proxy that does something with each request.
func before(change func(w http.ResponseWriter, r *http.Request) (passOn bool)) func(*patient) {
	return func(p *patient) {
		p.proxy = func(service http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if change(w, r) {
					service.ServeHTTP(w, r)
				}
			})
		}
	}
}

func answering(path string, status int, header ...string) func(*patient) {
	return before(func(w http.ResponseWriter, r *http.Request) bool {
		if path != "" && r.URL.Path != path {
			return true
		}
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		return false
	})
}

// stale serves the description of a service that is set up as we are, whatever
// the real one says of itself.
func stale(public func(string) string) func(*patient) {
	return func(p *patient) {
		here := ""
		p.service = func(c *Config) { here, c.PublicURL = c.PublicURL, public(c.PublicURL) }
		p.proxy = func(service http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/openapi.yaml" {
					service.ServeHTTP(w, r)
					return
				}
				_, _ = w.Write([]byte("info:\n  title: Flexbridge\n  version: \"old\"\nservers:\n  - url: \"" + here + "\"\n"))
			})
		}
	}
}

// certified gives the front a certificate.
func certified(host string, from, until time.Time, trusted bool) func(*patient) {
	return func(p *patient) { p.tls = newCertificate(host, from, until, trusted) }
}

func newCertificate(host string, from, until time.Time, trusted bool) *certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test"}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	pair, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	c := &certificate{pair: pair, key: key, roots: x509.NewCertPool()}
	if trusted {
		c.roots.AddCert(pair)
	}
	return c
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{c.pair.Raw}, PrivateKey: c.key}}}
}

func years(n int) time.Time { return time.Now().AddDate(n, 0, 0) }

// setting changes the Redis that all cases share, until the case ends.
func setting(name, value string) func(*patient) {
	return func(p *patient) {
		was := p.redis.Do("CONFIG", "GET", name).([]any)[1]
		p.redis.Do("CONFIG", "SET", name, value)
		p.t.Cleanup(func() { p.redis.Do("CONFIG", "SET", name, was) })
	}
}

// throughRelay lets the doctor reach Redis through something that changes what
// Redis says.
func throughRelay(change func([]byte) []byte) func(*patient) {
	return func(p *patient) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			p.t.Fatal(err)
		}
		p.environ["REDIS_URL"] = "redis://" + listener.Addr().String()
		var relays sync.WaitGroup
		relays.Go(func() {
			for {
				in, err := listener.Accept()
				if err != nil {
					return
				}
				relays.Go(func() { relay(in, p.redis.Addr, change) })
			}
		})
		p.t.Cleanup(func() {
			_ = listener.Close()
			relays.Wait()
		})
	}
}

func relay(in net.Conn, addr string, change func([]byte) []byte) {
	defer in.Close()
	out, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		_, _ = io.Copy(out, in)
		_ = out.Close() // which ends the loop below
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := out.Read(buffer)
		if err != nil {
			return
		}
		if _, err := in.Write(change(buffer[:n])); err != nil {
			return
		}
	}
}

// both makes several changes.
func both(all ...func(*patient)) func(*patient) {
	return func(p *patient) {
		for _, f := range all {
			f(p)
		}
	}
}

var ailments = []ailment{
	{"healthy", "", fine, func(*patient) {}},
	{"healthy with API key", "", fine, both(set("TWILIO_API_KEY", testKey), set("TWILIO_API_SECRET", "keysecret"))},
	{"healthy over TLS", "", fine, certified("127.0.0.1", years(-1), years(1), true)},
	{"healthy below a path", "", fine, func(p *patient) { p.path = "/bridge" }},
	{"healthy in console scope", "", fine, serviceHook("console", false, flexsim.ServiceHook{URL: ourHook, Filters: flex.Events()})},

	{"configuration", "configuration", wrong, both(set("IDENTITY_SECRET", "hunter2"), set("MAX_PARKED", "hunter2"), set("LOG_FORMAT", "hunter2"))},
	{"wait for GPT Actions", "wait", warned, set("WAIT", "45s")},
	{"wait for ChatGPT", "wait", warned, set("MCP_WAIT", "60s")},
	{"wait for both", "wait", warned, both(set("WAIT", "2m"), set("MCP_WAIT", "2m"))},

	{"auth token", "auth token", wrong, set("TWILIO_AUTH_TOKEN", "hunter2")},
	{"account of another token", "auth token", wrong, set("TWILIO_ACCOUNT_SID", "ACffffffffffffffffffffffffffffffff")},
	{"account suspended", "auth token", wrong, func(p *patient) { p.twilio.SetStatus("suspended") }},
	{"API key", "API key", wrong, both(set("TWILIO_API_KEY", testKey), set("TWILIO_API_SECRET", "hunter2"))},
	{"API key of another account", "API key", wrong, both(set("TWILIO_API_KEY", testKey), set("TWILIO_API_SECRET", "keysecret"), func(p *patient) {
		p.rest = func(twilio http.Handler) http.Handler {
			other := flexsim.New(flexsim.Config{AccountSID: "ACffffffffffffffffffffffffffffffff", APIKey: testKey, APISecret: "keysecret"})
			p.t.Cleanup(other.Close)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if user, _, _ := r.BasicAuth(); user == testKey {
					other.ServeHTTP(w, r)
					return
				}
				twilio.ServeHTTP(w, r)
			})
		}
	})},
	{"Twilio down", "auth token", unchecked, func(p *patient) { p.twilio.Break(flexsim.AnyOp, -1, flexsim.Fault{Status: 503, HTML: true}) }},
	{"clock", "clock", warned, func(p *patient) {
		p.rest = func(twilio http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
				twilio.ServeHTTP(w, r)
			})
		}
	}},
	{"service", "service", wrong, set("TWILIO_SERVICE_SID", "ISffffffffffffffffffffffffffffffff")},

	{"flow missing", "flow", wrong, set("TWILIO_FLOW_SID", otherFlow)},
	{"flow with a newer draft", "", fine, both(flowOf(flexsim.Published, flowToFlex), func(p *patient) {
		form := url.Values{"Status": {flexsim.Draft}, "Definition": {emptyFlow}}
		r := httptest.NewRequest("POST", "/v2/Flows/"+p.environ["TWILIO_FLOW_SID"], strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(flexsim.AccountSID, flexsim.AuthToken)
		w := httptest.NewRecorder()
		if p.twilio.ServeHTTP(w, r); w.Code != http.StatusOK {
			p.t.Fatalf("saving a draft = %d %s", w.Code, w.Body)
		}
	})},
	{"flow draft", "flow", wrong, flowOf(flexsim.Draft, emptyFlow)},
	{"flow invalid", "flow", wrong, flowOf(flexsim.Published, `{"states":[]}`)},
	{"flow without trigger", "flow", wrong, flowOf(flexsim.Published, emptyFlow)},
	{"workflow", "workflow", wrong, func(p *patient) {
		p.twilio.SetWorkspaces(flexsim.Workspace{SID: "WS1", Workflows: []flexsim.Resource{{SID: "WW2"}}})
	}},
	{"task channel", "workflow", wrong, func(p *patient) {
		p.twilio.SetWorkspaces(flexsim.Workspace{SID: "WS1", Name: "Mine", Workflows: []flexsim.Resource{{SID: flexsim.WorkflowSID}}})
	}},

	{"console without webhook", "webhook settings", wrong, serviceHook("console", false, flexsim.ServiceHook{})},
	{"console with another webhook", "webhook settings", wrong, serviceHook("console", false, flexsim.ServiceHook{URL: "https://other.example.com/?hunter2", Filters: flex.Events()})},
	{"console with GET", "webhook settings", wrong, serviceHook("console", false, flexsim.ServiceHook{URL: ourHook, Method: "GET", Filters: flex.Events()})},
	{"console without filter", "webhook settings", wrong, serviceHook("console", false, flexsim.ServiceHook{URL: ourHook, Filters: flex.Events()[:2]})},
	{"console as pre hook", "webhook settings", wrong, serviceHook("console", false, flexsim.ServiceHook{URL: ourHook, PreURL: ourHook, Filters: flex.Events()})},
	{"console silences the account", "webhook settings", warned, both(func(p *patient) {
		p.twilio.SetGlobalHook(flexsim.ServiceHook{URL: "https://other.example.com"})
	}, serviceHook("console", false, flexsim.ServiceHook{URL: ourHook, Filters: flex.Events()}))},
	{"doubles from the service", "webhook settings", wrong, serviceHook("conversation", false, flexsim.ServiceHook{URL: ourHook})},
	{"doubles from the account", "webhook settings", wrong, serviceHook("conversation", true, flexsim.ServiceHook{URL: ourHook + "?a=b"})},

	{"name unknown", "address", wrong, both(set("PUBLIC_URL", "https://bridge.invalid"), func(p *patient) {
		p.later = func(d *doctor) {
			d.lookup = func(context.Context, string) ([]string, error) { return nil, &net.DNSError{IsNotFound: true} }
		}
	})},
	{"name server down", "address", unchecked, both(set("PUBLIC_URL", "https://bridge.invalid"), func(p *patient) {
		p.later = func(d *doctor) {
			d.lookup = func(context.Context, string) ([]string, error) { return nil, &net.DNSError{IsTemporary: true} }
		}
	})},
	{"certificate expired", "certificate", wrong, certified("127.0.0.1", years(-2), time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC), true)},
	{"certificate from the future", "certificate", wrong, certified("127.0.0.1", time.Date(2120, 1, 2, 0, 0, 0, 0, time.UTC), years(200), true)},
	{"certificate self-signed", "certificate", wrong, certified("127.0.0.1", years(-1), years(1), false)},
	{"certificate of another", "certificate", wrong, certified("other.example.com", years(-1), years(1), true)},
	{"certificate expires soon", "certificate", warned, certified("127.0.0.1", years(-1), time.Now().Add(72*time.Hour), true)},
	{"no TLS", "certificate", wrong, func(p *patient) {
		p.later = func(d *doctor) { d.config.PublicURL = strings.Replace(d.config.PublicURL, "http:", "https:", 1) }
	}},
	{"nothing listens", "public URL", wrong, set("PUBLIC_URL", "http://127.0.0.1:1")},
	{"hangs", "public URL", wrong, both(before(func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return false
	}), func(p *patient) {
		p.later = func(d *doctor) { d.limit = 3 * time.Second }
	})},
	{"bad gateway", "public URL", wrong, answering("", http.StatusBadGateway)},
	{"redirect", "public URL", wrong, answering("", http.StatusMovedPermanently, "Location", "https://other.example.com/")},
	{"something else", "public URL", wrong, answering("", http.StatusOK)},
	{"path kept", "public URL", wrong, func(p *patient) {
		p.path = "/bridge"
		p.proxy = func(service http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.URL.Path = "/bridge" + r.URL.Path
				service.ServeHTTP(w, r)
			})
		}
	}},

	{"proxy strips the path", "unsigned webhook", wrong, before(func(_ http.ResponseWriter, r *http.Request) bool {
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/twilio")
		return true
	})},
	{"proxy adds a query", "signed webhook", wrong, before(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.RawQuery != "" {
			r.URL.RawQuery += "&via=proxy"
		}
		return true
	})},
	{"proxy drops the query", "signed webhook", wrong, before(func(_ http.ResponseWriter, r *http.Request) bool {
		r.URL.RawQuery = ""
		return true
	})},
	{"proxy drops the signature", "signed webhook", wrong, before(func(_ http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("X-Twilio-Signature")
		return true
	})},
	{"proxy refuses posts", "signed webhook", wrong, before(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-Twilio-Signature") == "" {
			return true
		}
		w.WriteHeader(http.StatusMethodNotAllowed)
		return false
	})},
	{"proxy answers for us", "unsigned webhook", wrong, answering(hookPath, http.StatusNoContent)},
	{"service observes", "unsigned webhook", wrong, func(p *patient) {
		p.service = func(c *Config) { c.WebhookVerify = "observe" }
	}},
	{"service with another token", "signed webhook", wrong, func(p *patient) {
		p.service = func(c *Config) { c.AuthToken = "anothertoken" }
	}},
	{"service with the next token", "signed webhook", wrong, both(set("TWILIO_AUTH_TOKEN_SECONDARY", "nexttoken"), func(p *patient) {
		p.service = func(c *Config) { c.AuthToken = "nexttoken" }
	})},
	{"service of another account", "signed webhook", wrong, func(p *patient) {
		p.service = func(c *Config) { c.AccountSID = "ACffffffffffffffffffffffffffffffff" }
	}},
	{"service with another PUBLIC_URL", "signed webhook", wrong, func(p *patient) {
		p.service = func(c *Config) { c.PublicURL = "https://old.example.com" }
	}},
	{"service with another scheme", "signed webhook", wrong, stale(func(u string) string { return strings.Replace(u, "http:", "https:", 1) })},
	{"service without the port", "signed webhook", wrong, stale(func(u string) string {
		parsed, _ := url.Parse(u)
		parsed.Host = parsed.Hostname()
		return parsed.String()
	})},
	{"service without the path", "signed webhook", wrong, both(func(p *patient) { p.path = "/bridge" },
		stale(func(u string) string { return strings.TrimSuffix(u, "/bridge") }))},
	{"another version", "version", warned, stale(func(u string) string { return u })},

	{"redis empty", "redis", warned, set("REDIS_URL", "")},
	{"redis down", "redis", wrong, set("REDIS_URL", "redis://:hunter2@127.0.0.1:1")},
	{"redis password", "redis", wrong, func(p *patient) { p.environ["REDIS_URL"] = "redis://nobody:hunter2@" + p.redis.Addr }},
	{"redis permissions", "redis", wrong, func(p *patient) {
		p.redis.Do("ACL", "SETUSER", "limited", "on", ">hunter2", "~*", "&*", "+@all", "-get")
		p.environ["REDIS_URL"] = "redis://limited:hunter2@" + p.redis.Addr
	}},
	{"redis without channels", "redis", wrong, func(p *patient) {
		p.redis.Do("ACL", "SETUSER", "deaf", "on", ">hunter2", "~*", "+@all")
		p.environ["REDIS_URL"] = "redis://deaf:hunter2@" + p.redis.Addr
	}},
	{"redis without scripts", "redis", wrong, func(p *patient) {
		p.redis.Do("ACL", "SETUSER", "plain", "on", ">hunter2", "~*", "&*", "+@all", "-@scripting")
		p.environ["REDIS_URL"] = "redis://plain:hunter2@" + p.redis.Addr
	}},
	{"redis evicts", "redis eviction", wrong, setting("maxmemory-policy", "allkeys-lru")},
	{"redis forgets", "redis persistence", warned, setting("appendonly", "no")},
	{"redis full", "redis memory", warned, setting("maxmemory", "1mb")},
	{"redis slow", "redis latency", warned, both(throughRelay(func(b []byte) []byte {
		<-time.After(slowRedis + time.Millisecond)
		return b
	}), func(p *patient) {
		p.later = func(d *doctor) { d.slow = slowRedis }
	})},
	{"redis URL", "redis", wrong, set("REDIS_URL", "https://:hunter2@redis.example.com")},
	{"redis of another secret", "identity secret", warned, set("IDENTITY_SECRET", strings.Repeat("hunter2", 5))},
	{"redis old", "redis", wrong, throughRelay(func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte("redis_version:7."), []byte("redis_version:6."))
	})},
}
