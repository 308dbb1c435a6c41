package container

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-ml/weir/cluster/rootfs"
)

func newPlain(t *testing.T) *Runtime {
	t.Helper()
	r, err := New(t.Context(), Config{Dir: t.TempDir() + "/containers", Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// Where there can be no namespaces, a container is a process, and it is said what
// is missing.
func TestPlain(t *testing.T) {
	r := newPlain(t)
	if r.Kind() != Plain || len(r.Missing()) == 0 {
		t.Errorf("kind %s, missing %v", r.Kind(), r.Missing())
	}
	dir := t.TempDir()
	s := shell(t, "pwd; echo $A; exit 3")
	s.Dir, s.Env = dir, []string{"A=1"}
	c, out := start(t, r, s)
	defer c.Remove()
	if got := out(); got != dir+"\n1" {
		t.Errorf("output %q", got)
	}
	if got := c.Wait(); got.Code != 3 {
		t.Errorf("exit %+v, want code 3", got)
	}
	var missing *NotFoundError
	if _, err := r.Start(t.Context(), Spec{ID: "d", Argv: []string{"no-such-command"}}, Stdio{}); !errors.As(err, &missing) {
		t.Errorf("no such command: %v", err)
	}
}

// A plain container sees its image's programs where they lie.
func TestPlainImage(t *testing.T) {
	r := newPlain(t)
	env := t.TempDir()
	write(t, env+"/bin/python", "#!/bin/sh\necho $VIRTUAL_ENV $OTHER\n")
	if err := os.Chmod(env+"/bin/python", 0o755); err != nil {
		t.Fatal(err)
	}
	s := Spec{ID: "c", Argv: []string{"python"}, Image: &rootfs.Image{
		Folders:   []rootfs.Folder{{Source: env, Target: "/opt/environment", CopyOnWrite: true}},
		Path:      []string{"/opt/environment/bin"},
		Variables: map[string]string{"VIRTUAL_ENV": "/opt/environment", "OTHER": "/opt/environments"},
	}}
	asks(t, r, s, env+" /opt/environments")
}

func TestPlainExec(t *testing.T) {
	r := newPlain(t)
	c, _ := start(t, r, with(shell(t, "sleep 1000"), func(s *Spec) { s.Env = []string{"A=1"} }))
	defer c.Remove()
	if got := execute(t, c, ExecSpec{Argv: []string{"sh", "-c", "echo $A; exit 4"}}); got.out != "1" || got.exit.Code != 4 {
		t.Errorf("%+v", got)
	}
}

// The end of a plain container is the end of its process group.
func TestPlainKill(t *testing.T) {
	r := newPlain(t)
	c, out := start(t, r, shell(t, "sleep 1000 & wait"))
	var child int
	waitFor(t, "the shell waits", func() bool {
		b, _ := os.ReadFile("/proc/" + itoa(c.PID()) + "/task/" + itoa(c.PID()) + "/children")
		child, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		return child != 0
	})
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if got := c.Wait(); got.Signal != syscall.SIGKILL {
		t.Errorf("exit %+v, want killed", got)
	}
	out() // ends when nobody holds it any more
	waitFor(t, "the child has ended", func() bool { return hasEnded(child) })
	if err := c.Remove(); err != nil {
		t.Error(err)
	}
}
