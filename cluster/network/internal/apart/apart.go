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
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/clustertest"
)

const variable = "WEIR_TEST_APART"

// nobody is the user that unprivileged tests run as.
const nobody = 65534

// Inside says whether this process is one that Run has started.
func Inside() bool { return os.Getenv(variable) != "" }

// Unprivileged says whether the tests run as a user that is mapped to root.
func Unprivileged() bool { return os.Getenv(variable) == "user" }

// Run has run, such as the Run of a testing.M, run the tests, and returns the
// exit code for TestMain. Where the machine refuses namespaces it says so, and
// runs none.
func Run(run func() int) int {
	if Inside() {
		return run()
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

// RunWithServer is Run for tests that use clustertest's API server.
func RunWithServer(m *testing.M) int {
	if !Inside() {
		// Those inside may not be able to build it.
		binary, err := clustertest.Binary()
		if err == nil {
			err = os.Setenv("WEIR_BINARY", binary)
		}
		if err != nil {
			fmt.Println(err)
			return 1
		}
	}
	return Run(func() int { return clustertest.Main(m) })
}

func again(kind string) int {
	// The log of what the tests read is in a folder that the user may not open.
	args := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(a string) bool { return strings.HasPrefix(a, "-test.testlogfile=") })
	cmd := exec.Command("/proc/self/exe", args...)
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
