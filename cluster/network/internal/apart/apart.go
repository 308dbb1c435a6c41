// Package apart runs a package's tests in network and mount namespaces of their
// own, so that nothing they do reaches the machine: once as root, where the
// tests have root, and once as a user that is mapped to root.
package apart

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const variable = "WEIR_TEST_APART"

// nobody is the user that unprivileged tests run as.
const nobody = 65534

// Unprivileged says whether the tests run as a user that is mapped to root.
func Unprivileged() bool { return os.Getenv(variable) == "user" }

// Run runs the tests of m and returns the exit code for TestMain. Where the
// machine refuses namespaces it says so, and runs none.
func Run(m *testing.M) int {
	if os.Getenv(variable) != "" {
		return m.Run()
	}
	kinds := []string{"user"}
	if os.Geteuid() == 0 {
		kinds = []string{"root", "user"}
	}
	for _, kind := range kinds {
		if code := again(kind); code != 0 {
			return code
		}
	}
	return 0
}

func again(kind string) int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), variable+"="+kind)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if kind == "user" {
		uid, gid := os.Geteuid(), os.Getegid()
		if uid == 0 {
			uid, gid = nobody, nobody
		}
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: gid, Size: 1}}
		cmd.SysProcAttr.Credential = &syscall.Credential{NoSetGroups: true}
		cmd.Env = append(cmd.Env, "TMPDIR=/tmp")
	}
	// The kernel kills the child when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1)
	case err != nil:
		fmt.Printf("skipped: the machine refuses network namespaces (%s): %v\n", kind, err)
	}
	return 0
}
