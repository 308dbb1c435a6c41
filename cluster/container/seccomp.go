package container

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// newestCall is the highest number of a system call that somebody has thought
// about here. Later ones do not exist for a container that is filtered, whatever
// the kernel: programs then do without, as on an older kernel.
const newestCall = unix.SYS_MSEAL

// refused are the system calls that a filtered container may not make, unless it
// has the capability that they are for. They are those that container runtimes
// refuse by default: what changes the machine and not the container, what
// reaches into the kernel deeper than programs do, and what is long obsolete.
var refused = map[string][]uint32{
	"CAP_BPF":             {unix.SYS_BPF},
	"CAP_DAC_READ_SEARCH": {unix.SYS_OPEN_BY_HANDLE_AT},
	"CAP_PERFMON":         {unix.SYS_PERF_EVENT_OPEN},
	"CAP_SYS_ADMIN": {
		unix.SYS_BPF, unix.SYS_FANOTIFY_INIT, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSOPEN, unix.SYS_FSPICK,
		unix.SYS_LISTMOUNT, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_MOUNT, unix.SYS_MOUNT_SETATTR, unix.SYS_MOVE_MOUNT,
		unix.SYS_OPEN_TREE, unix.SYS_PERF_EVENT_OPEN, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SETDOMAINNAME,
		unix.SYS_SETHOSTNAME, unix.SYS_SETNS, unix.SYS_STATMOUNT, unix.SYS_SYSLOG, unix.SYS_UMOUNT2, unix.SYS_UNSHARE,
	},
	"CAP_SYS_BOOT":   {unix.SYS_REBOOT},
	"CAP_SYS_CHROOT": {unix.SYS_CHROOT},
	"CAP_SYS_MODULE": {unix.SYS_DELETE_MODULE, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE},
	"CAP_SYS_NICE": {
		unix.SYS_GET_MEMPOLICY, unix.SYS_MBIND, unix.SYS_SET_MEMPOLICY, unix.SYS_SET_MEMPOLICY_HOME_NODE,
	},
	"CAP_SYS_PACCT":      {unix.SYS_ACCT},
	"CAP_SYS_PTRACE":     {unix.SYS_KCMP, unix.SYS_PIDFD_GETFD, unix.SYS_PROCESS_MADVISE},
	"CAP_SYS_TIME":       {unix.SYS_CLOCK_SETTIME, unix.SYS_SETTIMEOFDAY},
	"CAP_SYS_TTY_CONFIG": {unix.SYS_VHANGUP},
	"CAP_SYSLOG":         {unix.SYS_SYSLOG},
	"": {
		unix.SYS_ADD_KEY, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_IO_URING_SETUP,
		unix.SYS_KEXEC_FILE_LOAD, unix.SYS_KEXEC_LOAD, unix.SYS_KEYCTL, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES,
		unix.SYS_NFSSERVCTL, unix.SYS_PIVOT_ROOT, unix.SYS_REQUEST_KEY, unix.SYS_SWAPOFF, unix.SYS_SWAPON, unix.SYS_USERFAULTFD,
	},
}

// namespaceFlags are those of clone(2) that make namespaces.
const namespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP

// personalities are the ways to behave that a container may ask the kernel for:
// Linux, and as one of 32 bits or before 2.6; the last asks what it is.
var personalities = []uint32{0, 0x8, 0x20000, 0x20008, 0xffffffff}

// Where seccomp_data has what a filter looks at; arguments are 64 bits wide.
const (
	callOffset, archOffset, argumentOffset = 0, 4, 16
	wordSize                               = 4
)

var (
	allow     = bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	forbidden = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	unknown   = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}
)

// usualFilter is the program by which the kernel filters the system calls of a
// container with these capabilities, as other container runtimes do by default:
// what a container may not do by its capabilities it cannot even ask for.
func usualFilter(capabilities []string) (string, error) {
	arch, ok := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("seccomp profile RuntimeDefault: there is none for %s processors: leave seccompProfile out", runtime.GOARCH)
	}
	has := func(c string) bool { return slices.Contains(capabilities, c) }
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: archOffset, Size: wordSize},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1},
		unknown, // a call as of another processor, whose numbers are others
		bpf.LoadAbsolute{Off: callOffset, Size: wordSize},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: newestCall, SkipFalse: 1},
		unknown,
	}
	on := func(call uint32, then ...bpf.Instruction) {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: call, SkipFalse: uint8(len(then))})
		program = append(program, then...)
	}
	argument := bpf.LoadAbsolute{Off: argumentOffset, Size: wordSize} // the first, as processors have it that begin with the low end

	for _, call := range refusedTo(has) {
		on(call, forbidden)
	}
	if !has("CAP_SYS_ADMIN") {
		on(unix.SYS_CLONE, argument, bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: namespaceFlags, SkipFalse: 1}, forbidden, allow)
		// Its flags lie in memory, where a filter does not see them. The C
		// library then uses clone.
		on(unix.SYS_CLONE3, unknown)
	}
	on(unix.SYS_SOCKET, argument, bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_VSOCK, SkipFalse: 1}, forbidden, allow)
	may := []bpf.Instruction{argument}
	for _, p := range personalities {
		may = append(may, bpf.JumpIf{Cond: bpf.JumpEqual, Val: p, SkipFalse: 1}, allow)
	}
	on(unix.SYS_PERSONALITY, append(may, forbidden)...)

	raw, err := bpf.Assemble(append(program, allow))
	if err != nil {
		return "", fmt.Errorf("make the filter of system calls: %w", err)
	}
	var encoded []byte
	for _, i := range raw {
		encoded = binary.NativeEndian.AppendUint16(encoded, i.Op)
		encoded = append(encoded, i.Jt, i.Jf)
		encoded = binary.NativeEndian.AppendUint32(encoded, i.K)
	}
	return string(encoded), nil
}

// refusedTo are the calls that none of a container's capabilities is for.
func refusedTo(has func(capability string) bool) []uint32 {
	var calls, granted []uint32
	for capability, all := range refused {
		if has(capability) {
			granted = append(granted, all...)
		}
		calls = append(calls, all...)
	}
	calls = slices.DeleteFunc(append(calls, refusedHere...), func(c uint32) bool { return slices.Contains(granted, c) })
	slices.Sort(calls)
	return slices.Compact(calls)
}
