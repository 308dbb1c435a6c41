package environment

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An environment runs where there is nothing but its own files, and what was
// compiled for it counts there.
func TestPortable(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("another root is for root")
	}
	t.Parallel()
	s := sharedStore(t)
	e, err := s.Build(t.Context(), Recipe{Image: "six", Requirements: []string{"six"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := e.Portable()
	if err != nil || len(parts) != 3 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	root := t.TempDir()
	for _, p := range parts {
		for _, f := range p {
			lay(t, root, f)
		}
	}
	script := `import ssl, sqlite3, ctypes, six, sys, os; print(six.__file__, os.path.exists("/usr/bin/python3-config"))`
	run := exec.CommandContext(t.Context(), "chroot", root, "/bin/sh", "-c", `PATH=/opt/environment/bin:/bin; export PATH; pip --version && python3 -v -c '`+script+`'`)
	run.Env = []string{}
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("in a root of its own: %v\n%s", err, out)
	}
	for _, want := range []string{"pip ", "/opt/environment/lib", "six.py False", "six.cpython", "matches /opt/environment"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

// lay puts a file below a root, as an image does.
func lay(t *testing.T, root string, f File) {
	t.Helper()
	at := filepath.Join(root, f.Name)
	err := os.MkdirAll(filepath.Dir(at), 0o755)
	switch {
	case err != nil:
	case f.Mode.IsDir():
		err = os.MkdirAll(at, f.Mode.Perm())
	case f.Mode&fs.ModeSymlink != 0:
		err = os.Symlink(f.Link, at)
	default:
		data := f.Head
		if f.Source != "" {
			if data, err = os.ReadFile(f.Source); err == nil {
				copy(data, f.Head)
			}
		}
		if err == nil {
			err = os.WriteFile(at, data, f.Mode.Perm())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if f.Mode.IsRegular() {
		zero := time.Unix(0, 0)
		if err := os.Chtimes(at, zero, zero); err != nil {
			t.Fatal(err)
		}
	}
}

// What means programs of this machine does not become an image.
func TestNotPortable(t *testing.T) {
	t.Parallel()
	s := sharedStore(t)
	e, err := s.Build(t.Context(), Recipe{Image: "tools", Folder: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Portable(); err == nil || !strings.Contains(err.Error(), "no Python") {
		t.Errorf("error %v", err)
	}
}
