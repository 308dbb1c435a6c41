package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pip installs the wheel: the program is on the PATH of its environment, the
// client is there, and both are known by what pyproject.toml says.
func TestWheel(t *testing.T) {
	if err := exec.Command("python3", "-m", "pip", "--version").Run(); err != nil {
		t.Skip("there is no pip")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "weir")
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() { println(\"it runs\") }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", program, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wheel, err := write(program, "../../python/weir", filepath.Join(dir, "dist"))
	if err != nil {
		t.Fatal(err)
	}
	installed := filepath.Join(dir, "installed")
	if out, err := exec.Command("python3", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", installed, wheel).CombinedOutput(); err != nil {
		t.Fatalf("pip: %v: %s", err, out)
	}
	if out, err := exec.Command(filepath.Join(installed, "bin", "weir")).CombinedOutput(); err != nil || string(out) != "it runs\n" {
		t.Errorf("the program: %v: %s", err, out)
	}
	check := exec.Command("python3", "-c", `
import importlib.metadata as m, importlib.resources as r
d = m.distribution("weir-ml")
print(d.version, sorted(d.requires), d.read_text("WHEEL").count("Tag: py3-none-m"), (r.files("weir") / "templates.json").is_file(), (r.files("weir") / "py.typed").is_file())
`)
	check.Env = append(os.Environ(), "PYTHONPATH="+stub(t)+":"+installed)
	out, err := check.CombinedOutput()
	if want := "0.1.0 ['boto3>=1.28', 'kubernetes>=29'] 2 True True\n"; err != nil || string(out) != want {
		t.Errorf("the client: %v: %swant: %s", err, out, want)
	}
}

// stub stands for what the client depends on, which nobody installed.
func stub(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"kubernetes.py", "boto3.py", "botocore/__init__.py", "botocore/config.py", "botocore/exceptions.py"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A program that asks for libraries would not start everywhere, and one for
// nobody's machine nowhere.
func TestPlatforms(t *testing.T) {
	for file, want := range map[string]string{"/proc/self/exe": "", "main.go": "bad magic number"} {
		if _, err := platforms(file); want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %s", file, err, want)
		}
	}
}
