package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"flexbridge/store/storetest"
)

// nchanConf is nginx with nchan (nchan.io): long polls on channels that live in
// Redis. Everything that matters is as nginx and nchan have it by default.
const nchanConf = `
load_module %[1]s/ngx_nchan_module.so;
daemon off;
user %[2]s;
pid %[3]s/pid;
error_log %[3]s/error.log;
worker_processes auto;
events { worker_connections %[4]d; }
http {
	access_log %[3]s/access.log;
	client_body_temp_path %[3]s/1; proxy_temp_path %[3]s/2; fastcgi_temp_path %[3]s/3;
	uwsgi_temp_path %[3]s/4; scgi_temp_path %[3]s/5;
	keepalive_requests 1000000;
	keepalive_timeout 300;
	nchan_shared_memory_size 512M;
	upstream redis { nchan_redis_server %[5]s; }
	server {
		listen %[6]s backlog=4096;
		location = /sub {
			nchan_subscriber longpoll;
			nchan_channel_id $arg_id;
			nchan_redis_pass redis;
			nchan_subscriber_first_message oldest;
		}
		location = /pub {
			nchan_publisher http;
			nchan_channel_id $arg_id;
			nchan_redis_pass redis;
			nchan_message_timeout 1h;
		}
	}
}
`

var modulesPath = regexp.MustCompile(`--modules-path=(\S+)`)

// findNchan tells why there is no nginx with nchan.
func findNchan() error { _, err := nchanModules(); return err }

// nchanModules is where nginx has the module.
func nchanModules() (string, error) {
	text, err := exec.Command("nginx", "-V").CombinedOutput()
	if err != nil {
		return "", err
	}
	m := modulesPath.FindSubmatch(text)
	if m == nil {
		return "", errors.New("nginx -V does not tell where modules are")
	}
	_, err = os.Stat(filepath.Join(string(m[1]), "ngx_nchan_module.so"))
	return string(m[1]), err
}

// startNchan starts nginx and a Redis for so many long polls. Nobody asks a question
// there, so that loop is like poll, and echo is left out.
func startNchan(t *testing.T, s scenario) *system {
	if s.kind == "echo" {
		t.Skip("nothing tells nchan of a question")
	}
	redis, dir := storetest.StartRedis(t), t.TempDir()
	modules, err1 := nchanModules()
	me, err2 := user.Current()
	free, err3 := net.Listen("tcp", "127.0.0.1:0")
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	sys := &system{t: t, name: "nchan", addr: free.Addr().String(), redis: redis,
		calls: func() int64 { return 0 }, profile: func(bool) {}}
	free.Close()
	conf := fmt.Sprintf(nchanConf, modules, me.Username, dir, s.callers+4*loadHooks, redis.URL, sys.addr)
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	sys.service = runNginx(t, dir, sys.addr)
	for i := range s.callers {
		sys.callers = append(sys.callers, &poller{channel: fmt.Sprintf("load%d", i)})
	}
	return sys
}

// runNginx returns the master's and the workers' process IDs, once they work.
func runNginx(t *testing.T, dir, addr string) []int {
	master := beside(t, "nginx", "-c", filepath.Join(dir, "conf"))
	for late := time.Now().Add(10 * time.Second); !nginxWorks(addr); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("nginx does not start")
		}
	}
	pids := []int{master}
	for _, worker := range strings.Fields(procFile(t, master, fmt.Sprintf("task/%d/children", master))) {
		pid, _ := strconv.Atoi(worker)
		pids = append(pids, pid)
	}
	return pids
}

// beside runs a program until the test's end, and returns its process ID. A shell
// ends it when we die without a cleanup: its end of the pipe closes then.
func beside(t *testing.T, program ...string) (pid int) {
	cmd := exec.Command("sh", append([]string{"-c", `"$@" >&2 & echo $!; read _; kill $!; wait $!`, "sh"}, program...)...)
	cmd.Stderr = t.Output()
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // its status is that of a process that was ended
	})
	if _, err := fmt.Fscan(stdout, &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// nginxWorks reports whether every worker is connected to Redis: so many
// connections come to all of them.
func nginxWorks(addr string) bool {
	for i := range loadHooks {
		conn, err := dialLine(addr, i)
		if err == nil {
			_, _ = conn.Write(request("/pub?id=ready", "text/plain", "", "ready?"))
			_, err = conn.answer()
			conn.Close()
		}
		if err != nil {
			return false
		}
	}
	return true
}

// poller is one long poll after the other on a channel of its own. As the cursor
// does, two headers tell what it has seen.
type poller struct {
	channel        string
	modified, etag string
	n              int
}

func (p *poller) ask() []byte {
	if p.etag == "" {
		return fmt.Appendf(nil, "GET /sub?id=%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", p.channel)
	}
	return fmt.Appendf(nil, "GET /sub?id=%s HTTP/1.1\r\nHost: 127.0.0.1\r\nIf-Modified-Since: %s\r\nIf-None-Match: %s\r\n\r\n",
		p.channel, p.modified, p.etag)
}

// asked: a message that comes before its poll is kept for it.
func (p *poller) asked() error { return nil }

func (p *poller) reply() [][]byte {
	p.n++
	return [][]byte{request("/pub?id="+p.channel, "text/plain", "", p.text())}
}

func (p *poller) text() string { return fmt.Sprintf("Yes, until noon (%d).", p.n) }

func (p *poller) answered(answer []byte) error {
	head, body, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
	if string(body) != p.text() {
		return fmt.Errorf("%s got %q, want %q", p.channel, answer, p.text())
	}
	p.modified, p.etag = headerOf(head, "Last-Modified"), headerOf(head, "Etag")
	return nil
}
