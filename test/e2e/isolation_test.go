package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// A pod sees what it needs of this machine, and nothing of its people.
func TestAPodDoesNotSee(t *testing.T) {
	s := begin(t)
	s.doesNotSee(t)
}

// doesNotSee looks from a pod at what it must not see.
func (s *story) doesNotSee(t *testing.T) {
	home, err := os.MkdirTemp("/home", "somebody-")
	if err != nil {
		t.Skip("this user may not make a folder in /home: ", err)
	}
	defer os.RemoveAll(home)
	// They may be open to others on this machine; they are not to pods.
	if err := os.Chmod(home, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, "letter"), "private")
	mark := "weir-e2e-of-the-machine-" + strconv.Itoa(os.Getpid())
	ours := filepath.Join("/tmp", mark)
	write(t, ours, "private")
	defer os.Remove(ours)

	s.apply(pod("other", `command: [sleep, "4711"]`) + "---\n" + pod("looks", `command: [sleep, "1000"]`))
	s.runs("looks")
	s.runs("other")
	cases := map[string]struct{ why, path string }{
		"HomeFolders":  {"What people have at home is theirs.", filepath.Join(home, "letter")},
		"Passwords":    {"Hashes of passwords are for login alone.", "/etc/shadow"},
		"HostKeys":     {"Nor may it pretend to be this machine.", "/etc/ssh/ssh_host_ed25519_key"},
		"Data":         {"Weir's data are everybody's pods' data.", s.dir},
		"Keys":         {"Whoever has the kubeconfig rules.", filepath.Join(s.dir, "kubeconfig")},
		"Temporary":    {"Its /tmp is its own.", ours},
		"Docker":       {"A socket of a daemon is a way out.", "/run/docker.sock"},
		"KernelMemory": {"Nor are there devices but the harmless.", "/dev/mem"},
		"Disks":        {"A disk is every file on it.", "/dev/vda"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if a := s.ask(t, "", "kubectl", "-n", s.namespace, "exec", "looks", "--", "cat", tc.path); a.code == 0 {
				t.Errorf("%s is seen. %s", tc.path, tc.why)
			}
		})
	}

	t.Run("Processes", func(t *testing.T) {
		seen := s.exec("looks", `for p in /proc/[0-9]*; do tr '\0' ' ' < $p/cmdline; echo; done`)
		if strings.Contains(seen, "4711") || strings.Contains(seen, "weir") {
			t.Errorf("processes of others are seen:\n%s", seen)
		}
		if first := s.exec("looks", `tr '\0' ' ' < /proc/1/cmdline`); !strings.Contains(first, "sleep 1000") {
			t.Errorf("process 1 is %q, not the pod's own", first)
		}
	})
	t.Run("Neighbours", func(t *testing.T) {
		s.exec("other", "echo secret > /tmp/kept")
		if a := s.ask(t, "", "kubectl", "-n", s.namespace, "exec", "looks", "--", "cat", "/tmp/kept"); a.code == 0 {
			t.Error("a file of another pod's /tmp is seen")
		}
	})
}

// exec runs a line of shell in a pod, which must succeed.
func (s *story) exec(pod, line string) string {
	s.Helper()
	return s.kubectl("exec", pod, "--", "sh", "-c", line)
}

// What a pod writes outside of its volumes is its own, and goes with it.
func TestWhatAPodWritesStaysInIt(t *testing.T) {
	s := begin(t)
	s.apply(pod("it", `command: [sleep, "1000"]`))
	s.runs("it")
	const name = "weir-e2e-was-here"
	for _, folder := range []string{"/usr/bin", "/usr/local/lib", "/opt", "/etc", "/tmp", "/run", "/root", "/home", "/var/tmp", "/srv"} {
		t.Run(strings.ReplaceAll(folder, "/", "_"), func(t *testing.T) {
			file := filepath.Join(folder, name)
			if got := s.exec("it", "mkdir -p "+folder+" && echo mine > "+file+" && cat "+file); got != "mine\n" {
				t.Errorf("the pod reads back %q", got)
			}
			if _, err := os.Lstat(file); err == nil {
				t.Errorf("%s is on this machine", file)
				_ = os.Remove(file)
			}
		})
	}
	// Nor does it take away; without rights it may not be able to.
	_ = s.ask(t, "", "kubectl", "-n", s.namespace, "exec", "it", "--", "sh", "-c", "rm -f /usr/bin/env; rm -rf /usr/share/doc")
	for _, file := range []string{"/usr/bin/env", "/usr/share"} {
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s is gone from this machine: %v", file, err)
		}
	}
}

