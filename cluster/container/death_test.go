package container

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/sys/mountinfo"
)

// doomed is the folder of a runtime that is going to be killed.
const doomed = "WEIR_TEST_DOOMED"

// A program that is killed, as the memory of a machine runs out or somebody says
// kill -9, leaves no process behind, and the next one finds a clean folder.
func TestNothingOutlivesTheProgram(t *testing.T) {
	runtimeOf(t) // or skip
	dir := t.TempDir() + "/containers"
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestDoomedProgram$")
	cmd.Env = append(os.Environ(), doomed+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, field := range strings.Fields(line) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatalf("the program says %q", line)
		}
		pids = append(pids, pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	for _, pid := range pids {
		waitFor(t, fmt.Sprintf("process %d has ended", pid), func() bool { return hasEnded(pid) })
	}
	r, err := New(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	asks(t, r, shell(t, "echo again"), "again")
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(t.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestDoomedProgram is the program that TestNothingOutlivesTheProgram kills.
func TestDoomedProgram(t *testing.T) {
	dir := os.Getenv(doomed)
	if dir == "" {
		t.Skip("it is started by another test")
	}
	r, err := New(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	n, err := r.NewNamespaces(t.Context(), NamespaceOptions{SharePID: true})
	if err != nil {
		t.Fatal(err)
	}
	alone, err := r.Start(t.Context(), shell(t, "sleep 1000"), Stdio{})
	if err != nil {
		t.Fatal(err)
	}
	shared, err := r.Start(t.Context(), in(t, n, "shared", "sleep 1000"), Stdio{})
	if err != nil {
		t.Fatal(err)
	}
	beside, err := alone.Exec(t.Context(), ExecSpec{Argv: []string{"sleep", "1000"}}, Stdio{})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(alone.PID(), shared.PID(), beside.PID(), n.holder.PID())
	var forever syscall.Timespec
	forever.Sec = 1000
	syscall.Nanosleep(&forever, nil)
}

// A long run does not collect descriptors, mounts or folders.
func TestNothingIsLeft(t *testing.T) {
	dir := t.TempDir()
	open := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	round := func(r *Runtime) {
		n, err := r.NewNamespaces(t.Context(), NamespaceOptions{Hostname: "pod", SharePID: true})
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.Start(t.Context(), in(t, n, "c", "sleep 1000"), Stdio{})
		if err != nil {
			t.Fatal(err)
		}
		if p, err := c.Exec(t.Context(), ExecSpec{Argv: []string{"true"}}, Stdio{}); err != nil || p.Wait().Code != 0 {
			t.Fatal(err)
		}
		if _, err := r.Start(t.Context(), in(t, n, "d", ""), Stdio{}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Start(t.Context(), Spec{ID: "e", Argv: []string{"no-such-command"}}, Stdio{}); err == nil {
			t.Fatal("no error")
		}
		if err := errors.Join(c.Remove(), n.Close()); err != nil {
			t.Fatal(err)
		}
	}
	var before int
	for i := range 3 {
		r, err := New(t.Context(), Config{Dir: dir + "/containers"})
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind() != Full {
			t.Skip(strings.Join(r.Missing(), " "))
		}
		round(r)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			before = open() // with what Go opens once
		}
	}
	if after := open(); after > before {
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir)); err != nil || len(mounts) > 0 {
		t.Errorf("left: %v, %v", mounts, err)
	}
}
