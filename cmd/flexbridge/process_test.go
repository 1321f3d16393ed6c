package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// processVariable makes this test binary be flexbridge, with these arguments.
const processVariable = "FLEXBRIDGE_TEST_PROCESS"

// beProcess is main, and ends when who started it has ended.
func beProcess() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	profileAsTold()
	logElsewhere()
	os.Args = append([]string{"flexbridge"}, strings.Fields(os.Getenv(processVariable))...)
	main()
	os.Exit(0)
}

// process is a replica in a process of its own: only that can be killed.
type process struct {
	*replica
	cmd    *exec.Cmd
	logged chan string // what its log lines say, until nobody listens
	err    error       // of its end
}

// startProcess runs the service behind the front.
func (w *world) startProcess(f *front, change ...func(*Config)) *process {
	w.t.Helper()
	c := testConfig(f.URL)
	c.APIURL, c.RedisURL, c.LogFormat = w.rest.URL, w.redisAt(), "json"
	for _, f := range change {
		f(&c)
	}
	p := &process{cmd: exec.Command(os.Args[0]), logged: make(chan string, 1000)}
	p.cmd.Env = append(os.Environ(), processVariable+"=serve", "GORACE=halt_on_error=1")
	for name, value := range environ(c) {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	log, err := p.cmd.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	address, stopped := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(stopped)
		defer stdin.Close()
		p.read(w.t, log, address)
		p.err = p.cmd.Wait()
	}()
	p.replica = &replica{stopped: stopped}
	p.stop = func() error {
		p.signal(syscall.SIGTERM)
		<-stopped
		return p.err
	}
	w.t.Cleanup(p.kill)
	select {
	case a := <-address:
		p.url = "http://" + a
	case <-stopped:
		w.t.Fatalf("the process does not start: %v", p.err)
	}
	return p
}

// environ is the one that a configuration is read from.
func environ(c Config) map[string]string {
	return map[string]string{
		"LISTEN_ADDR": c.ListenAddr, "OPS_ADDR": "127.0.0.1:0", "PUBLIC_URL": c.PublicURL,
		"REDIS_URL":          string(c.RedisURL),
		"TWILIO_ACCOUNT_SID": c.AccountSID, "TWILIO_AUTH_TOKEN": string(c.AuthToken),
		"TWILIO_FLOW_SID": c.FlowSID, "TWILIO_WORKSPACE_SID": c.WorkspaceSID, "TWILIO_WORKFLOW_SID": c.WorkflowSID,
		"TWILIO_API_URL":  c.APIURL,
		"IDENTITY_SECRET": string(c.IdentitySecret), "AUTH_MODE": "none",
		"MEDIA_LINKS": c.MediaLinks.String(), "DRAIN_DELAY": c.DrainDelay.String(),
		"WAIT": c.Wait.String(), "MCP_WAIT": c.MCPWait.String(), "MAX_PARKED": fmt.Sprint(c.MaxParked),
		"LOOKS_PER_SECOND": fmt.Sprint(c.LooksPerSecond), "LOG_FORMAT": c.LogFormat,
		"QUESTIONS_PER_CUSTOMER": fmt.Sprint(c.QuestionsPerCustomer), "QUESTIONS_PER_CALLER": fmt.Sprint(c.QuestionsPerCaller),
	}
}

// read passes the log on, and the address that is served.
func (p *process) read(t *testing.T, log io.Reader, address chan<- string) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Msg, Level, Address string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Level != "INFO" {
			fmt.Fprintf(t.Output(), "%d: %s\n", p.cmd.Process.Pid, lines.Text())
		}
		if line.Msg == "serving" {
			address <- line.Address
		}
		select {
		case p.logged <- line.Msg:
		default:
		}
	}
}

func (p *process) signal(s os.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		panic(err)
	}
}

// kill ends the process as a crash would.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.stopped
}

// says waits until the process has logged this message.
func (p *process) says(t *testing.T, message string) {
	t.Helper()
	for {
		select {
		case said := <-p.logged:
			if said == message {
				return
			}
		case <-p.stopped:
			t.Fatalf("the process ended before it said %q: %v", message, p.err)
		}
	}
}
