package check

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// stages are those of deploy/Dockerfile: one that builds, and the image.
func stages(t testing.TB) (build, image instructions.Stage) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil || len(all) != 2 {
		t.Fatalf("deploy/Dockerfile has %d stages, %v, want 2", len(all), err)
	}
	return all[0], all[1]
}

// compile runs the Dockerfile's own command that builds the program, in dir, with
// the program at output.
func compile(t testing.TB, dir, output string) {
	t.Helper()
	build, _ := stages(t)
	var line string
	for _, command := range build.Commands {
		if run, ok := command.(*instructions.RunCommand); ok {
			line = strings.Join(run.CmdLine, " ")
		}
	}
	const target = "-o /flexbridge "
	if !strings.Contains(line, target) || !strings.Contains(line, "CGO_ENABLED=0") || !strings.Contains(line, "-trimpath") {
		t.Fatalf("the last RUN = %q, want a static build of /flexbridge without paths", line)
	}
	cmd := exec.Command("sh", "-c", strings.Replace(line, target, "-o '"+output+"' ", 1))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TARGETOS=", "TARGETARCH=") // this machine's
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

var built struct {
	sync.Once
	path string
}

// program is the service, built once as the image has it.
func program(t testing.TB) string {
	t.Helper()
	built.Do(func() {
		dir, err := os.MkdirTemp("", "flexbridge")
		if err != nil {
			t.Fatal(err)
		}
		output := filepath.Join(dir, "flexbridge")
		compile(t, root, output)
		built.path = output
	})
	return built.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.path != "" {
		_ = os.RemoveAll(filepath.Dir(built.path))
	}
	os.Exit(code)
}

// The same source in another place makes the same program.
func TestProgramIsReproducible(t *testing.T) {
	other, output := t.TempDir(), filepath.Join(t.TempDir(), "flexbridge")
	// With its history, as the program tells its commit.
	if out, err := exec.Command("cp", "-R", root+"/.", other).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	compile(t, other, output)
	first, err1 := os.ReadFile(program(t))
	second, err2 := os.ReadFile(output)
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(first, second) {
		t.Errorf("two builds of %d and %d bytes differ, %v", len(first), len(second), err)
	}
}

// The image's files and settings, as Docker would take them from the Dockerfile;
// its own daemon is not needed. With them alone, as its user and unable to write,
// the service runs.
func TestImage(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may change its root directory")
	}
	_, image := stages(t)
	if image.BaseName != "scratch" {
		t.Errorf("the image is made from %s, want scratch", image.BaseName)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var user string
	var entry, check []string
	var size int64
	for _, command := range image.Commands {
		switch c := command.(type) {
		case *instructions.CopyCommand:
			size += place(t, dir, c)
		case *instructions.UserCommand:
			user = c.User
		case *instructions.EntrypointCommand:
			entry = c.CmdLine
		case *instructions.HealthCheckCommand:
			check = c.Health.Test
		case *instructions.ExposeCommand:
		default:
			t.Errorf("the image has an instruction that is not looked at: %s", c)
		}
	}
	t.Logf("the image has %.1f MB", float64(size)/1e6)
	if size > 60e6 {
		t.Errorf("the image has %d bytes, want 60 MB at most", size)
	}
	if !slices.Equal(entry, []string{"/flexbridge"}) || !slices.Equal(check, []string{"CMD", "/flexbridge", "health"}) {
		t.Fatalf("ENTRYPOINT %q, HEALTHCHECK %q, want the program and its own check", entry, check)
	}
	uid, gid, _ := strings.Cut(user, ":")
	u, err1 := strconv.Atoi(uid)
	g, err2 := strconv.Atoi(gid)
	if err := errors.Join(err1, err2); err != nil || u == 0 || g == 0 {
		t.Fatalf("USER %s, want numbers, which Kubernetes can tell from root's", user)
	}
	environment := map[string]string{"LISTEN_ADDR": freeAddr(t), "OPS_ADDR": freeAddr(t)}
	for name, value := range filled {
		environment[name] = value
	}
	run := func(ctx context.Context, command string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, entry[0], command)
		cmd.Dir, cmd.Env = "/", environ(environment)
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir, Credential: &syscall.Credential{Uid: uint32(u), Gid: uint32(g)}}
		return cmd
	}
	if out, err := run(t.Context(), "version").CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "flexbridge ") {
		t.Errorf("version = %q, %v", out, err)
	}
	lives(t, run)
}

// place copies what an instruction copies, from this machine or from what was
// built, and returns how much that is.
func place(t *testing.T, dir string, c *instructions.CopyCommand) (size int64) {
	t.Helper()
	for _, source := range c.SourcePaths {
		target := c.DestPath
		if strings.HasSuffix(target, "/") {
			target += path.Base(source)
		}
		from := source
		if source == "/flexbridge" {
			from = program(t)
		}
		in, err := os.Open(from)
		if err != nil {
			t.Fatal(err) // certificate authorities: Debian's ca-certificates
		}
		defer in.Close()
		target = filepath.Join(dir, target)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY, 0o755)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(out, in)
		if err := errors.Join(err, out.Close()); err != nil {
			t.Fatal(err)
		}
		size += n
	}
	return size
}
