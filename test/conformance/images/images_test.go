package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The images can be made while containers run from them: what is right stays the
// same file, and what is not is replaced.
func TestImagesAreMadeOnce(t *testing.T) {
	for _, program := range []string{"busybox", "nginx"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("this machine has no %s", program)
		}
	}
	bin, dir := t.TempDir(), t.TempDir()
	for _, name := range []string{"agnhost", "nnp", "etcd", "sample-apiserver"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	first, err := Make(bin, dir)
	if err != nil {
		t.Fatal(err)
	}
	stays, changes := filepath.Join(dir, "agnhost/files/localhost.crt"), filepath.Join(dir, "kitten/files/data.json")
	before, err := os.Stat(stays)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(changes, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}

	second, err := Make(bin, dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("recipes (-first +second):\n%s", diff)
	}
	if after, err := os.Stat(stays); err != nil || !os.SameFile(before, after) {
		t.Errorf("%s was made anew", stays)
	}
	if got, _ := os.ReadFile(changes); string(got) != "{\n  \"image\": \"kitten.jpg\"\n}\n" {
		t.Errorf("%s: %q", changes, got)
	}
	for _, name := range []string{"agnhost/files/agnhost-2", "busybox/files/usr/bin/sh", "nonewprivs/files/usr/local/bin/nnp"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
