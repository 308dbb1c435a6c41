package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/container/internal/entry"
	"github.com/weir-ml/weir/cluster/network/netns"
)

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
type Namespaces struct {
	files   map[string]*os.File // by name, as in /proc/self/ns: net, ipc, uts
	memory  string              // a folder to be the pod's /dev/shm; "" leaves each container its own
	pids    *os.File            // the pod's pid namespace, when it has one
	holder  *Process            // and its first process
	hostPID bool
	ofPod   bool // memory is the pod's own, and goes with it
}

// NewNamespaces makes the namespaces of one pod.
func (r *Runtime) NewNamespaces(ctx context.Context, o NamespaceOptions) (*Namespaces, error) {
	n := &Namespaces{files: map[string]*os.File{}, hostPID: o.HostPID}
	if r.kind == Plain {
		return n, nil
	}
	if err := n.make(ctx, r, o); err != nil {
		return nil, errors.Join(fmt.Errorf("make namespaces: %w", err), n.Close())
	}
	return n, nil
}

func (n *Namespaces) make(ctx context.Context, r *Runtime, o NamespaceOptions) error {
	if o.Network != nil {
		again, err := duplicate(o.Network)
		if err != nil {
			return err
		}
		n.files["net"] = again
	}
	n.memory = "/dev/shm"
	if !o.HostIPC {
		memory, err := r.shelf.memory()
		if err != nil {
			return err
		}
		n.memory, n.ofPod = memory, true
	}
	made := make(chan error)
	netns.OwnThread(func() { made <- n.unshare(o) })
	if err := <-made; err != nil {
		return err
	}
	if o.SharePID {
		return n.hold(ctx, r)
	}
	return nil
}

func (n *Namespaces) unshare(o NamespaceOptions) error {
	flags := 0
	if o.Hostname != "" {
		flags |= unix.CLONE_NEWUTS
	}
	if !o.HostIPC {
		flags |= unix.CLONE_NEWIPC
	}
	if err := unix.Unshare(flags); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if o.Hostname != "" {
		if err := unix.Sethostname([]byte(o.Hostname)); err != nil {
			return fmt.Errorf("set hostname %q: %w", o.Hostname, err)
		}
		if err := n.keep("uts"); err != nil {
			return err
		}
	}
	if !o.HostIPC {
		if err := n.keep("ipc"); err != nil {
			return err
		}
	}
	if o.Network != nil {
		if err := unix.Setns(int(o.Network.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("join the network namespace: %w", err)
		}
	}
	for name, value := range o.Sysctls {
		if err := setSysctl(name, value, o); err != nil {
			return err
		}
	}
	return nil
}

func (n *Namespaces) keep(name string) error {
	f, err := os.Open("/proc/thread-self/ns/" + name)
	n.files[name] = f
	return err
}

// hold starts the process that the containers' shared pid namespace lives by.
func (n *Namespaces) hold(ctx context.Context, r *Runtime) error {
	l := launch{flags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, config: entry.Config{
		Hold:   true,
		Root:   r.mountPoint(),
		Mounts: []entry.Mount{{Type: "tmpfs", Target: "/", Flags: syscall.MS_RDONLY, Data: "size=0"}},
		Dir:    "/", NoNewPrivileges: true,
	}}
	var err error
	if n.holder, err = r.launcher.run(ctx, l); err != nil {
		return err
	}
	n.pids, err = os.Open(fmt.Sprintf("/proc/%d/ns/pid", n.holder.PID()))
	return err
}

// Close lets the namespaces go; containers that run in them keep them, except
// that a shared pid namespace ends with all that runs in it.
func (n *Namespaces) Close() error {
	for _, f := range n.files {
		f.Close()
	}
	if n.pids != nil {
		n.pids.Close()
	}
	if n.holder != nil {
		if err := n.holder.Kill(); err != nil {
			return err
		}
		n.holder.Wait()
	}
	if n.ofPod {
		return os.RemoveAll(n.memory)
	}
	return nil
}

// setSysctl sets what belongs to the pod's own namespaces, and refuses the rest,
// which would change the machine.
func setSysctl(name, value string, o NamespaceOptions) error {
	path := strings.ReplaceAll(name, ".", "/")
	ofIPC := strings.HasPrefix(name, "kernel.shm") || strings.HasPrefix(name, "kernel.msg") || name == "kernel.sem" || strings.HasPrefix(name, "fs.mqueue.")
	switch {
	case !filepath.IsLocal(path):
		return fmt.Errorf("sysctl %q: not a name", name)
	case strings.HasPrefix(name, "net.") && o.Network != nil, ofIPC && !o.HostIPC:
	case strings.HasPrefix(name, "net."), ofIPC:
		return fmt.Errorf("sysctl %q: the pod shares that namespace with the machine", name)
	default:
		return fmt.Errorf("sysctl %q: it is not of a namespace, and would change the machine", name)
	}
	if err := os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0); err != nil {
		return fmt.Errorf("sysctl %q: set %q: %w", name, value, errors.Unwrap(err))
	}
	return nil
}

func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate %s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
