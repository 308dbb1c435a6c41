package environment

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Where neither uv nor pip is there, uv comes out of its wheel.
func TestFetchUV(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := fetchUV(t.Context(), environ(t), dir); err != nil {
		t.Fatal(err)
	}
	if p := filepath.Join(dir, "uv"); !recent(t.Context(), p) {
		out, err := exec.Command(p, "--version").CombinedOutput()
		t.Errorf("what was fetched is no uv that we can use: %s, %v", out, err)
	}
}

// A Python without pip, as Debian ships it, and an index that is away: the
// error says that it is uv that is missing.
func TestNoWayToUV(t *testing.T) {
	t.Parallel()
	environ(t)
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	bin := t.TempDir()
	script := "#!/bin/sh\ncase \"$*\" in *pip*) echo 'No module named pip' >&2; exit 1;; esac\nexec " + python + " \"$@\"\n"
	for _, name := range []string{"python3", "uv"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := newStore(t, Options{Environ: append(os.Environ(), "PATH="+bin, "PIP_INDEX_URL=http://127.0.0.1:9/simple", "UV_DEFAULT_INDEX=http://127.0.0.1:9/simple", "PIP_RETRIES=0")})
	if s.onPath("python3")[0] != filepath.Join(bin, "python3") {
		t.Fatal(s.onPath("python3"))
	}
	if len(s.onPath("uv")) > 1 {
		t.Skip("uv is installed in a folder of the system")
	}
	_, err = s.Build(t.Context(), Recipe{Image: "mine:*", Requirements: []string{"six"}}, nil)
	var be *BuildError
	if !errors.As(err, &be) || be.Cause != NoIndex || be.Package != "uv" {
		t.Errorf("error %v, want one about uv", err)
	}
}
