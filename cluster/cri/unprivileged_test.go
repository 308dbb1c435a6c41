package cri

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// unprivileged is set in the run of the tests that TestUnprivileged makes.
const unprivileged = "WEIR_TEST_UNPRIVILEGED"

// What matters most holds for a user without rights, in namespaces of their own, as well.
func TestUnprivileged(t *testing.T) {
	if os.Getenv(unprivileged) != "" || os.Getuid() != 0 {
		t.Skip("only root can become nobody; the other tests run unprivileged now")
	}
	for _, tool := range []string{"setpriv", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("this machine has no", tool)
		}
	}
	dir, err := os.MkdirTemp("", "weir-test-")
	must(t, err)
	defer os.RemoveAll(dir)
	must(t, os.Chmod(dir, 0o755))
	tmp, program := filepath.Join(dir, "tmp"), filepath.Join(dir, "suite")
	must(t, os.Mkdir(tmp, 0o700))
	must(t, os.Chown(tmp, 65534, 65534))
	copyProgram(t, program)

	cmd := exec.CommandContext(t.Context(), "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
		"unshare", "-Urmnpf", "--mount-proc", program,
		"-test.run=TestPodRunsToItsEnd|TestEnvironment|TestImageAndPod|TestMounts|TestExec$|TestAttach|TestPortForward|TestTargetedProcesses|TestSharedProcesses")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), unprivileged+"=yes", "TMPDIR="+tmp)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	must(t, err)
	defer from.Close()
	copied, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	must(t, err)
	_, err = io.Copy(copied, from)
	must(t, err)
	must(t, copied.Close())
}

// needsUsers skips a test where there is no user but root.
func needsUsers(t *testing.T) {
	t.Helper()
	ids, err := os.ReadFile("/proc/self/uid_map")
	must(t, err)
	if fields := strings.Fields(string(ids)); len(fields) == 3 && fields[2] == "1" {
		t.Skip("there is no other user in this user namespace")
	}
}
