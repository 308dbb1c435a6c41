package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
)

// A weir is the program and a folder that it runs on.
type weir struct {
	binary, dir string

	// user runs the program as somebody else; nil is whoever runs the tests.
	user *syscall.SysProcAttr
	// environ is the program's whole environment; nil is that of the tests.
	environ []string
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

// up starts the weir and returns when it is ready.
func (w *weir) up(t testing.TB, flags ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if out, err := w.command(ctx, append([]string{"up", "--detach"}, flags...)...).CombinedOutput(); err != nil {
		t.Fatalf("weir up: %v\n%s\n%s", err, out, w.lastWords())
	}
}

// down stops the weir; all that it has stays in the folder.
func (w *weir) down(t testing.TB) {
	t.Helper()
	w.must(t, "down")
}

// A state is what a weir says of itself.
type state struct {
	PID            int
	Kubernetes, S3 struct{ URL, AccessKey, SecretKey string }
	Namespaces     string
	Missing        []string
}

func (w *weir) state(t testing.TB) state {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
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
	c := w.command(ctx, args...)
	c.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("weir %s: %v", strings.Join(args, " "), err)
	}
	return answer{out.String(), errs.String(), c.ProcessState.ExitCode()}
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
	for _, name := range []string{"up.log", "weir.log"} {
		data, err := os.ReadFile(filepath.Join(w.dir, "logs", name))
		if err != nil {
			fmt.Fprintf(&all, "no %s: %v\n", name, err)
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		lines = lines[max(0, len(lines)-20):]
		fmt.Fprintf(&all, "the end of %s:\n  %s\n", name, strings.Join(lines, "\n  "))
	}
	return all.String()
}
