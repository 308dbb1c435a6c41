// Package container runs a command as a container: a process with namespaces
// and a root of its own, or a plain process where the machine allows neither.
package container

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// A Kind is how much of a container this machine allows.
type Kind string

const (
	// Full containers have namespaces and a root of their own.
	Full Kind = "full"
	// Plain containers are processes that see the machine as weir itself does.
	Plain Kind = "plain"
)

// A Config says where a Runtime keeps containers and what it must hide.
type Config struct {
	Dir   string   // holds the containers' roots, and nothing else
	Hide  []string // never visible, even below a system folder; Dir never is
	Plain bool     // do without namespaces even where they can be had
}

// A Runtime starts containers.
type Runtime struct{}

// New prepares what the roots of all containers have in common, and tries once
// what this machine allows. What an earlier program left in Dir is removed.
func New(ctx context.Context, c Config) (*Runtime, error) { return nil, errors.ErrUnsupported }

// Kind says what the containers are.
func (r *Runtime) Kind() Kind { return Full }

// Missing says in sentences what the containers go without on this machine, and why.
func (r *Runtime) Missing() []string { return nil }

// Start starts the container's command. Everything that keeps it from starting
// is an error here, a *NotFoundError when there is no such command.
func (r *Runtime) Start(ctx context.Context, s Spec, stdio Stdio) (*Container, error) {
	return nil, errors.ErrUnsupported
}

// Close kills all containers and removes what they leave.
func (r *Runtime) Close() error { return nil }

// NamespaceOptions say what the containers of a pod share.
type NamespaceOptions struct {
	Hostname string            // "" keeps the machine's
	Network  *os.File          // a network namespace, which stays the caller's; nil is this program's
	HostIPC  bool              // shares shared memory with the machine
	HostPID  bool              // sees the machine's processes
	SharePID bool              // the containers see each other's processes
	Sysctls  map[string]string // as "net.core.somaxconn"
}

// Namespaces are what the containers of one pod share.
type Namespaces struct{}

// NewNamespaces makes the namespaces of one pod.
func (r *Runtime) NewNamespaces(o NamespaceOptions) (*Namespaces, error) {
	return nil, errors.ErrUnsupported
}

// Close lets the namespaces go; containers that run in them keep them.
func (n *Namespaces) Close() error { return nil }

// An ExitStatus says how a process ended.
type ExitStatus struct {
	Code      int            // as a shell says it: 128 and the signal's number after a signal
	Signal    syscall.Signal // 0 when it ended by itself
	OOMKilled bool           // it was killed and its group had run out of memory
	At        time.Time
}

// A Process is a running or finished command: a container's, or one started beside it.
type Process struct{}

// PID is the process's number as this program sees it.
func (p *Process) PID() int { return 0 }

// StartedAt is when the command began.
func (p *Process) StartedAt() time.Time { return time.Time{} }

// Terminal is the other end of the process's terminal, or nil if it has none.
func (p *Process) Terminal() *os.File { return nil }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return nil }

// Wait waits for the process's end; any number of callers may.
func (p *Process) Wait() ExitStatus { return ExitStatus{} }

// Signal sends s to the process alone. One that has ended is no error.
func (p *Process) Signal(s syscall.Signal) error { return nil }

// Kill kills the process and, if it is a container's command, all that runs in the container.
func (p *Process) Kill() error { return nil }

// A Container is a command in a root of its own.
type Container struct{ *Process }

// Exec starts another command in the container, with its user, capabilities and
// environment. Ending ctx does not end it; Kill does.
func (c *Container) Exec(ctx context.Context, s ExecSpec, stdio Stdio) (*Process, error) {
	return nil, errors.ErrUnsupported
}

// Open opens a file for reading at path in the container, following links only
// inside the container's root. It works until Remove.
func (c *Container) Open(path string) (*os.File, error) { return nil, errors.ErrUnsupported }

// DiskUsage is how many bytes and inodes the container's writes to its root take.
func (c *Container) DiskUsage() (bytes, inodes uint64, err error) { return 0, 0, nil }

// Remove kills what is left of the container and removes its root.
func (c *Container) Remove() error { return nil }

// A NotFoundError says that the container has no such command.
type NotFoundError struct {
	Command string
	Path    string // the PATH that was searched; "" when Command is a path itself
}

func (e *NotFoundError) Error() string { return e.Command }
