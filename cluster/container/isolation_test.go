package container

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/rootfs"
	"github.com/weir-ml/weir/kit/oci"
)

// Each case is a promise, and a container that tries to break it. An empty
// output is a kept promise.
func TestIsolation(t *testing.T) {
	r := runtimeOf(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("of the machine"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		why    string
		script string
		spec   func(*Spec)
	}{
		"Homes": {
			why:    "People's home folders are not seen.",
			script: `ls -A /home /root | grep -v '^/' | grep .`,
		},
		"Shadow": {
			why:    "Passwords, keys and rights of the machine's people are not seen.",
			script: `cd /etc && ls -d shadow* gshadow* passwd- ssh sudoers* ssl/private pam.d cron* *.pem 2>/dev/null`,
		},
		"PrivateKeys": {
			why:    "No private key comes along with certificates.",
			script: `grep -rl 'PRIVATE KEY-----' /etc`,
		},
		"Users": {
			why:    "The names of the machine's users are not seen.",
			script: `cut -d: -f1 /etc/passwd | grep -vx -e root -e daemon -e bin -e sys -e mail -e www-data -e nobody`,
		},
		"Files": {
			why:    "A file of the machine outside the system folders is not seen.",
			script: "cat " + secret + " 2>/dev/null",
		},
		"OwnFolder": {
			why:    "weir's own folder is not seen, neither by its path nor in the list of mounts.",
			script: fmt.Sprintf("ls -d %[1]s 2>/dev/null; grep %[1]s /proc/self/mountinfo", r.dir),
		},
		"Processes": {
			why:    "The processes of the machine are not seen: the command is the first of all.",
			script: `[ $$ = 1 ] || echo $$; ls -d /proc/[1-9][0-9]* 2>/dev/null`,
		},
		"OldRoot": {
			why:    "There is no way back to the machine's root.",
			script: `ls -d /proc/1/root/work /proc/1/root/boot /proc/self/cwd/../../../boot 2>/dev/null; wc -l < /proc/1/mountinfo | awk '$1 > 25'`,
		},
		"DeviceNodes": {
			why:    "A device node that a container makes is of no use.",
			script: `for d in /tmp /dev /usr /opt /dev/shm /run; do mknod $d/null-again c 1 3 2>/dev/null && (echo x > $d/null-again) 2>/dev/null && [ -c $d/null-again ] && echo $d; done`,
		},
		"MachinesDeviceNodes": {
			why:    "The devices that are shared with the machine cannot be changed.",
			script: `chmod 600 /dev/null 2>/dev/null && echo changed; rm /dev/null 2>/dev/null && echo removed`,
		},
		"Devices": {
			why:    "Only harmless devices are seen.",
			script: `cd /dev && ls | grep -vx -e null -e zero -e full -e random -e urandom -e tty -e ptmx -e pts -e shm -e mqueue -e fd -e stdin -e stdout -e stderr`,
		},
		"Sys": {
			why:    "/sys cannot be written.",
			script: `find /sys -maxdepth 3 -type f -perm -200 2>/dev/null | head -50 | while read f; do (echo 0 > $f) 2>/dev/null && echo $f; done`,
		},
		"Mount": {
			why:    "Without the capability nothing can be mounted.",
			script: `mount -t tmpfs none /mnt 2>/dev/null && echo mounted`,
		},
		"MaskedPaths": {
			why:    "Masked paths look empty, also through a link.",
			script: `cd /proc; for p in timer_list keys self/../keys acpi /sys/firmware kcore; do [ ! -d $p ] || ls -A $p; [ ! -f $p ] || cat $p; done`,
			spec: func(s *Spec) {
				s.MaskedPaths = []string{"/proc/keys", "/proc/timer_list", "/proc/kcore", "/proc/acpi", "/sys/firmware", "/proc/no-such-thing"}
			},
		},
		"ReadOnlyPaths": {
			why:    "Read-only paths cannot be written.",
			script: `(echo 1 > /proc/sys/vm/drop_caches) 2>/dev/null && echo written; (echo x > /proc/sysrq-trigger) 2>/dev/null && echo triggered`,
			spec: func(s *Spec) {
				s.ReadOnlyPaths = []string{"/proc/sys", "/proc/sysrq-trigger", "/proc/no-such-thing"}
			},
		},
		"ReadOnlyRoot": {
			why:    "A read-only root is read-only everywhere.",
			script: `for d in / /tmp /etc /usr /usr/bin /opt /var /home /root /run; do touch $d/x 2>/dev/null && echo $d; done; touch /dev/shm/x || echo no memory`,
			spec:   func(s *Spec) { s.ReadOnlyRoot = true },
		},
		"Groups": {
			why:    "Where weir keeps the container's control group is not seen.",
			script: `cut -d: -f3 /proc/self/cgroup | grep -vx /`,
		},
		"Descriptors": {
			why:    "No open file of weir comes along.",
			script: `for f in /proc/1/fd/*; do case $f in */[012]) ;; *) readlink $f ;; esac; done`,
		},
		"Environment": {
			why: "weir's environment does not come along.",
			// TAR_OPTIONS is ours, where only root is mapped.
			script: `env | cut -d= -f1 | grep -vx -e PATH -e HOME -e PWD -e _ -e SHLVL -e OLDPWD -e TAR_OPTIONS`,
		},
		"Signals": {
			why:    "No signal is ignored or blocked because weir, or who started it, does.",
			script: `grep -e SigBlk -e SigIgn /proc/1/status | grep -v 0000000000000000`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := shell(t, c.script)
			if c.spec != nil {
				c.spec(&s)
			}
			s.ID = name
			if res := run(t, r, s); res.out != "" {
				t.Errorf("%s The container says:\n%s", c.why, res.out)
			}
		})
	}
}

