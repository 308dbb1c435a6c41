package environment

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What is compiled for one environment is another's too, and Python takes it as it is.
func TestCompiledOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t, Options{Environ: environ(t)})
	build := func(r Recipe) (module, compiled string) {
		t.Helper()
		e, err := s.Build(t.Context(), r, nil)
		if err != nil {
			t.Fatal(err)
		}
		modules, _ := filepath.Glob(filepath.Join(e.Folders[0].Source, "lib", "python3*", "site-packages", "six.py"))
		all, _ := filepath.Glob(filepath.Join(e.Folders[0].Source, "lib", "python3*", "site-packages", "__pycache__", "six.*.pyc"))
		if len(modules) != 1 || len(all) != 1 {
			t.Fatalf("modules %v, compiled %v", modules, all)
		}
		return modules[0], all[0]
	}
	stat := func(file string) os.FileInfo {
		t.Helper()
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	module, one := build(Recipe{Image: "one", Requirements: []string{"six==1.17.0"}})
	other, two := build(Recipe{Image: "two", Requirements: []string{"six==1.17.0", "toml==0.10.2"}})
	if !os.SameFile(stat(module), stat(other)) {
		t.Skip("the packages are copied here, and not linked")
	}
	if !os.SameFile(stat(one), stat(two)) {
		t.Error("it was compiled twice")
	}
	// Python would write it again if it did not fit.
	python := filepath.Join(filepath.Dir(other), "..", "..", "..", "bin", "python")
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import six, toml; assert six.__cached__").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !os.SameFile(stat(one), stat(two)) {
		t.Error("Python compiled it again")
	}
	if err := s.forgetCompiled(); err != nil {
		t.Fatal(err)
	}
	if n := stat(two); n.Size() == 0 {
		t.Error("what is compiled is gone")
	}
}
