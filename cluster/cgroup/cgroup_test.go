package cgroup

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// asVersion2 marks a run of this suite on a machine, as it sees it, with groups of
// version 2 alone.
const asVersion2 = "WEIR_TEST_CGROUP2"

func TestMain(m *testing.M) {
	if os.Getenv(asVersion2) != "" {
		if err := showVersion2Alone(); err != nil {
			fmt.Println("SKIP", err)
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

func showVersion2Alone() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return err
	}
	for _, m := range mounts {
		if err := unix.Unmount(m.Mountpoint, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", m.Mountpoint, err)
		}
	}
	if err := unix.Mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, ""); err != nil {
		return fmt.Errorf("mount cgroup2: %w", err)
	}
	return nil
}

// The suite runs again as on a machine with version 2 alone. Where version 1 is
// mounted elsewhere that has no cpu, memory or pids, and their tests are skipped.
func TestVersion2(t *testing.T) {
	if os.Getenv(asVersion2) != "" {
		t.Skip("this is that run")
	}
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.run=^Test[^V]")
	cmd.Env = append(os.Environ(), asVersion2+"=yes")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, os.ErrPermission) {
		t.Skip("mount namespaces are not allowed here:", err)
	}
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// A group of version 2 with processes cannot pass controllers down; they are
// moved one group down first.
func TestEnableMovesProcessesDown(t *testing.T) {
	_, v2, err := hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	if v2 == nil {
		t.Skip("no control groups of version 2 are mounted on this machine")
	}
	has, err := os.ReadFile(filepath.Join(v2.mount, "cgroup.controllers"))
	if err != nil || len(has) == 0 {
		t.Skip("version 2 has no controllers on this machine")
	}
	spare := strings.Fields(string(has))[:1]
	if err := control(v2.mount, spare[0]); err != nil {
		t.Skip(err)
	}
	dir := filepath.Join(v2.mount, "test-"+strings.ToLower(rand.Text()[:8]))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := remove(dir); err != nil {
			t.Error(err)
		}
	})
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	got, err := enable(dir, spare)
	if err != nil || !slices.Equal(got, spare) {
		t.Errorf("enable: %v, %v; want %v", got, err, spare)
	}
}

func openTree(t *testing.T) *Tree {
	t.Helper()
	tree, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
	if tree.Support().Version == 0 {
		t.Skip(tree.Support().Reason)
	}
	return tree
}

func needs(t *testing.T, tree *Tree, controller string) {
	t.Helper()
	if !slices.Contains(tree.Support().Controllers, controller) {
		t.Skip(tree.Support().Reason)
	}
}

func newGroup(t *testing.T, tree *Tree, l Limits) *Group {
	t.Helper()
	g, err := tree.New("c", l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Destroy(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// in runs a shell script in the group; the shell waits until it is in it.
func in(t *testing.T, g *Group, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", "read go; "+script)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := g.Apply(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if _, err := stdin.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in 20 seconds", what)
		}
	}
}

// A process that wants more memory than its group may have is killed, and that
// it was for want of memory is seen.
func TestMemoryLimit(t *testing.T) {
	tree := openTree(t)
	needs(t, tree, "memory")
	g := newGroup(t, tree, Limits{MemoryBytes: 16 << 20})
	if g.OOMKilled() {
		t.Error("killed before anything ran")
	}
	cmd := in(t, g, "head -c 200m /dev/zero | tail")
	cmd.Wait()
	if !g.OOMKilled() {
		t.Errorf("200 MB in a group of 16 MB: ended with %v, not killed", cmd.ProcessState)
	}
}

// Raising the limit lets the same program run.
func TestMemoryLimitIsRaised(t *testing.T) {
	tree := openTree(t)
	needs(t, tree, "memory")
	g := newGroup(t, tree, Limits{MemoryBytes: 16 << 20})
	if err := g.Set(Limits{MemoryBytes: 512 << 20}); err != nil {
		t.Fatal(err)
	}
	if err := in(t, g, "head -c 60m /dev/zero | tail").Wait(); err != nil || g.OOMKilled() {
		t.Errorf("60 MB in a group of 512 MB: %v, killed for want of memory %v", err, g.OOMKilled())
	}
}

// A group with a tenth of a core gets about a tenth of a core.
func TestCPULimit(t *testing.T) {
	tree := openTree(t)
	needs(t, tree, "cpu")
	g := newGroup(t, tree, Limits{CPUMilli: 100})
	begin := time.Now()
	cmd := in(t, g, "while :; do :; done")
	eventually(t, "a second", func() bool { return time.Since(begin) > time.Second })
	u, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if share := float64(u.CPUNanos) / float64(took.Nanoseconds()); share > 0.25 {
		t.Errorf("%.2f of a core used, want about 0.1", share)
	}
}

// A group of few processes cannot become many.
func TestPIDsLimit(t *testing.T) {
	tree := openTree(t)
	needs(t, tree, "pids")
	g := newGroup(t, tree, Limits{PIDs: 3})
	if err := in(t, g, "sleep 9 & sleep 9 & sleep 9 & sleep 9 & exit 0").Wait(); err == nil {
		t.Error("five processes in a group of three")
	}
}

func TestStats(t *testing.T) {
	tree := openTree(t)
	g := newGroup(t, tree, Limits{})
	cmd := in(t, g, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; x=$(head -c 3m /dev/zero | tr '\\0' x); read end")
	hasMemory := slices.Contains(tree.Support().Controllers, "memory")
	eventually(t, "the use of memory and cpu is seen", func() bool {
		u, err := g.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if !hasMemory {
			return u.CPUNanos > 1e6
		}
		return u.CPUNanos > 1e6 && u.MemoryBytes > 3<<20 && u.RSSBytes > 3<<20 && u.WorkingSetBytes > 3<<20 && u.WorkingSetBytes <= u.MemoryBytes && u.PIDs >= 1
	})
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
}

// Killing a group reaches processes whose parents are gone.
func TestKillReachesOrphans(t *testing.T) {
	tree := openTree(t)
	g := newGroup(t, tree, Limits{})
	if err := in(t, g, "(setsid sleep 1000 &) ; exit 0").Wait(); err != nil {
		t.Fatal(err)
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := g.Destroy(); err != nil {
		t.Error(err)
	}
}

// What a program that was killed has left is removed by the next, and what a
// running one has is not.
func TestTreesOfTheDeadAreRemoved(t *testing.T) {
	running, dead := openTree(t), openTree(t)
	if _, err := dead.New("c", Limits{}); err != nil {
		t.Fatal(err)
	}
	for _, p := range dead.places {
		p.lock.Close() // as the kernel does when a program ends
	}
	openTree(t)
	for _, p := range dead.places {
		if _, err := os.Stat(p.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", p.dir, err)
		}
	}
	for _, p := range running.places {
		if _, err := os.Stat(p.dir); err != nil {
			t.Errorf("the group of a running program is gone: %v", err)
		}
	}
	dead.places = nil
}

// Where nothing can be limited, everything works without limits.
func TestNoGroups(t *testing.T) {
	tree := &Tree{support: supportOf(0, nil, "no control groups are mounted on this machine")}
	g, err := tree.New("c", Limits{MemoryBytes: 1})
	if err != nil || g != nil {
		t.Fatalf("New: %v, %v; want no group and no error", g, err)
	}
	if err := errors.Join(g.Apply(os.Getpid()), g.Set(Limits{}), g.Kill(), g.Destroy(), tree.Close()); err != nil {
		t.Error(err)
	}
	if _, err := g.Stats(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Stats: %v, want %v", err, errors.ErrUnsupported)
	}
}
