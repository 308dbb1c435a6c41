package environment

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Where neither uv nor pip is there, uv comes out of the newest wheel of the index
// that the shell names, if it is what the index says it is.
func TestFetchUV(t *testing.T) {
	t.Parallel()
	var wheel bytes.Buffer
	z := zip.NewWriter(&wheel)
	w, err := z.Create("uv-0.9.1.data/scripts/uv")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("#!/bin/sh\necho uv 0.9.1\n")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(wheel.Bytes()))
	machine := platforms[runtime.GOARCH]
	link := func(version, sum string) string {
		return fmt.Sprintf(`<a href="/files/uv-%s-py3-none-musllinux_1_1_%s.whl#sha256=%s">uv</a>`, version, machine, sum)
	}
	for name, c := range map[string]struct {
		page string
		ok   bool
	}{
		"Newest":       {link("0.9.0", strings.Repeat("0", 64)) + link("0.9.1", sum), true},
		"NotWhatItIs":  {link("0.9.1", strings.Repeat("0", 64)), false},
		"OtherMachine": {strings.ReplaceAll(link("0.9.1", sum), machine, "riscv64"), false},
	} {
		t.Run(name, func(t *testing.T) {
			index := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/simple/uv/" {
					fmt.Fprint(w, c.page)
					return
				}
				_, _ = w.Write(wheel.Bytes())
			}))
			defer index.Close()
			dir := t.TempDir()
			err := fetchUV(t.Context(), []string{"UV_DEFAULT_INDEX=" + index.URL + "/simple"}, dir)
			if (err == nil) != c.ok {
				t.Fatalf("error %v, want success: %v", err, c.ok)
			}
			if c.ok && !recent(t.Context(), filepath.Join(dir, "uv")) {
				t.Error("what was fetched is no uv that we can use")
			}
		})
	}
	if err := fetchUV(t.Context(), nil, t.TempDir()); err == nil || !strings.Contains(err.Error(), "UV_DEFAULT_INDEX") {
		t.Errorf("without an index: %v, want the name of the setting", err)
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
