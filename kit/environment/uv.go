package environment

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// uv is the program that builds environments, and how to run it.
type uv struct {
	program string
	environ []string
	held    *os.File // a lock that it keeps as long as it runs, even if we do not
}

// uv finds uv on the PATH or in the store, or installs it into the store.
func (s *Store) uv(ctx context.Context, image string, progress func(string)) (uv, error) {
	environ := append(forUV(s.environ, pipConfig(s.environ)), "UV_CACHE_DIR="+s.cacheFor(s.environ))
	own := s.path("uv", "bin", "uv")
	for _, p := range append(s.onPath("uv"), own) {
		if recent(ctx, p) {
			return uv{program: p, environ: environ}, nil
		}
	}
	l, err := lock(ctx, s.path("locks", "uv"), func() { progress("waiting for another process to install uv") })
	if err != nil {
		return uv{}, err
	}
	defer l.Close()
	if !recent(ctx, own) { // the one we waited for may have done it
		progress("installing uv, which builds Python environments")
		if err := s.installUV(ctx, image, environ); err != nil {
			return uv{}, err
		}
	}
	return uv{program: own, environ: environ}, nil
}

// versionOf is how uv says its version.
var versionOf = regexp.MustCompile(`^uv (\d+)\.(\d+)`)

// recent says whether a program is a uv that knows relocatable environments and
// excluded packages.
func recent(ctx context.Context, program string) bool {
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	m := versionOf.FindSubmatch(out)
	if err != nil || m == nil {
		return false
	}
	major, _ := strconv.Atoi(string(m[1]))
	minor, _ := strconv.Atoi(string(m[2]))
	return major > 0 || minor >= 5
}

// command is one that ends with the build, and those that it starts.
func (u uv) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = u.environ
	cmd.Dir = "/" // a project's settings, found from its folder, are not ours
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if u.held != nil {
		cmd.ExtraFiles = []*os.File{u.held}
	}
	return cmd
}

// run runs uv and tells progress what it says that is worth telling. The error
// is a *BuildError about image unless the context ended.
func (u uv) run(ctx context.Context, image string, progress func(string), args ...string) (said string, err error) {
	cmd := u.command(ctx, u.program, args...)
	r, w := io.Pipe()
	var all bytes.Buffer
	out := io.MultiWriter(&all, w)
	cmd.Stdout, cmd.Stderr = out, out
	told := make(chan struct{})
	go func() {
		defer close(told)
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			if s := Sentence(lines.Text()); s != "" {
				progress(s)
			}
		}
		_, _ = io.Copy(io.Discard, r) // a line too long is not told, and must not block uv
	}()
	err = cmd.Run()
	_ = w.Close() // a pipe in memory
	<-told
	if ctx.Err() != nil {
		return all.String(), ctx.Err()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return all.String(), fmt.Errorf("run uv: %w", err)
	}
	if err != nil {
		return all.String(), explain(image, all.String())
	}
	return all.String(), nil
}

// steps are the lines of uv that tell how far it is, and how we say them.
// (Nothing changes it.)
var steps = []struct {
	line *regexp.Regexp
	say  string
}{
	{regexp.MustCompile(`^Resolved (\d+ packages?) `), "resolved $1"},
	{regexp.MustCompile(`^\s*Downloading (\S+) \(([\d.]+)([KMG]iB)\)`), "downloading $1 ($2 $3)"},
	{regexp.MustCompile(`^\s*Building (\S+)`), "compiling $1"},
	{regexp.MustCompile(`^Prepared (\d+ packages?) in (\S+)`), "downloaded $1 in $2, installing"},
	{regexp.MustCompile(`^Installed (\d+ packages?) in (\S+)`), "installed $1 in $2"},
}

// Sentence is what to tell of a line of uv's, "" for nothing.
func Sentence(line string) string {
	for _, s := range steps {
		if m := s.line.FindStringSubmatchIndex(line); m != nil {
			return string(s.line.ExpandString(nil, s.say, line, m))
		}
	}
	return ""
}

// installUV puts uv into the store with the pip of any Python, or without.
func (s *Store) installUV(ctx context.Context, image string, environ []string) error {
	dir := s.path("building", "uv")
	defer os.RemoveAll(dir)
	said := "no Python with pip on the PATH"
	for _, p := range s.onPath("python3") {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, p, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", dir, "uv")
		cmd.Env, cmd.Dir = s.environ, "/"
		out, err := cmd.CombinedOutput()
		if err == nil {
			return s.putUV(dir)
		}
		if !strings.Contains(string(out), "No module named pip") {
			said = lastLine(string(out))
		}
	}
	if err := fetchUV(ctx, environ, filepath.Join(dir, "bin")); err != nil {
		return &BuildError{
			Image: image, Cause: NoIndex, Package: "uv", Said: said + ", and " + err.Error(),
			Remedy: "install pip for that Python (on Debian: apt install python3-pip) or uv, or name an index with UV_DEFAULT_INDEX",
		}
	}
	return s.putUV(dir)
}

func (s *Store) putUV(dir string) error {
	if err := os.RemoveAll(s.path("uv")); err != nil {
		return err
	}
	return os.Rename(dir, s.path("uv"))
}

func lastLine(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if l := strings.TrimSpace(lines[i]); strings.HasPrefix(l, "ERROR:") {
			return strings.TrimSpace(strings.TrimPrefix(l, "ERROR:"))
		}
	}
	return strings.TrimSpace(lines[len(lines)-1])
}

// download lets uv fetch a Python of its own into the store.
func (s *Store) download(ctx context.Context, r Recipe, progress func(string)) (interpreter, error) {
	u, err := s.uv(ctx, r.Image, progress)
	if err != nil {
		return interpreter{}, err
	}
	progress("downloading Python " + r.Python + ", which this machine does not have")
	var be *BuildError
	if said, err := u.run(ctx, r.Image, progress, "python", "install", "--install-dir", s.path("pythons"), "--no-bin", r.Python); errors.As(err, &be) {
		return interpreter{}, &BuildError{
			Image: r.Image, Cause: NoPython, Said: "no Python " + r.Python + " on this machine, and uv cannot fetch one: " + brief(lastWords(said)),
			Remedy: "install it, or name one with --python",
		}
	} else if err != nil {
		return interpreter{}, err
	}
	found, _ := filepath.Glob(s.path("pythons", "cpython-"+r.Python+"*", "bin", "python3"))
	for _, p := range found {
		if i, err := ask(ctx, s.environ, p); err == nil {
			return i, nil
		}
	}
	return interpreter{}, &BuildError{
		Image: r.Image, Cause: NoPython, Said: "the Python " + r.Python + " that uv fetched does not run",
		Remedy: "install it, or name one with --python",
	}
}
