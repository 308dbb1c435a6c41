package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// shared makes the runtime that all tests use, when the first wants it.
var shared = sync.OnceValues(func() (*Runtime, error) {
	dir, err := os.MkdirTemp("", "weir-test-")
	if err != nil {
		return nil, err
	}
	return New(context.Background(), Config{Dir: filepath.Join(dir, "containers")})
})

var isShared atomic.Bool

func TestMain(m *testing.M) {
	code := m.Run()
	if isShared.Load() {
		r, err := shared()
		if err == nil {
			err = errors.Join(r.Close(), os.Remove(filepath.Dir(r.dir)))
		}
		if err != nil {
			fmt.Println(err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// runtimeOf returns a runtime of full containers, or skips the test where this
// machine allows none.
func runtimeOf(t testing.TB) *Runtime {
	t.Helper()
	isShared.Store(true)
	r, err := shared()
	if err != nil {
		t.Fatal(err)
	}
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

// asks runs the script in a container and expects its output.
func asks(t *testing.T, r *Runtime, s Spec, want string) {
	t.Helper()
	if got := run(t, r, s); got.out != want {
		t.Errorf("the container says\n%s\nwant\n%s", got.out, want)
	}
}

// How long a container of true takes to start, to end and to be removed.
func BenchmarkStart(b *testing.B) {
	r := runtimeOf(b)
	s := Spec{ID: "c", Argv: []string{"true"}, Capabilities: usualCapabilities(b)}
	var started, ended, removed time.Duration
	for b.Loop() {
		begin := time.Now()
		c, err := r.Start(b.Context(), s, Stdio{})
		if err != nil {
			b.Fatal(err)
		}
		started += time.Since(begin)
		c.Wait()
		ended += time.Since(begin)
		if err := c.Remove(); err != nil {
			b.Fatal(err)
		}
		removed += time.Since(begin)
	}
	for name, d := range map[string]time.Duration{"start": started, "end": ended, "remove": removed} {
		b.ReportMetric(float64(d.Microseconds())/float64(b.N)/1000, "ms-to-"+name)
	}
}

func BenchmarkNew(b *testing.B) {
	dir := b.TempDir() + "/containers"
	for b.Loop() {
		r, err := New(b.Context(), Config{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// How many containers of true a second, when many want to start.
func BenchmarkManyAtOnce(b *testing.B) {
	r := runtimeOf(b)
	var n atomic.Int64
	caps := usualCapabilities(b)
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s := Spec{ID: "c" + itoa(int(n.Add(1))), Argv: []string{"true"}, Capabilities: caps}
			c, err := r.Start(b.Context(), s, Stdio{})
			if err != nil {
				b.Error(err)
				return
			}
			c.Wait()
			if err := c.Remove(); err != nil {
				b.Error(err)
			}
		}
	})
}
