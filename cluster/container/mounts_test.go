package container

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

func itoa(n int) string { return strconv.Itoa(n) }

func parseHex(s string) uint64 {
	n, _ := strconv.ParseUint(strings.TrimSpace(s), 16, 64)
	return n
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestMounts(t *testing.T) {
	r := runtimeOf(t)
	dir := t.TempDir()
	write(t, dir+"/file", "content")
	write(t, dir+"/tree/a", "a")
	write(t, dir+"/tree/below/b", "b")
	for name, c := range map[string]struct {
		why    string
		mounts []Mount
		script string
		want   string
	}{
		"Folder":   {why: "A folder is seen where it is wanted.", mounts: []Mount{{Source: dir + "/tree", Target: "/deep/down/here"}}, script: "cat /deep/down/here/below/b", want: "b"},
		"File":     {why: "So is a file.", mounts: []Mount{{Source: dir + "/file", Target: "/etc/config.d/file"}}, script: "cat /etc/config.d/file", want: "content"},
		"Over":     {why: "It may lie over what is there.", mounts: []Mount{{Source: dir + "/file", Target: "/etc/hosts"}}, script: "cat /etc/hosts", want: "content"},
		"InUsr":    {why: "It may lie in a system folder.", mounts: []Mount{{Source: dir + "/file", Target: "/usr/weir-file"}}, script: "cat /usr/weir-file", want: "content"},
		"InDev":    {why: "Kubernetes puts the termination message there.", mounts: []Mount{{Source: dir + "/file", Target: "/dev/termination-log"}}, script: "cat /dev/termination-log", want: "content"},
		"Nested":   {why: "One may lie in another.", mounts: []Mount{{Source: dir + "/tree", Target: "/v"}, {Source: dir + "/file", Target: "/v/below/b"}}, script: "cat /v/a /v/below/b", want: "acontent"},
		"ReadOnly": {why: "A read-only one cannot be written.", mounts: []Mount{{Source: dir + "/tree", Target: "/v", ReadOnly: true}}, script: "touch /v/x 2>/dev/null || echo no", want: "no"},
		"Private":  {why: "A mount without propagation is no peer of the machine's.", mounts: []Mount{{Source: dir + "/tree", Target: "/v"}}, script: "grep ' /v ' /proc/self/mountinfo | grep -c -e shared -e master", want: "0"},
		"Optional": {why: "What may be done without is, where it has no place.", mounts: []Mount{{Source: dir + "/file", Target: "/proc/no-such-place", Optional: true}}, script: "echo -n runs", want: "runs"},
		"Nodes":    {why: "A device node in a volume is of no use.", mounts: []Mount{{Source: dir + "/tree", Target: "/v"}}, script: "mknod /v/n c 1 3 2>/dev/null; cat /v/n 2>/dev/null; rm -f /v/n", want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := shell(t, c.script)
			s.Mounts = c.mounts
			if got := run(t, r, s); got.out != c.want {
				t.Errorf("%s Output %q, want %q", c.why, got.out, c.want)
			}
		})
	}
}

func TestMountIsWritten(t *testing.T) {
	r := runtimeOf(t)
	dir := t.TempDir()
	s := shell(t, "echo from the container > /v/file")
	s.Mounts = []Mount{{Source: dir, Target: "/v"}}
	s.ReadOnlyRoot = true
	asks(t, r, s, "")
	got, err := os.ReadFile(dir + "/file")
	if err != nil || string(got) != "from the container\n" {
		t.Errorf("the volume holds %q, %v", got, err)
	}
}

