package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

// proxied are two replicas behind one of the proxies that deploy has an example for.
type proxied struct {
	*world
	front    *replica // what the world reaches: it has only a url
	replicas []*replica
	dir      string // logs are there
}

// proxies start the example in front of the replicas.
var proxies = map[string]func(p *proxied, addr, certificate string){
	"nginx": startNginx,
	"caddy": startCaddy,
}

// TestProxies runs the examples of deploy with real proxies, of which FLEXBRIDGE_REQUIRE_PROXIES=1
// says that they must be there.
func TestProxies(t *testing.T) {
	for name, start := range proxies {
		t.Run(name, func(t *testing.T) {
			_, err := exec.LookPath(name)
			switch {
			case err == nil:
			case os.Getenv("FLEXBRIDGE_REQUIRE_PROXIES") == "1":
				t.Fatalf("FLEXBRIDGE_REQUIRE_PROXIES=1, but: %v", err)
			default:
				t.Skipf("needs %s: %v", name, err)
			}
			for title, test := range proxyTests {
				t.Run(title, func(t *testing.T) { test(newProxied(t, start)) })
			}
			t.Run("repeat no question that may have been said", func(t *testing.T) { repeatsNoQuestion(t, start) })
		})
	}
}

// newProxied starts two replicas with a PUBLIC_URL at the proxy, and the proxy.
func newProxied(t *testing.T, start func(p *proxied, addr, certificate string)) *proxied {
	certificate := trustedCertificate(t)
	p := &proxied{world: newWorld(t, storetest.StartRedis(t), flexsim.Config{}), dir: t.TempDir()}
	p.tune = append(p.tune, func(t *timings) { t.keepAlive = 20 * time.Millisecond })
	addr := freeAddr(t)
	p.front = &replica{url: "https://" + addr}
	for range 2 {
		p.replicas = append(p.replicas, p.start(p.front))
	}
	start(p, addr, certificate)
	p.answers()
	return p
}

// answers waits until the proxy does.
func (p *proxied) answers() {
	p.t.Helper()
	for late := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		res, err := http.Get(p.front.url + "/livez")
		if err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(late) {
			p.t.Fatalf("the proxy does not answer: %v, %v", res, err)
		}
	}
}

// trustedCertificate is a file with a certificate for 127.0.0.1 and its key. Clients
// of this process trust it, the pretend Twilio that is made next, too.
func trustedCertificate(t *testing.T) string {
	server := httptest.NewTLSServer(nil)
	server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	file := filepath.Join(t.TempDir(), "certificate.pem")
	err = errors.Join(
		pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}),
		pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		os.WriteFile(file, text.Bytes(), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	usual := http.DefaultTransport
	transport := usual.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	http.DefaultTransport = transport
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		http.DefaultTransport = usual
	})
	return file
}

func startNginx(p *proxied, addr, certificate string) {
	conf := replaced(p.t, "deploy/nginx.conf",
		"user www-data;", "user root;",
		"pid /run/nginx.pid;", "pid "+p.dir+"/pid;",
		"http {", fmt.Sprintf("http {\n"+
			"client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;", p.dir),
		"/var/log/nginx/error.log", p.dir+"/error.log",
		"/var/log/nginx/access.log", p.dir+"/access.log",
		"10.0.0.11:5002", strings.TrimPrefix(p.replicas[0].url, "http://"),
		"10.0.0.12:5002", strings.TrimPrefix(p.replicas[1].url, "http://"),
		"listen 80;", "listen "+freeAddr(p.t)+";",
		"listen 443 ssl;", "listen "+addr+" ssl;",
		"/etc/ssl/bridge.example.com.pem", certificate,
		"/etc/ssl/private/bridge.example.com.key", certificate,
	)
	file := filepath.Join(p.dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		p.t.Fatal(err)
	}
	beside(p.t, "nginx", "-c", file, "-g", "daemon off;")
}

func startCaddy(p *proxied, addr, certificate string) {
	conf := replaced(p.t, "deploy/Caddyfile",
		"\tservers {", "\tadmin off\n\tauto_https disable_redirects\n\tservers {",
		"{$PUBLIC_URL} {", "{$PUBLIC_URL} {\n\ttls "+certificate+" "+certificate,
		"output stdout", "output file "+p.dir+"/access.log",
	)
	file := filepath.Join(p.dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		p.t.Fatal(err)
	}
	upstreams := strings.TrimPrefix(p.replicas[0].url, "http://") + " " + strings.TrimPrefix(p.replicas[1].url, "http://")
	beside(p.t, "env", "XDG_DATA_HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir, "PUBLIC_URL=https://"+addr, "UPSTREAMS="+upstreams,
		"caddy", "run", "--adapter", "caddyfile", "--config", file)
}

// replaced is a file of the repository with what belongs to one place put in. All
// of that must be there.
func replaced(t *testing.T, name string, pairs ...string) string {
	t.Helper()
	text := readFile(t, name)
	for i := 0; i < len(pairs); i += 2 {
		if strings.Count(text, pairs[i]) != 1 {
			t.Fatalf("%s has %q %d times, want once", name, pairs[i], strings.Count(text, pairs[i]))
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// patience is what the examples say of time, by what they say it of.
var patience = map[string]*regexp.Regexp{
	"deploy/nginx.conf": regexp.MustCompile(`(?m)^\s*(worker_shutdown_timeout|proxy_read_timeout) (\w+);`),
	"deploy/Caddyfile":  regexp.MustCompile(`(?m)^\s*(grace_period|response_header_timeout) (\w+)$`),
}

func TestProxiesWaitLongEnough(t *testing.T) {
	for name, pattern := range patience {
		said := pattern.FindAllStringSubmatch(readFile(t, name), -1)
		if len(said) != 2 {
			t.Fatalf("%s says %q, want two times", name, said)
		}
		for _, m := range said {
			if d, err := time.ParseDuration(m[2]); err != nil || d < longestStop(t) {
				t.Errorf("%s: %s = %s, want %v or more", name, m[1], m[2], longestStop(t))
			}
		}
	}
}

// longestStop is how long a request may take, and so stopping, by default: the
// longest wait, and ten seconds for saying.
func longestStop(t *testing.T) (longest time.Duration) {
	t.Helper()
	for _, v := range variables() {
		if v.name == "WAIT" || v.name == "MCP_WAIT" {
			wait, err := time.ParseDuration(v.fallback)
			if err != nil {
				t.Fatal(err)
			}
			longest = max(longest, wait)
		}
	}
	return longest + 10*time.Second
}
