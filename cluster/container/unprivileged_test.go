package container

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// insideUser marks the run of this suite by somebody who is nobody.
const insideUser = "WEIR_TEST_UNPRIVILEGED"

// The whole suite runs again as an unprivileged user who is root in a user
// namespace only, as weir is when a person without rights starts it.
func TestUnprivileged(t *testing.T) {
	if os.Getenv(insideUser) != "" {
		t.Skip("this is that run")
	}
	if os.Getuid() != 0 {
		t.Skip("only root can become nobody; the other tests have run unprivileged")
	}
	for _, tool := range []string{"setpriv", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("this machine has no", tool)
		}
	}
	dir := publicFolder(t)
	program := filepath.Join(dir, "suite")
	copyProgram(t, program)
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
		"unshare", "-Urmnpf", "--mount-proc", program, "-test.v", "-test.skip=TestUnprivileged")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), insideUser+"=yes", "TMPDIR="+filepath.Join(dir, "tmp"))
	out, err := cmd.CombinedOutput()
	if testing.Verbose() || err != nil {
		t.Logf("%s", out)
	}
	if err != nil {
		t.Error(err)
	}
}

// publicFolder returns a folder that everybody may enter, with one in it, tmp,
// that everybody may write.
func publicFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(tmp, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, from); err != nil {
		t.Fatal(err)
	}
}
