package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// debianRoot is the root of a Debian, as a tar. It takes a minute to make, so it is kept
// in the user's cache.
func debianRoot(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip("there is no folder to keep a Debian in:", err)
	}
	root := filepath.Join(cache, "weir-tests", "debian-bookworm.tar")
	if _, err := os.Stat(root); err == nil {
		return root
	}
	program, err := exec.LookPath("mmdebstrap")
	if err != nil {
		t.Skip("mmdebstrap (a Debian package) is not on this machine")
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(t.TempDir(), "root.tar")
	if out, err := exec.CommandContext(t.Context(), program, "--variant=essential", "--include=ca-certificates", "bookworm", made).CombinedOutput(); err != nil {
		t.Skipf("no Debian can be made here: %v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), "mv", made, root).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return root
}

// A whole system runs, as umoci has made an image of it in two steps: with its owners,
// its programs for everybody's use, its devices that count for nothing, and without what
// the second step removed.
func TestDebianImage(t *testing.T) {
	umoci, err := exec.LookPath("umoci")
	if err != nil {
		t.Skip("umoci (a Debian package) is not on this machine")
	}
	if os.Getuid() != 0 {
		t.Skip("only root can unpack a system with its owners")
	}
	s := begin(t)
	root, dir := debianRoot(t), t.TempDir()
	run := func(program string, args ...string) {
		t.Helper()
		c := exec.CommandContext(t.Context(), program, args...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
		}
	}
	run(umoci, "init", "--layout", "layout")
	run(umoci, "new", "--image", "layout:v1")
	run(umoci, "unpack", "--image", "layout:v1", "bundle")
	run("tar", "-xf", root, "-C", "bundle/rootfs")
	run(umoci, "repack", "--refresh-bundle", "--image", "layout:v1", "bundle")
	run("rm", "-r", "bundle/rootfs/usr/share/doc")
	run(umoci, "repack", "--image", "layout:v1", "bundle")
	run(umoci, "config", "--image", "layout:v1", "--config.user", "www-data", "--config.cmd", "sleep", "--config.cmd", "1000", "--config.env", "GREETING=hello", "--config.workingdir", "/var/lib")

	image := "weir.local/" + s.namespace + "/debian:v2"
	s.weir.must(t, "image", "load", filepath.Join(dir, "layout"), "--tag", image)
	s.apply(strings.Replace(pod("debian", "imagePullPolicy: Never"), "python:3.11", image, 1))
	s.runs("debian")
	for script, want := range map[string]string{
		"id -un; pwd; echo $GREETING":                             "www-data\n/var/lib\nhello\n",
		"stat -c '%a %U %G' /bin/su /tmp /var/local":              "4755 root root\n1777 root root\n2775 root staff\n",
		"ls /usr/share/doc 2>/dev/null || echo gone":              "gone\n",
		"dpkg-query -W -f '${Status}' base-files":                 "install ok installed",
		"perl -e 'print 6*7'":                                     "42",
		"test -e /usr/bin/perl5.36.0 && stat -c %h /usr/bin/perl": "2\n",
		"echo x > /etc/passwd 2>/dev/null || echo no":             "no\n",
		"cat /dev/null && head -c 2 /dev/zero | wc -c":            "2\n",
	} {
		if out := s.exec("debian", script); out != want {
			t.Errorf("%s\nprints %q, want %q", script, out, want)
		}
	}
	s.apply(strings.NewReplacer("python:3.11", image, "imagePullPolicy: Never", "imagePullPolicy: Never\n    securityContext: {runAsUser: 0}").Replace(pod("administrator", "imagePullPolicy: Never")))
	s.runs("administrator")
	if out := s.exec("administrator", "echo tester:x:1234:1234::/:/bin/sh >> /etc/passwd && chown tester /srv && setpriv --reuid tester --clear-groups stat -c %U /srv"); out != "tester\n" {
		t.Errorf("root of the container changes what is its own: %q", out)
	}
}
