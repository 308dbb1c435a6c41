package entry

import (
	"syscall"
	"unsafe"
)

// makeDir makes the user's home and the working directory as root, since the
// command's user may not.
func (c *Config) makeDir() *Failure {
	if c.Home != "" && syscall.Mkdir(c.Home, 0o755) == nil {
		syscall.Chown(c.Home, int(c.UID), int(c.GID)) // changeUser says when there is no such user
	}
	if !c.MakeDir {
		return nil
	}
	for i := 1; i <= len(c.Dir); i++ {
		if i < len(c.Dir) && c.Dir[i] != '/' {
			continue
		}
		if err := syscall.Mkdir(c.Dir[:i], 0o755); err == syscall.EROFS || err == syscall.EACCES {
			return nil // changeDir says what is wrong, if anything is
		}
	}
	return nil
}

func (c *Config) changeDir() *Failure {
	if err := syscall.Chdir(c.Dir); err != nil {
		f := fail("enter the working directory "+c.Dir, err)
		f.What = NoDir
		return f
	}
	return nil
}

// execute becomes the command. It is looked for as the command's user, in the
// command's root and working directory.
func (c *Config) execute() *Failure {
	if c.Probe {
		write(Control, []byte{sayReady})
		syscall.Exit(0)
	}
	name := c.Argv[0]
	path, err := c.find(name)
	if err != nil {
		f := fail("find "+name, err)
		f.What = NotExecutable
		if err == syscall.ENOENT || err == syscall.ENOTDIR {
			f.What = NoCommand
		}
		return f
	}
	restoreSignals()
	if _, _, errno := syscall.RawSyscall(sysCloseRange, Control, ^uintptr(0)>>1&0xffffffff, closeRangeCloexec); errno != 0 {
		return fail("close what is the program's", errno)
	}
	write(Control, []byte{sayReady})
	err = syscall.Exec(path, c.Argv, c.Env)
	f := fail("execute "+path, err)
	f.What = NotExecutable
	if err == syscall.ENOENT {
		f.What = NoInterpreter
	}
	return f
}

// find does what a shell does: a name with a slash is a path, others are looked
// for in PATH. One that may not be executed is remembered, in case no other is found.
func (c *Config) find(name string) (string, error) {
	if name == "" {
		return "", syscall.ENOENT
	}
	for i := range len(name) {
		if name[i] == '/' {
			return name, executable(name)
		}
	}
	var found error = syscall.ENOENT
	for rest := c.Path; rest != ""; {
		dir := rest
		rest = ""
		for i := range len(dir) {
			if dir[i] == ':' {
				dir, rest = dir[:i], dir[i+1:]
				break
			}
		}
		if dir == "" {
			dir = "."
		}
		switch err := executable(dir + "/" + name); err {
		case nil:
			return dir + "/" + name, nil
		case syscall.EACCES, syscall.EPERM:
			found = err
		}
	}
	return "", found
}

func executable(path string) error {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return err
	}
	if st.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		return syscall.EACCES
	}
	const mayExecute = 1
	return syscall.Access(path, mayExecute)
}

// restoreSignals makes the command start as any does: signals that the program,
// or who started it, ignored or blocked are not.
func restoreSignals() {
	var action struct {
		handler, flags, restorer uintptr
		mask                     uint64
	}
	for sig := uintptr(1); sig <= 64; sig++ {
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	}
	var none uint64
	const setMask = 2
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, setMask, uintptr(unsafe.Pointer(&none)), 0, 8, 0, 0)
}
