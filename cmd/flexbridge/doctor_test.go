package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbridge/bridge"
	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// patient is a running service with everything around it, as it should be. What
// a case changes is changed before the doctor comes.
type patient struct {
	t       *testing.T
	redis   *storetest.Server
	service func(*Config) // of the service that runs

	route   string            // of the service and of the doctor
	environ map[string]string // of the doctor, in which %PUBLIC% is the front's address
	proxy   func(service http.Handler) http.Handler
	tls     *certificate // of the front; nil: http
	path    string       // of PUBLIC_URL; the front takes it away
	twilio  *flexsim.Sim
	rest    func(http.Handler) http.Handler // around Twilio
	later   func(*doctor)
}

func newPatient(t *testing.T, redis *storetest.Server) *patient {
	return &patient{t: t, redis: redis, route: "studio", environ: map[string]string{}, service: func(*Config) {},
		proxy: func(h http.Handler) http.Handler { return h }, rest: func(h http.Handler) http.Handler { return h },
		later: func(*doctor) {}}
}

// examined builds everything and lets the doctor look at it.
func (p *patient) examined(change func(*patient)) report {
	p.t.Helper()
	// The simulator is there before the case, which may change what is in it.
	p.twilio = flexsim.New(flexsim.Config{APIKey: testKey, APISecret: "keysecret"})
	change(p)
	rest := httptest.NewServer(p.rest(p.twilio))
	p.t.Cleanup(func() { p.twilio.Close(); rest.Close() })

	var handler http.Handler
	ready := make(chan struct{})
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-ready
		handler.ServeHTTP(w, r)
	}))
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	if p.tls != nil {
		front.TLS = p.tls.config()
		front.StartTLS()
	} else {
		front.Start()
	}
	p.t.Cleanup(front.Close)

	public := front.URL + p.path
	c := testConfig(public)
	routes[p.route](&c)
	values := environ(c)
	c.APIURL, c.RedisURL = rest.URL, Secret(p.redis.URL)
	p.service(&c)
	handler = http.StripPrefix(p.path, p.proxy(p.serve(c)))
	close(ready)

	delete(values, "OPS_ADDR")
	values["TWILIO_API_URL"], values["REDIS_URL"] = rest.URL, p.redis.URL
	for name, value := range p.environ {
		values[name] = strings.ReplaceAll(value, "%PUBLIC%", public)
	}
	setEnviron(p.t, values)
	d := newDoctor()
	d.slow = time.Second // or a busy machine would be an ailment
	if p.tls != nil {
		d.roots = p.tls.roots
	}
	p.later(d)
	return d.examine(p.t.Context())
}

// serve runs the service and returns the way to it.
func (p *patient) serve(c Config) http.Handler {
	p.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	o := &operator{world: &world{t: p.t, twilio: p.twilio}}
	o.serve(c, listener)
	target := &url.URL{Scheme: "http", Host: listener.Addr().String()}
	transport := &http.Transport{}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
}

var testKey = "SK" + strings.Repeat("0", 32)

// unsteady is what differs from one run to the next.
var unsteady = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST"},
	{regexp.MustCompile(`\d+ MB`), "N MB"},
	{regexp.MustCompile(`pings took [0-9.]+[µm]?s`), "pings took N"},
	{regexp.MustCompile(`version [0-9.]+\b`), "version N"},
	{regexp.MustCompile(`(until|expires on) \d{4}-\d\d-\d\d`), "$1 DATE"},
	{regexp.MustCompile(`read tcp .*`), "read: …"},
}

func steady(text string) string {
	for _, u := range unsteady {
		text = u.pattern.ReplaceAllString(text, u.instead)
	}
	return text
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "doctor", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("the doctor says (%v)\n%s\nwant, from %s,\n%s", err, got, path, want)
	}
}

