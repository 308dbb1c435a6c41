package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/weir-ml/weir/test/program"
)

// A weir is the program and a folder that it runs on.
type weir struct {
	binary, dir string

	// user runs the program as somebody else; nil is whoever runs the tests.
	user *syscall.SysProcAttr
	// environ is the program's whole environment; nil is that of the tests.
	environ []string

	// ended says how weir up has ended.
	ended chan error
}

// newWeir returns a weir on a folder of its own, which does not run yet. It is
// stopped, and its folder removed, when the test ends.
func newWeir(t *testing.T) *weir {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	w := &weir{binary: shared.binary, dir: dir}
	if err := w.reuseEnvironments(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(w.lastWords())
		}
		w.remove(t)
	})
	return w
}

// remove stops the weir and removes its folder.
func (w *weir) remove(t testing.TB) {
	if out, err := w.command(context.Background(), "down").CombinedOutput(); err != nil {
		t.Errorf("weir down: %v: %s", err, out)
	}
	_ = os.RemoveAll(w.dir)
}

// environments is where environments that have been built stay from one run of
// the tests to the next. TensorFlow's takes minutes to build.
func environments() (string, error) {
	cache := os.Getenv("WEIR_E2E_CACHE")
	if cache == "" {
		cache = filepath.Join("..", "..", ".cache", "e2e")
	}
	cache, err := filepath.Abs(filepath.Join(cache, "environments"))
	if err != nil {
		return "", err
	}
	return cache, os.MkdirAll(cache, 0o755)
}

func (w *weir) reuseEnvironments() error {
	cache, err := environments()
	if err != nil {
		return err
	}
	return os.Symlink(cache, filepath.Join(w.dir, "environments"))
}

func (w *weir) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, w.binary, append([]string{"--dir", w.dir}, args...)...)
	c.SysProcAttr, c.Env = w.user, w.environ
	c.WaitDelay = time.Second
	return c
}

// up starts the weir and returns when it is ready. It ends with the tests, also
// when they are killed.
func (w *weir) up(flags ...string) error {
	said, err := os.Create(filepath.Join(w.dir, saidFile))
	if err != nil {
		return err
	}
	defer said.Close()
	c := w.command(context.Background(), append([]string{"up"}, flags...)...)
	c.Stdout, c.Stderr = said, said
	with := syscall.SysProcAttr{}
	if w.user != nil {
		with = *w.user
	}
	with.Pdeathsig = syscall.SIGTERM
	c.SysProcAttr = &with
	if err := c.Start(); err != nil {
		return fmt.Errorf("weir up: %w", err)
	}
	w.ended = make(chan error, 1)
	go func() { w.ended <- c.Wait() }()

	for deadline := time.Now().Add(3 * time.Minute); ; {
		if s, err := w.state(); err == nil && s.PID == c.Process.Pid && !s.Ready.IsZero() {
			return nil
		}
		select {
		case err := <-w.ended:
			return fmt.Errorf("weir up: %v\n%s", err, w.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("weir up: not ready after three minutes\n%s", w.lastWords())
		}
	}
}

// saidFile is what weir up has printed.
const saidFile = "said.log"

// starts starts the weir, which must become ready.
func (w *weir) starts(t testing.TB, flags ...string) {
	t.Helper()
	if err := w.up(flags...); err != nil {
		t.Fatal(err)
	}
}

// stops stops the weir; all that it has stays in the folder. Nothing of it is
// left behind.
func (w *weir) stops(t testing.TB) {
	t.Helper()
	family := processes(t, w.is(t).PID)
	w.must(t, "down")
	if err := <-w.ended; err != nil {
		t.Errorf("weir up ended: %v\n%s", err, w.lastWords())
	}
	for _, p := range family {
		if p.alive() {
			t.Errorf("weir is down, but this still runs: %s", p.command)
		}
	}
}

// isKilled kills the weir; nothing of it is left behind.
func (w *weir) isKilled(t *testing.T) {
	t.Helper()
	family := processes(t, w.is(t).PID)
	if err := syscall.Kill(w.is(t).PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-w.ended
	eventually(t, 20*time.Second, "nothing of it is alive", func() (bool, string) {
		var alive []string
		for _, p := range family {
			if p.alive() {
				alive = append(alive, p.command)
			}
		}
		return len(alive) == 0, strings.Join(alive, "\n")
	})
}

// A state is what a weir says of itself.
type state struct {
	PID            int
	Kubernetes, S3 struct{ URL, AccessKey, SecretKey, CAFile string }
	Metrics        struct{ URL string }
	Front          struct{ URL, Token, CAFile string }
	Namespaces     string
	Missing        []string
	Ready          time.Time
}

func (w *weir) state() (state, error) {
	var s state
	data, err := os.ReadFile(filepath.Join(w.dir, "state.json"))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(data, &s)
}

// is is the state of a weir that runs.
func (w *weir) is(t testing.TB) state {
	t.Helper()
	s, err := w.state()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An answer is what a command said, and how it ended.
type answer struct {
	out, err string
	code     int
}

// ask runs a command of weir, which may end as it likes.
func (w *weir) ask(t testing.TB, stdin string, args ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	a := program.Ask(t, w.command(ctx, args...), stdin)
	return answer{a.Out, a.Err, a.Code}
}

// must runs a command of weir that must succeed, and returns what it printed.
func (w *weir) must(t testing.TB, args ...string) string {
	t.Helper()
	a := w.ask(t, "", args...)
	if a.code != 0 {
		t.Fatalf("weir %s: exit code %d: %s%s", strings.Join(args, " "), a.code, a.err, a.out)
	}
	return a.out
}

// kubectl runs a command of kubectl that must succeed.
func (w *weir) kubectl(t testing.TB, args ...string) string {
	t.Helper()
	return w.must(t, append([]string{"kubectl"}, args...)...)
}

// apply creates what a manifest says.
func (w *weir) apply(t testing.TB, namespace, manifest string) {
	t.Helper()
	a := w.ask(t, manifest, "kubectl", "apply", "-n", namespace, "-f", "-")
	if a.code != 0 {
		t.Fatalf("kubectl apply: %s\n%s", a.err, manifest)
	}
}

// rest reaches the API server as the kubeconfig in the folder says.
func (w *weir) rest(t testing.TB) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(w.dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	return config
}

// core is a client for what is built into Kubernetes.
func (w *weir) core(t testing.TB) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(w.rest(t))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// lastWords is the end of what the weir has logged.
func (w *weir) lastWords() string {
	var all strings.Builder
	for _, name := range []string{saidFile, "logs/up.log", "logs/weir.log"} {
		data, err := os.ReadFile(filepath.Join(w.dir, name))
		if err != nil {
			continue // weir up --detach writes the second, in place of the first
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		lines = lines[max(0, len(lines)-20):]
		fmt.Fprintf(&all, "the end of %s:\n  %s\n", name, strings.Join(lines, "\n  "))
	}
	return all.String()
}