// What a container writes to the machine's system folders stays in it, and the
// next one does not see it.
func TestWritesStayInTheContainer(t *testing.T) {
	r := runtimeOf(t)
	const script = `dirs="/usr /usr/bin /usr/local/lib /opt /etc /tmp /var"
		for d in $dirs; do ls $d/poison 2>/dev/null; echo x > $d/poison || echo cannot write $d; done
		rm -f /etc/nsswitch.conf; ls /usr/bin/env; cat /usr/poison`
	for range 2 {
		asks(t, r, shell(t, script), "/usr/bin/env\nx")
	}
	for _, dir := range []string{"/usr", "/usr/bin", "/usr/local/lib", "/opt", "/etc", "/tmp", "/var"} {
		if _, err := os.Lstat(dir + "/poison"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s/poison is on the machine: %v", dir, err)
		}
	}
}

// Where no overlay can be mounted, as when weir's folder lies on one itself,
// containers work all the same, with system folders read-only; nothing of the
// machine can be written in any case.
func TestWithoutOverlays(t *testing.T) {
	runtimeOf(t) // or skip
	dir := t.TempDir()
	for _, d := range []string{"lower", "upper", "work", "on"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work,userxattr", dir)
	if err := unix.Mount("overlay", dir+"/on", "overlay", 0, options); err != nil {
		t.Skip("no overlay can be mounted here:", err)
	}
	defer unix.Unmount(dir+"/on", unix.MNT_DETACH)
	r, err := New(t.Context(), Config{Dir: dir + "/on/containers"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if len(r.Missing()) == 0 {
		t.Skip("this kernel mounts overlays on overlays")
	}
	for _, sentence := range r.Missing() {
		t.Log(sentence)
	}
	s := shell(t, "ls /opt/environment; (echo x > /opt/environment/x) 2>/dev/null && echo wrote")
	s.Image = &rootfs.Image{Folders: []rootfs.Folder{{Source: dir, Target: "/opt/environment", CopyOnWrite: true}}}
	if res := run(t, r, s); !strings.Contains(res.out, "upper") || strings.Contains(res.out, "wrote") {
		t.Errorf("an environment: %s", res.out)
	}
	for range 2 {
		asks(t, r, shell(t, `ls /poison /etc/poison 2>/dev/null
			for d in / /etc /tmp /root /var /opt; do echo x > $d/poison || echo cannot write $d; done
			for d in /usr /usr/bin /opt/*/; do (echo x > $d/poison) 2>/dev/null && echo wrote $d; done; id -un`), "root")
	}
	if _, err := os.Lstat("/opt/poison"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("/opt/poison is on the machine: %v", err)
	}
	imageWithoutOverlays(t, r, dir)
}

// imageWithoutOverlays runs an image of two layers, which each container has a copy of.
func imageWithoutOverlays(t *testing.T, r *Runtime, dir string) {
	t.Helper()
	box, err := os.ReadFile("/bin/busybox")
	if err != nil || bytes.Contains(box[:min(len(box), 4096)], []byte("ld-linux")) {
		t.Log("a busybox that stands alone (Debian's busybox-static) is not here")
		return
	}
	for name, content := range map[string]string{"base/bin/sh": string(box), "base/data/old": "old", "over/data/new": "new"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	s := shell(t, "cd /data; echo *; (echo x > more) 2>/dev/null && echo *; (echo x > /more) 2>/dev/null && echo wrote; [ -e /usr ] || echo own")
	s.Image = &rootfs.Image{Reference: "ada/box", Layers: []string{dir + "/over", dir + "/base"}, Packed: &oci.Image{}, Volumes: []string{"/data"}}
	for range 2 {
		asks(t, r, s, "new old\nmore new old\nwrote\nown")
	}
	s.ReadOnlyRoot = true // but for the volume
	asks(t, r, s, "new old\nmore new old\nown")
}

// A folder that weir must hide is hidden although it lies in a system folder.
func TestHiddenInSystemFolder(t *testing.T) {
	dir, err := os.MkdirTemp("/opt", "weir-test-")
	if err != nil {
		t.Skip("this user cannot write to /opt:", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.WriteFile(dir+"/key", []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := New(t.Context(), Config{Dir: dir + "/containers", Hide: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Kind() != Full {
		t.Skip(strings.Join(r.Missing(), " "))
	}
	asks(t, r, shell(t, "ls -A "+dir), "")
}

// Capabilities are what the pod was given, and no more.
func TestCapabilitiesOfProcess(t *testing.T) {
	r := runtimeOf(t)
	const script = `grep -e CapPrm -e CapEff -e CapBnd -e CapInh -e CapAmb /proc/self/status | tr -d '\t' | sort`
	const none = "0000000000000000"
	for name, c := range map[string]struct {
		why       string
		add, drop []string
		uid       uint32
		eff, bnd  string
	}{
		"Usual":   {why: "What all container runtimes give.", eff: "00000000a80425fb", bnd: "00000000a80425fb"},
		"None":    {why: "Dropping all leaves none.", drop: []string{"ALL"}, eff: none, bnd: none},
		"Added":   {why: "One can be given back.", drop: []string{"ALL"}, add: []string{"NET_ADMIN"}, eff: "0000000000001000", bnd: "0000000000001000"},
		"NotRoot": {why: "Another user has none, but programs may give it the usual ones.", uid: 1000, eff: none, bnd: "00000000a80425fb"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.uid != 0 && r.ids.inUser {
				t.Skip("there is one user in this user namespace")
			}
			s := shell(t, script)
			s.UID = c.uid
			var err error
			if s.Capabilities, err = Capabilities(c.add, c.drop); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("CapAmb:%s\nCapBnd:%s\nCapEff:%s\nCapInh:%s\nCapPrm:%s", none, c.bnd, c.eff, none, c.eff)
			asks(t, r, s, want)
		})
	}
}

func TestNoNewPrivileges(t *testing.T) {
	r := runtimeOf(t)
	s := shell(t, `grep NoNewPrivs /proc/self/status | tr -d '\t'`)
	asks(t, r, s, "NoNewPrivs:0")
	s.NoNewPrivileges = true
	asks(t, r, s, "NoNewPrivs:1")
}