// Each fault is found by its own check, and no other check finds one.
func TestDoctor(t *testing.T) {
	redis := storetest.StartRedis(t)
	keys, err := bridge.NewKeyring([]byte(testConfig("").IdentitySecret))
	if err != nil {
		t.Fatal(err)
	}
	usual := keys.Fingerprint()
	redis.Do("SET", "flexbridge:identity", usual) // as each service does, a little after its start
	for _, a := range slices.Concat(ailments, routeAilments, signInAilments) {
		t.Run(strings.ReplaceAll(a.name, " ", "_"), func(t *testing.T) {
			r := newPatient(t, redis).examined(a.change)
			var text, object bytes.Buffer
			if err := r.writeText(&text); err != nil {
				t.Fatal(err)
			}
			if err := r.writeJSON(&object); err != nil {
				t.Fatal(err)
			}
			golden(t, strings.ReplaceAll(a.name, " ", "_"), steady(text.String()))
			for _, secret := range []string{flexsim.AuthToken, "keysecret", "hunter2", strings.Repeat("s", 32)} {
				if strings.Contains(text.String()+object.String(), secret) {
					t.Errorf("the doctor tells a secret, %q:\n%s", secret, &text)
				}
			}
			for _, f := range r.Checks {
				switch {
				case f.Name == a.check && f.Status != a.status:
					t.Errorf("%s is %s, want %s", f.Name, f.Status, a.status)
				case f.Name != a.check && (f.Status == wrong || f.Status == warned):
					t.Errorf("%s is %s: %s; want nothing there", f.Name, f.Status, f.Text)
				case f.Status != fine && f.Status != unchecked && f.Do == "":
					t.Errorf("%s does not say what to do", f.Name)
				}
			}
			a.exits(t, r)
			if now := redis.Do("GET", "flexbridge:identity"); now != usual {
				t.Errorf("the fingerprint in Redis is %v, want that of the service, %v", now, usual)
			}
		})
	}
}

func (a ailment) exits(t *testing.T, r report) {
	t.Helper()
	want := map[outcome]error{fine: nil, warned: nil, "": nil, wrong: exitCode(1), unchecked: exitCode(2)}[a.status]
	if err := r.exit(); err != want {
		t.Errorf("exit is %v, want %v", err, want)
	}
}

// A service that acknowledges every webhook does not tell whether it would accept it.
func TestDoctorOfObserving(t *testing.T) {
	r := newPatient(t, storetest.StartRedis(t)).examined(func(p *patient) {
		p.environ["WEBHOOK_VERIFY"] = "observe"
		p.service = func(c *Config) { c.WebhookVerify = "observe" }
	})
	status := make(map[string]outcome)
	for _, f := range r.Checks {
		status[f.Name] = f.Status
	}
	if status["unsigned webhook"] != warned || status["signed webhook"] != unchecked || r.exit() != exitCode(2) {
		t.Errorf("the doctor finds %v, %v", status, r.exit())
	}
}

func TestDoctorCommand(t *testing.T) {
	setEnviron(t, map[string]string{"PUBLIC_URL": "hunter2"})
	var out bytes.Buffer
	c := command()
	c.Writer = &out
	err := c.Run(t.Context(), []string{"flexbridge", "doctor", "--json"})
	if err != exitCode(1) {
		t.Errorf("doctor of an empty environment = %v, want exit code 1", err)
	}
	var r report
	decoder := json.NewDecoder(&out)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil || r.Result != wrong || len(r.Checks) != len(checks) || r.Version != version() {
		t.Errorf("report = %+v, %v", r, err)
	}
	for i, c := range checks {
		if r.Checks[i].Name != c.name {
			t.Errorf("check %d is %q, want %q", i, r.Checks[i].Name, c.name)
		}
	}
}

// main ends with the doctor's exit code, and says nothing more.
func TestDoctorExits(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{processVariable + "=doctor"}
	stdin, err := cmd.StdinPipe() // open until the end, see beProcess
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if cmd.ProcessState.ExitCode() != 1 || !strings.HasPrefix(string(out), "wrong") || stderr.Len() > 0 {
		t.Errorf("doctor of no environment = %v, %q, %s", err, &stderr, out)
	}
}

// The longest chain of checks that hang one after the other ends in time.
func TestDoctorEndsInTime(t *testing.T) {
	deepest := make(map[string]int)
	for _, c := range checks { // each stands after those that it needs
		depth := 0
		for _, need := range newDoctor().needs(c) {
			depth = max(depth, deepest[need])
		}
		deepest[c.name] = depth + 1
	}
	longest := 0
	for _, n := range deepest {
		longest = max(longest, n)
	}
	// version only compares.
	if all := time.Duration(longest-1) * newDoctor().limit; all > 30*time.Second {
		t.Errorf("the doctor may take %v, want at most 30s", all)
	}
}