// A pod's root is not this machine's root: it has the rights that containers
// usually have, fewer where it asks for fewer, and keeps them fewer.
func TestCapabilities(t *testing.T) {
	s := begin(t)
	look := `command: [sh, -c, "grep -E 'Cap(Eff|Bnd)|NoNewPrivs' /proc/self/status"]`
	cases := map[string]struct {
		why, name, context string
		want               map[string]string
	}{
		"Usual": {
			why: "What Docker and containerd give.", name: "usual",
			want: map[string]string{"CapEff": "00000000a80425fb", "CapBnd": "00000000a80425fb", "NoNewPrivs": "0"},
		},
		"None": {
			why: "As the restricted profile wants it.", name: "none",
			context: "securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}",
			want:    map[string]string{"CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1"},
		},
		"One": {
			why: "One asked for by name.", name: "one",
			context: "securityContext: {capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}",
			want:    map[string]string{"CapEff": "0000000000000400", "CapBnd": "0000000000000400", "NoNewPrivs": "0"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s.apply(pod(tc.name, look, tc.context))
			out := s.ends(tc.name, corev1.PodSucceeded)
			for field, want := range tc.want {
				m := regexp.MustCompile(field + `:\s+(\S+)`).FindStringSubmatch(out)
				if m == nil || m[1] != want {
					t.Errorf("%s of %s is %v, want %s. %s", field, tc.name, m, want, tc.why)
				}
			}
		})
	}

	t.Run("Deeds", func(t *testing.T) {
		s.apply(pod("deeds", `command: [sh, -c, "exec 2>&1; mount -t tmpfs none /mnt; hostname other; date -s 12:00; mknod /tmp/disk b 8 0 && head -c1 /tmp/disk; echo b > /proc/sysrq-trigger || echo done"]`))
		out := s.ends("deeds", corev1.PodSucceeded)
		if !strings.HasSuffix(out, "done\n") {
			t.Errorf("the pod said %q", out)
		}
		for _, refused := range []string{"mount: ", "hostname: ", "date: ", "disk", "sysrq-trigger"} {
			if !strings.Contains(out, refused) {
				t.Errorf("nothing refused %q:\n%s", refused, out)
			}
		}
	})
}

// A folder of this machine is mounted only where weir was started with it.
func TestHostPath(t *testing.T) {
	s := begin(t)
	const mount = `volumeMounts: [{name: v, mountPath: /v}]`
	volume := func(path string) string {
		return "restartPolicy: Never\nvolumes: [{name: v, hostPath: {path: " + path + "}}]"
	}
	write(t, filepath.Join(looked, "given"), "to be read\n")

	t.Run("Shared", func(t *testing.T) {
		s.apply(podWith("shared", volume(open), mount, `command: [sh, -c, "echo back > /v/left"]`))
		s.ends("shared", corev1.PodSucceeded)
		if got, err := os.ReadFile(filepath.Join(open, "left")); string(got) != "back\n" {
			t.Errorf("on this machine the file is %q (%v)", got, err)
		}
	})
	t.Run("ReadOnly", func(t *testing.T) {
		s.apply(podWith("readonly", volume(looked), mount, `command: [sh, -c, "exec 2>&1; cat /v/given; ! echo mine > /v/given"]`))
		if out := s.ends("readonly", corev1.PodSucceeded); !strings.HasPrefix(out, "to be read\n") {
			t.Errorf("the pod read %q", out)
		}
	})
	t.Run("NotShared", func(t *testing.T) {
		for name, path := range map[string]string{"etc": "/etc", "above": filepath.Dir(open), "root": "/"} {
			name = "refused-" + name
			s.apply(podWith(name, volume(path), mount, `command: [ls, /v]`))
			s.eventually(time.Minute, "the volume "+path+" is refused, and why is said", func() (bool, string) {
				a := s.ask(t, "", "explain", "pod/"+name, "-n", s.namespace)
				return a.code == 2 && strings.Contains(a.out, "--share"), a.out + a.err
			})
			if p, _ := s.pod(name); p.Status.Phase != corev1.PodPending {
				t.Errorf("pod %s: %s", name, said(p))
			}
		}
	})
	t.Run("LinkOutOfAShare", func(t *testing.T) {
		if err := os.Symlink("/etc", filepath.Join(open, "link")); err != nil {
			t.Fatal(err)
		}
		s.apply(podWith("link", volume(open+"/link"), mount, `command: [ls, /v]`))
		s.eventually(time.Minute, "what a link leads to is refused", func() (bool, string) {
			a := s.ask(t, "", "explain", "pod/link", "-n", s.namespace)
			return a.code == 2 && strings.Contains(a.out, "--share"), a.out + a.err
		})
	})
}
