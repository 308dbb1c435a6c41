// Package await holds a program in a new user namespace back until somebody
// outside has said which users there are, and then starts it again as root.
//
// A program that is started before that is nobody, and has lost its rights. Like
// the first code of a container this comes before all else that the program is
// made of, since it imports nothing but syscall and unsafe, and so costs 2 ms and
// not 100.
package await

import (
	"syscall"
	"unsafe"
)

// Variable names a descriptor to wait for: a byte from it says that users and
// groups are there. Its end says that who would tell is gone, then and later.
const Variable = "WEIR_NAMESPACES_AWAIT"

// started is what Variable is in the program that was started again.
const started = "again"

func init() {
	v, ok := syscall.Getenv(Variable)
	if !ok {
		return
	}
	if fd, again := cut(v); again {
		die(fd)
	} else {
		wait(fd)
	}
}

// wait does not return.
func wait(fd int) {
	var said [1]byte
	for {
		n, err := syscall.Read(fd, said[:])
		if err == syscall.EINTR {
			continue
		}
		if n != 1 {
			syscall.Exit(126)
		}
		break
	}
	v, _ := syscall.Getenv(Variable)
	_ = syscall.Setenv(Variable, v+started)
	_ = syscall.Exec("/proc/self/exe", arguments(), syscall.Environ())
	syscall.Exit(127)
}

// die makes this process die with its parent, which the kernel has forgotten when
// the process became root; and if the parent is gone already, it dies now.
func die(fd int) {
	syscall.RawSyscall6(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0, 0)
	poll := struct {
		fd              int32
		events, revents int16
	}{fd: int32(fd)}
	var atOnce syscall.Timespec
	n, _, _ := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(unsafe.Pointer(&atOnce)), 0, 0, 0)
	if n != 0 {
		syscall.Exit(126)
	}
	_ = syscall.Close(fd)
	_ = syscall.Unsetenv(Variable)
}

// cut takes a descriptor's number off the beginning of s, and says whether there
// is more.
func cut(s string) (n int, more bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return n, true
		}
		n = 10*n + int(s[i]-'0')
	}
	return n, false
}

// arguments are this program's, which package os does not know yet.
func arguments() []string {
	fd, err := syscall.Open("/proc/self/cmdline", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		syscall.Exit(126)
	}
	defer syscall.Close(fd)
	var args []string
	var arg []byte
	for block := make([]byte, 4096); ; {
		n, err := syscall.Read(fd, block)
		if err == syscall.EINTR {
			continue
		}
		if n <= 0 {
			return args
		}
		for _, b := range block[:n] {
			if b != 0 {
				arg = append(arg, b)
				continue
			}
			args, arg = append(args, string(arg)), nil
		}
	}
}
