package container

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// newRuntime returns a runtime of full containers, or skips the test where this
// machine allows none.
func newRuntime(t testing.TB) *Runtime {
	t.Helper()
	r, err := New(t.Context(), Config{Dir: t.TempDir() + "/containers"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	if r.Kind() != Full {
		t.Skip(strings.Join(r.Missing(), " "))
	}
	return r
}

func usualCapabilities(t testing.TB) []string {
	t.Helper()
	caps, err := Capabilities(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return caps
}

// shell is a container that runs a script.
func shell(t testing.TB, script string) Spec {
	return Spec{ID: "c", Argv: []string{"/bin/sh", "-c", script}, Capabilities: usualCapabilities(t)}
}

// A result is what a command left.
type result struct {
	out  string // and errors, mixed
	exit ExitStatus
}

// run runs a container to its end and removes it.
func run(t testing.TB, r *Runtime, s Spec) result {
	t.Helper()
	c, out := start(t, r, s)
	res := result{out: out(), exit: c.Wait()}
	if err := c.Remove(); err != nil {
		t.Error(err)
	}
	return res
}

// start starts a container; out waits for the end of its output.
func start(t testing.TB, r *Runtime, s Spec) (c *Container, out func() string) {
	t.Helper()
	stdio, out := capture(t)
	c, err := r.Start(t.Context(), s, stdio)
	stdio.Stdout.Close()
	if err != nil {
		t.Fatal(err)
	}
	return c, out
}

// capture returns standard streams whose output can be read.
func capture(t testing.TB) (Stdio, func() string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan string, 1)
	go func() {
		defer r.Close()
		b, _ := io.ReadAll(r)
		all <- strings.TrimSuffix(string(b), "\n")
	}()
	return Stdio{Stdout: w, Stderr: w}, func() string {
		select {
		case s := <-all:
			return s
		case <-time.After(30 * time.Second):
			t.Error("the output has no end")
			return ""
		}
	}
}

func TestRun(t *testing.T) {
	r := newRuntime(t)
	if m := r.Missing(); len(m) > 0 {
		t.Log(m)
	}
	res := run(t, r, shell(t, "echo hello; id; pwd; ls -la / /dev /etc; cat /proc/self/mountinfo; ps aux; env; exit 7"))
	t.Logf("%+v", res.exit)
	t.Log(res.out)
}

func BenchmarkStart(b *testing.B) {
	r := newRuntime(b)
	s := Spec{ID: "c", Argv: []string{"true"}, Capabilities: usualCapabilities(b)}
	for b.Loop() {
		if res := run(b, r, s); res.exit.Code != 0 {
			b.Fatalf("%+v", res)
		}
	}
}
