package entry

import (
	"syscall"
	"unsafe"
)

// limit says when the kernel should kill the process.
func (c *Config) limit() *Failure {
	if c.OOMScoreAdjust == "" {
		return nil
	}
	fd, err := syscall.Open("/proc/self/oom_score_adj", syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fail("set the OOM score", err)
	}
	defer syscall.Close(fd)
	// Only the machine's root may make itself less likely to be killed.
	if _, err := syscall.Write(fd, []byte(c.OOMScoreAdjust)); err != nil && err != syscall.EACCES {
		return fail("set the OOM score", err)
	}
	return nil
}

// changeUser gives up every privilege the container is not to have.
func (c *Config) changeUser() *Failure {
	if f := c.filterCalls(); f != nil {
		return f
	}
	if !c.KeepUser {
		if f := c.giveUp(); f != nil {
			return f
		}
	}
	if c.NoNewPrivileges {
		if err := prctl(prSetNoNewPrivs, 1); err != nil {
			return fail("refuse new privileges", err)
		}
	}
	// A change of user has forgotten this.
	if err := prctl(syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL)); err != nil {
		return fail("ask to die with the program", err)
	}
	return nil
}

// filterCalls has the kernel filter this thread's system calls, and the
// command's. Nothing that is still to be done is among what is refused.
func (c *Config) filterCalls() *Failure {
	if c.CallFilter == "" {
		return nil
	}
	if c.KeepUser { // who has no privileges may do so on this condition only
		if err := prctl(prSetNoNewPrivs, 1); err != nil {
			return fail("refuse new privileges", err)
		}
	}
	const instruction = 8
	program := struct {
		count   uint16
		program uintptr
	}{uint16(len(c.CallFilter) / instruction), uintptr(unsafe.Pointer(unsafe.StringData(c.CallFilter)))}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, syscall.PR_SET_SECCOMP, seccompModeFilter, uintptr(unsafe.Pointer(&program)), 0, 0, 0)
	if errno != 0 {
		return fail("filter system calls", errno)
	}
	return nil
}

// giveUp calls the kernel itself: package syscall would change all threads of the
// copy, which are gone a moment later.
func (c *Config) giveUp() *Failure {
	for n := uintptr(0); n <= highestCapability; n++ {
		if c.Capabilities&(1<<n) != 0 {
			continue
		}
		if err := prctl(prCapBSetDrop, n); err == syscall.EINVAL {
			break // the kernel knows no more
		} else if err != nil {
			return fail("give up capabilities", err)
		}
	}
	if err := c.setGroups(); err != nil {
		return c.failUser("set the supplementary groups", err)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESGID, uintptr(c.GID), uintptr(c.GID), uintptr(c.GID)); errno != 0 {
		return c.failUser("become group "+decimal(int(c.GID)), errno)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, uintptr(c.UID), uintptr(c.UID), uintptr(c.UID)); errno != 0 {
		return c.failUser("become user "+decimal(int(c.UID)), errno)
	}
	if err := prctlAmbientClear(); err != nil && err != syscall.EINVAL {
		return fail("give up ambient capabilities", err)
	}
	if err := c.setCapabilities(); err != nil {
		return fail("set capabilities", err)
	}
	return nil
}

func (c *Config) setGroups() error {
	gids := make([]uint32, len(c.Groups)+1)
	for i, g := range c.Groups {
		gids[i] = uint32(g)
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_SETGROUPS, uintptr(len(c.Groups)), uintptr(unsafe.Pointer(&gids[0])), 0)
	// A user namespace made without privileges may not change groups at all.
	if errno == syscall.EPERM && len(c.Groups) == 0 {
		return nil
	}
	return orNil(errno)
}

// setCapabilities bounds what root has; another user has lost all by becoming it.
func (c *Config) setCapabilities() error {
	if c.UID != 0 {
		return nil
	}
	head := struct {
		version uint32
		pid     int32
	}{version: capabilityVersion3}
	type set struct{ effective, permitted, inheritable uint32 }
	low, high := uint32(c.Capabilities), uint32(c.Capabilities>>32)
	data := [2]set{{effective: low, permitted: low}, {effective: high, permitted: high}}
	_, _, errno := syscall.RawSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&data)), 0)
	return orNil(errno)
}

func prctlAmbientClear() error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prCapAmbient, prCapAmbientClear, 0, 0, 0, 0)
	return orNil(errno)
}

func (c *Config) failUser(step string, err error) *Failure {
	f := fail(step, err)
	if err == syscall.EINVAL || err == syscall.EPERM {
		f.What = NoUser
	}
	return f
}
