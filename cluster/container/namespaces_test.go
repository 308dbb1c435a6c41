package container

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-ml/weir/cluster/network/netns"
)

func newNamespaces(t *testing.T, r *Runtime, o NamespaceOptions) *Namespaces {
	t.Helper()
	n, err := r.NewNamespaces(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// in is the spec of a shell in the pod.
func in(t *testing.T, n *Namespaces, id, script string) Spec {
	s := shell(t, script)
	s.ID, s.Namespaces = id, n
	return s
}

// The containers of a pod share its name and memory, and no other's.
func TestPodsShare(t *testing.T) {
	r := runtimeOf(t)
	one := newNamespaces(t, r, NamespaceOptions{Hostname: "one"})
	two := newNamespaces(t, r, NamespaceOptions{Hostname: "two"})
	asks(t, r, in(t, one, "a", "uname -n; echo x > /dev/shm/x; ls /dev/shm"), "one\nx")
	asks(t, r, in(t, one, "b", "uname -n; ls /dev/shm"), "one\nx")
	asks(t, r, in(t, two, "c", "uname -n; ls /dev/shm"), "two")
	asks(t, r, in(t, two, "d", "[ $$ = 1 ] && echo alone"), "alone")
}

// Containers that share processes see each other's, and nothing of weir, and
// each ends whole.
func TestSharedProcesses(t *testing.T) {
	r := runtimeOf(t)
	n := newNamespaces(t, r, NamespaceOptions{Hostname: "pod", SharePID: true})
	c, _ := start(t, r, in(t, n, "sleeper", "(setsid sleep 1001 &); sleep 1002"))
	defer c.Remove()
	waitFor(t, "three processes run", func() bool { return len(c.members()) == 3 })
	asks(t, r, in(t, n, "other", `
		tr '\0' '\n' < /proc/1/cmdline
		cat /proc/[0-9]*/cmdline | tr '\0' ' ' | grep -o 'sleep 100[12]' | sort -u
		ls /proc/1/root/usr /proc/1/cwd/usr 2>/dev/null
		(: >> /proc/1/exe) 2>/dev/null && echo wrote to weir`), "weir-container\nsleep 1001\nsleep 1002")
	members := c.members()
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	for _, pid := range members {
		waitFor(t, "the processes have ended", func() bool { return hasEnded(pid) })
	}
}

// hasEnded says that the process runs no more, although it may wait to be buried.
func hasEnded(pid int) bool {
	command, err := os.ReadFile("/proc/" + itoa(pid) + "/cmdline")
	return err != nil || len(command) == 0
}

func TestHostProcesses(t *testing.T) {
	r := runtimeOf(t)
	n := newNamespaces(t, r, NamespaceOptions{HostPID: true})
	res := run(t, r, in(t, n, "c", "echo $$"))
	if res.out == "1" || res.out == "" {
		t.Errorf("process number %q, want one of the machine's", res.out)
	}
}

// Processes of a container that sees the node's, and whose parents have died,
// are buried; who runs a program meanwhile hears how it ended.
func TestOrphans(t *testing.T) {
	if os.Getpid() != 1 {
		t.Skip("orphans come to the first process of a pid namespace, which this is in TestUnprivileged")
	}
	r := runtimeOf(t)
	n := newNamespaces(t, r, NamespaceOptions{HostPID: true})
	c, _ := start(t, r, in(t, n, "c", "for i in 1 2 3; do (setsid sleep 0.01 & sleep 0.01 &); done; exec sleep 1000"))
	defer c.Remove()
	for i := range 100 {
		if err := exec.Command("sh", "-c", "exit 7").Run(); err == nil || err.Error() != "exit status 7" {
			t.Fatalf("run %d: %v, want exit status 7", i, err)
		}
		if got := run(t, r, in(t, n, fmt.Sprint("c", i), "exit 3")).exit.Code; got != 3 {
			t.Fatalf("run %d: a container exits with %d, want 3", i, got)
		}
	}
	dead := func() []string {
		var all []string
		entries, _ := filepath.Glob("/proc/[0-9]*")
		for _, e := range entries {
			if pid, _ := strconv.Atoi(filepath.Base(e)); pid > 1 {
				if dead, _ := kinOf(pid); dead {
					all = append(all, e)
				}
			}
		}
		return all
	}
	waitFor(t, "nobody lies about", func() bool { return len(dead()) == 0 })
}

// A sysctl is set in the pod's own namespaces, or not at all.
func TestSysctls(t *testing.T) {
	r := runtimeOf(t)
	network := newNetwork(t)
	n := newNamespaces(t, r, NamespaceOptions{Hostname: "pod", Network: network, Sysctls: map[string]string{"kernel.shm_rmid_forced": "1", "net.ipv4.ip_unprivileged_port_start": "77"}})
	asks(t, r, in(t, n, "c", "cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ip_unprivileged_port_start; ls /sys/class/net"), "1\n77\nlo")
	if b, err := os.ReadFile("/proc/sys/kernel/shm_rmid_forced"); err != nil || string(b) != "0\n" {
		t.Errorf("the machine's own is %q, %v", b, err)
	}
	for name, o := range map[string]NamespaceOptions{
		"vm.swappiness":          {Network: network},
		"net.core.somaxconn":     {},
		"kernel.shmmax":          {HostIPC: true},
		"net/../kernel/hostname": {Network: network},
		"net.no.such.thing":      {Network: network},
	} {
		o.Sysctls = map[string]string{name: "1"}
		if _, err := r.NewNamespaces(t.Context(), o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("sysctl %s: %v, want an error that names it", name, err)
		}
	}
}

// newNetwork returns a network namespace with nothing in it.
func newNetwork(t *testing.T) *os.File {
	t.Helper()
	var f *os.File
	made := make(chan error)
	netns.OwnThread(func() {
		var err error
		f, err = netns.New()
		made <- err
	})
	if err := <-made; err != nil {
		t.Skip("no network namespaces here:", err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