// A mount's place is found inside the container's root, whatever links say: the
// root's own, as /var/run, and those that somebody left in a volume.
func TestMountTargetsStayInTheRoot(t *testing.T) {
	r := runtimeOf(t)
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, dir+"/secret/token", "token")
	if err := os.Mkdir(dir+"/volume", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"absolute": filepath.Dir(outside), "up": "../../../../../../../.." + filepath.Dir(outside)} {
		if err := os.Symlink(to, filepath.Join(dir, "volume", name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct{ target, seen string }{
		"VarRun":   {target: "/var/run/secrets/x", seen: "/run/secrets/x"},
		"Absolute": {target: "/v/absolute/outside", seen: outside},
		"Up":       {target: "/v/up/outside", seen: outside},
		"Dots":     {target: "/v/../../../../x", seen: "/x"},
	} {
		t.Run(name, func(t *testing.T) {
			s := shell(t, "mkdir -p "+c.seen+" 2>/dev/null; cat "+c.seen+"/token")
			s.Mounts = []Mount{{Source: dir + "/volume", Target: "/v"}, {Source: dir + "/secret", Target: c.target}}
			if strings.HasPrefix(c.target, "/v/a") || strings.HasPrefix(c.target, "/v/u") {
				// The link leads nowhere in the container, so there is no such place.
				if _, err := r.Start(t.Context(), s, Stdio{}); err == nil {
					t.Error("the mount was made")
				}
			} else {
				asks(t, r, s, "token")
			}
			if _, err := os.Lstat(outside); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s was made on the machine: %v", outside, err)
			}
		})
	}
	if _, err := os.Lstat("/run/secrets/x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("/run/secrets/x was made on the machine: %v", err)
	}
}

// A volume that lies over /dev gets nothing of ours, and cannot turn what is
// masked into something else.
func TestVolumeOverDev(t *testing.T) {
	r := runtimeOf(t)
	dir := t.TempDir()
	if err := os.Symlink("/proc/kallsyms", dir+"/null"); err != nil {
		t.Fatal(err)
	}
	s := shell(t, "cat /proc/keys; ls /dev")
	s.Mounts = []Mount{{Source: dir, Target: "/dev"}}
	s.MaskedPaths = []string{"/proc/keys"}
	asks(t, r, s, "null")
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the volume holds %v, %v", entries, err)
	}
}

// What is mounted later passes between a volume and its source only as far as
// the pod asks.
func TestPropagation(t *testing.T) {
	r := runtimeOf(t)
	source := t.TempDir()
	if err := unix.Mount("tmpfs", source, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(source, unix.MNT_DETACH) })
	if err := unix.Mount("", source, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	caps, err := Capabilities([]string{"SYS_ADMIN"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		propagation Propagation
		in, out     bool
	}{
		"Private":       {propagation: Private},
		"FromMachine":   {propagation: FromMachine, in: true},
		"Bidirectional": {propagation: Bidirectional, in: true, out: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := shell(t, "sleep 1000")
			s.Capabilities = caps
			s.Mounts = []Mount{{Source: source, Target: "/v", Propagation: c.propagation}}
			pod, _ := start(t, r, s)
			defer pod.Remove()
			later := filepath.Join(source, "of-machine")
			if err := os.MkdirAll(later, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mount("tmpfs", later, "tmpfs", 0, ""); err != nil {
				t.Fatal(err)
			}
			defer unix.Unmount(later, unix.MNT_DETACH)
			const script = "grep -c ' /v/of-machine ' /proc/self/mountinfo; mkdir -p /v/of-pod && mount -t tmpfs none /v/of-pod"
			if got, want := execute(t, pod, ExecSpec{Argv: []string{"sh", "-c", script}}).out, map[bool]string{true: "1", false: "0"}[c.in]; got != want {
				t.Errorf("mounts of the machine seen in the container: %s, want %s", got, want)
			}
			theirs := filepath.Join(source, "of-pod")
			seen, err := mountinfo.Mounted(theirs)
			if err != nil {
				t.Fatal(err)
			}
			if seen != c.out {
				t.Errorf("mounts of the container seen on the machine: %v, want %v", seen, c.out)
			}
			if seen {
				unix.Unmount(theirs, unix.MNT_DETACH)
			}
		})
	}
}
