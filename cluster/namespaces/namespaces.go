// Package namespaces starts this program again in pid, mount and network
// namespaces of its own, and in a user namespace when it is not root.
//
//	outer: the user's namespaces          inner: pid 1 of its own
//	  listens on 127.0.0.1   ── files ──▶   serves there, mounts, makes networks
//	  waits and passes on    ◀─ control ─   says what is ready
//
// Whatever the inner process mounts, listens on or starts is its own, and ends
// with it: the kernel kills a pid namespace whole, also after kill -9.
package namespaces

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Kind says which namespaces the program got.
type Kind string

const (
	// Full is root in pid, mount and network namespaces.
	Full Kind = "full"
	// User is the same in a user namespace: this user, who is root there, and
	// whatever subordinate ids the machine gives.
	User Kind = "user"
	// None is no namespaces: the machine does not allow them.
	None Kind = "none"
)

// firstFile is the number of the first file that is handed over.
const firstFile = 3

const insideVariable = "WEIR_NAMESPACES"

// A Config says what to start.
type Config struct {
	// Args are the arguments of the program, without its name.
	Args []string
	// Files are handed over in this order; Inside gives them back.
	Files                 []*os.File
	Stdin, Stdout, Stderr *os.File
}

// Inside says whether this process was started by Start, in which namespaces,
// and returns the file with this index.
func Inside() (Kind, func(index int) *os.File, bool) {
	kind := Kind(os.Getenv(insideVariable))
	return kind, func(i int) *os.File { return os.NewFile(uintptr(firstFile+i), fmt.Sprintf("handed-over-%d", i)) }, kind != ""
}

// Supported says which namespaces the machine allows this user, and when there
// are none, why. It tries: what the kernel refuses is seldom written anywhere.
func Supported(ctx context.Context) (Kind, error) {
	var refused []error
	for _, kind := range candidates() {
		err := try(ctx, kind)
		if err == nil {
			return kind, nil
		}
		refused = append(refused, err)
	}
	return None, errors.Join(refused...)
}

func candidates() []Kind {
	if os.Geteuid() == 0 {
		return []Kind{Full, User}
	}
	return []Kind{User}
}

// try has another program mount /proc in namespaces of this kind: that is what
// fails where the outermost steps still work, as in a container.
func try(ctx context.Context, kind Kind) error {
	cmd := exec.CommandContext(ctx, "mount", "-t", "proc", "proc", "/proc")
	cmd.SysProcAttr = attributes(kind)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s namespaces: %w %s", kind, err, bytes.TrimSpace(out))
	}
	return nil
}

// Start runs the program in namespaces of this kind. It is killed when this
// process ends, however it ends, and interrupted when ctx does.
func Start(ctx context.Context, kind Kind, c Config) (*exec.Cmd, error) {
	if kind == User {
		if cmd, err := startMapped(ctx, c); err == nil {
			return cmd, nil
		} // else there is one user
	}
	cmd := command(ctx, kind, c)
	if err := launch(cmd); err != nil {
		return nil, fmt.Errorf("start in %s namespaces: %w", kind, err)
	}
	return cmd, nil
}

// launch starts a command that ends with this process.
func launch(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		// The kernel kills the child when the thread that started it ends,
		// not the process. This one stays until the child is gone.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = waitid(cmd.Process.Pid)
		}
	}()
	return <-started
}

func command(ctx context.Context, kind Kind, c Config) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", c.Args...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideVariable+"="+string(kind))
	cmd.ExtraFiles = c.Files
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if c.Stdin != nil {
		cmd.Stdin = c.Stdin
	}
	if c.Stdout != nil {
		cmd.Stdout = c.Stdout
	}
	if c.Stderr != nil {
		cmd.Stderr = c.Stderr
	}
	cmd.SysProcAttr = attributes(kind)
	return cmd
}

func attributes(kind Kind) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNET,
		// In this place it also makes mounts private, before the program runs.
		Unshareflags: unix.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
		// A signal from the terminal reaches this process, which passes it on.
		Setpgid: true,
	}
	if kind == User {
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return a
}

// waitid waits for the end of a child, and leaves it to be waited for again.
func waitid(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
