// Package entry is the first code that runs in a container: the program starts
// itself again, and this package turns the copy into the user's command.
//
//	weir ── clone(new mount and pid namespace) ──► weir again, named "weir-container"
//	 │                                              │  package initialisation reaches entry
//	 ├── Config over a socket ───────────────────►  │  joins the pod's namespaces, mounts the root,
//	 │                                              │  gives up privileges
//	 ◄── a Failure, or the socket closes ─────────  execve(the user's command)
//
// The copy never gets past this package's init. Go initialises packages in the
// order of their import paths as soon as all they import is initialised. So entry
// imports nothing but syscall and unsafe: then it comes before everything that
// needs os or fmt, and the copy lives for a few milliseconds, however much the
// program is made of. A test holds on to that.
package entry

import (
	"syscall"
	"unsafe"
)

const (
	// Name is what the copy is called in the machine's list of processes.
	Name = "weir-container"

	// Mark is the environment of the copy, by which it knows itself.
	Mark = variable + "=" + value

	// Control is the file descriptor of the copy's end of the socket. Descriptors
	// that a Config names lie behind it.
	Control = 3

	variable, value = "_WEIR_CONTAINER", "enter"
)

// These are said over the socket by the copy.
const (
	sayFailure  = 'F' // a Failure follows, and the end
	sayTerminal = 'T' // the terminal's descriptor comes with it
	sayReady    = 'R' // nothing is left to do but to become the command
)

func init() {
	if v, ok := syscall.Getenv(variable); ok && v == value {
		enter()
	}
}

// enter does not return.
func enter() {
	// The copy dies with the program; who has died already sends nothing.
	if err := prctl(syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL)); err != nil {
		syscall.Exit(126)
	}
	c, err := receive(Control)
	if err != nil {
		syscall.Exit(126) // nobody is there to be told
	}
	if f := c.become(); f != nil {
		var w codec
		f.visit(&w)
		write(Control, append([]byte{sayFailure}, w.data...))
	}
	syscall.Exit(127)
}

// become turns this process into the command, and returns only if it cannot.
func (c *Config) become() *Failure {
	for _, step := range []func() *Failure{
		c.detach,
		c.join,
		c.makeRoot,
		c.makeDir,
		c.openTerminal,
		c.limit,
		c.changeUser,
		c.changeDir,
	} {
		if f := step(); f != nil {
			return f
		}
	}
	if c.Hold {
		return hold()
	}
	return c.execute()
}

// detach gives up what came from the program's own surroundings.
func (c *Config) detach() *Failure {
	if _, err := syscall.Setsid(); err != nil {
		return fail("start a session", err)
	}
	// All threads of the copy share one working directory and root; namespaces
	// can be joined, and the root changed, only by one that shares them with none.
	if err := syscall.Unshare(syscall.CLONE_FS); err != nil {
		return fail("unshare the working directory", err)
	}
	// A process of the container must not look into this one while it is still us.
	if err := prctl(syscall.PR_SET_DUMPABLE, 0); err != nil {
		return fail("close the process to others", err)
	}
	nameSelf()
	// Keys of the user who started the program stay behind. Where the kernel
	// knows no keys there are none to hide.
	syscall.RawSyscall(syscall.SYS_KEYCTL, keyctlJoinSessionKeyring, 0, 0)
	return nil
}

func (c *Config) join() *Failure {
	for _, n := range c.Namespaces {
		if err := setns(int(n.FD), n.Name); err != nil {
			return fail("join the "+n.Name+" namespace", err)
		}
	}
	return nil
}

// nameSelf makes lists of processes show what this is.
func nameSelf() {
	name, err := syscall.BytePtrFromString(Name)
	if err == nil {
		prctl(syscall.PR_SET_NAME, uintptr(unsafe.Pointer(name)))
	}
}

// hold keeps a pid namespace alive for the containers that share it, and lets the
// kernel bury those whose parents have died.
func hold() *Failure {
	var ignore struct {
		handler, flags, restorer uintptr
		mask                     uint64
	}
	ignore.handler = 1
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGCHLD), uintptr(unsafe.Pointer(&ignore)), 0, 8, 0, 0)
	if errno != 0 {
		return fail("ignore the end of children", errno)
	}
	write(Control, []byte{sayReady})
	syscall.Close(Control)
	for {
		syscall.RawSyscall6(syscall.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
}
