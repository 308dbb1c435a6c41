package entry

import (
	"syscall"
	"unsafe"
)

// What package syscall, which is frozen, does not name.
const (
	sysOpenTree     = 428
	sysMoveMount    = 429
	sysCloseRange   = 436
	sysOpenat2      = 437
	sysMountSetattr = 442

	atFDCWD         = -0x64
	atEmptyPath     = 0x1000
	atRecursive     = 0x8000
	openPath        = 0x200000
	openTreeClone   = 1
	openTreeCloexec = syscall.O_CLOEXEC
	moveFromEmpty   = 0x4
	moveToEmpty     = 0x40

	resolveNoSymlinks = 0x4
	resolveInRoot     = 0x10

	closeRangeCloexec = 4

	attrReadOnly = 0x1

	keyctlJoinSessionKeyring = 1

	prCapBSetDrop      = 24
	prSetNoNewPrivs    = 38
	prCapAmbient       = 47
	prCapAmbientClear  = 4
	seccompModeFilter  = 2
	capabilityVersion3 = 0x20080522
	highestCapability  = 63
	cloneNewCgroup     = 0x02000000
)

func setns(fd int, name string) error {
	kind := map[string]uintptr{
		"mnt": syscall.CLONE_NEWNS, "uts": syscall.CLONE_NEWUTS, "ipc": syscall.CLONE_NEWIPC,
		"net": syscall.CLONE_NEWNET, "cgroup": cloneNewCgroup,
	}[name]
	_, _, errno := syscall.Syscall(sysSetns, uintptr(fd), kind, 0)
	return orNil(errno)
}

func openTree(dir int, path string, flags uintptr) (int, error) {
	name, err := syscall.BytePtrFromString(path)
	if err != nil {
		return -1, err
	}
	fd, _, errno := syscall.Syscall(sysOpenTree, uintptr(dir), uintptr(unsafe.Pointer(name)), flags)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

func moveMount(from, to int) error {
	var empty byte
	_, _, errno := syscall.Syscall6(sysMoveMount, uintptr(from), uintptr(unsafe.Pointer(&empty)), uintptr(to), uintptr(unsafe.Pointer(&empty)), moveFromEmpty|moveToEmpty, 0)
	return orNil(errno)
}

func setAttributes(fd int, recursive bool, set, propagation uintptr) error {
	if set == 0 && propagation == 0 {
		return nil
	}
	flags := uintptr(atEmptyPath)
	if recursive {
		flags |= atRecursive
	}
	attr := struct{ set, clear, propagation, userns uint64 }{set: uint64(set), propagation: uint64(propagation)}
	var empty byte
	_, _, errno := syscall.Syscall6(sysMountSetattr, uintptr(fd), uintptr(unsafe.Pointer(&empty)), flags, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	return orNil(errno)
}

func prctl(option, arg uintptr) error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, option, arg, 0, 0, 0, 0)
	return orNil(errno)
}

func orNil(errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

func fail(step string, err error) *Failure {
	errno, _ := err.(syscall.Errno)
	return &Failure{Step: step, Errno: uint64(errno)}
}
