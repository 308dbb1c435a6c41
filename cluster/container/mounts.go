package container

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/container/internal/entry"
	"github.com/weir-ml/weir/cluster/rootfs"
)

const (
	noExec  = syscall.MS_NOEXEC
	noSuid  = syscall.MS_NOSUID
	noNodes = syscall.MS_NODEV // whatever is made with mknod is of no use
)

// devices are those that every container has.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// mount says what the container's root is made of.
func (c *Container) mount(l *launch) {
	e, s := &l.config, c.spec
	e.Folder = c.root.Dir
	for _, layer := range c.root.Layers {
		e.Mounts = append(e.Mounts, c.runtime.layer(c.root.Dir, layer))
	}
	c.runtime.kernel(e, s)
	c.runtime.memory(l, s)
	for _, d := range s.Devices {
		e.Mounts = append(e.Mounts, entry.Mount{Source: d.Source, Target: d.Target, Flags: unix.MOUNT_ATTR_RDONLY, Propagation: syscall.MS_PRIVATE})
	}
	for _, m := range s.Mounts {
		e.Mounts = append(e.Mounts, m.entry())
	}
	e.Masked = append(append(e.Masked, c.root.Hidden...), s.MaskedPaths...)
	e.ReadOnly = s.ReadOnlyPaths
	e.ReadOnlyRoot = s.ReadOnlyRoot
}

// layer is one part of the root. Paths in an overlay's options are relative to
// the container's folder, so that /proc/mounts in it does not tell where that is.
func (r *Runtime) layer(dir string, l rootfs.Layer) entry.Mount {
	if l.Upper == "" {
		return entry.Mount{
			Source: l.Lower, Target: l.Target, Recursive: true, OfRoot: true,
			Flags: attributes(l), Propagation: syscall.MS_PRIVATE,
		}
	}
	// Nothing of a container's own survives a crash, so nothing waits for the disk.
	lower := option(dir, l.Lower)
	if l.Image != "" {
		lower = option(dir, l.Image) + ":" + lower
	}
	options := "volatile,index=off,xino=off,lowerdir=" + lower + ",upperdir=" + option(dir, l.Upper) + ",workdir=" + option(dir, l.Work)
	if r.inUser {
		options = "userxattr," + options
	}
	return entry.Mount{Type: "overlay", Target: l.Target, Data: options, Flags: noNodes, OfRoot: true}
}

// attributes of a layer that is no overlay: the machine's folders are never
// written to. The root itself is a copy, and is.
func attributes(l rootfs.Layer) uint64 {
	if l.Target == "/" {
		return unix.MOUNT_ATTR_NODEV
	}
	return unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV
}

// option is a path as an overlay's option wants it.
func option(dir, path string) string {
	if rel, err := filepath.Rel(filepath.Dir(dir), path); err == nil && !strings.HasPrefix(rel, "..") {
		path, _ = filepath.Rel(dir, path)
	}
	return strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`).Replace(path)
}

// kernel adds what the kernel shows of itself: /proc, /sys and /dev.
func (r *Runtime) kernel(e *entry.Config, s Spec) {
	sys := entry.Mount{Type: "sysfs", Target: "/sys", Flags: noSuid | noNodes | noExec | syscall.MS_RDONLY}
	if !r.ownSys {
		sys = entry.Mount{Source: "/sys", Target: "/sys", Recursive: true, Propagation: syscall.MS_PRIVATE, Flags: unix.MOUNT_ATTR_RDONLY}
	}
	if s.Privileged {
		sys.Flags &^= syscall.MS_RDONLY // the same bit as MOUNT_ATTR_RDONLY
	}
	e.Mounts = append(e.Mounts,
		entry.Mount{Type: "proc", Target: "/proc", Flags: noSuid | noNodes | noExec},
		sys,
		entry.Mount{Type: "tmpfs", Target: "/dev", Flags: noSuid | noNodes, Data: "mode=755,size=64m"},
	)
	if s.Privileged {
		r.allDevices(e)
	} else {
		for _, name := range devices {
			// A device node can be used on a read-only mount, but not changed.
			e.Mounts = append(e.Mounts, entry.Mount{Source: "/dev/" + name, Target: "/dev/" + name, Flags: unix.MOUNT_ATTR_RDONLY, Propagation: syscall.MS_PRIVATE})
		}
	}
	terminals := "newinstance,ptmxmode=0666,mode=0620"
	if !r.inUser {
		terminals += ",gid=5" // the group of terminals, by convention
	}
	e.Mounts = append(e.Mounts, entry.Mount{Type: "devpts", Target: "/dev/pts", Flags: noSuid | noExec, Data: terminals})
	e.Links = []entry.Link{
		{Name: "dev/ptmx", To: "pts/ptmx"},
		{Name: "dev/fd", To: "/proc/self/fd"},
		{Name: "dev/stdin", To: "/proc/self/fd/0"},
		{Name: "dev/stdout", To: "/proc/self/fd/1"},
		{Name: "dev/stderr", To: "/proc/self/fd/2"},
	}
}

// allDevices shows every device of the machine, one by one, so that what the
// container puts into /dev does not reach the machine.
func (r *Runtime) allDevices(e *entry.Config) {
	filepath.WalkDir("/dev", func(p string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case p == "/dev/pts" || p == "/dev/shm" || p == "/dev/mqueue":
			return filepath.SkipDir
		case d.Type()&os.ModeDevice != 0 && p != "/dev/ptmx":
			e.Mounts = append(e.Mounts, entry.Mount{Source: p, Target: p, Propagation: syscall.MS_PRIVATE, Optional: true})
		}
		return nil
	})
}

// memory adds the pod's shared memory and message queues.
func (r *Runtime) memory(l *launch, s Spec) {
	shm := entry.Mount{Source: "/dev/shm", Target: "/dev/shm", Propagation: syscall.MS_PRIVATE}
	if n := s.Namespaces; n != nil && n.memory != nil {
		shm.Source, shm.FD = "the pod's memory", l.add(n.memory)
	} else if n == nil || !n.hostIPC {
		shm = entry.Mount{Type: "tmpfs", Target: "/dev/shm", Flags: noSuid | noNodes | noExec, Data: "mode=1777"}
	}
	l.config.Mounts = append(l.config.Mounts, shm,
		entry.Mount{Type: "mqueue", Target: "/dev/mqueue", Flags: noSuid | noNodes | noExec, Optional: true})
}

func (m Mount) entry() entry.Mount {
	e := entry.Mount{Source: m.Source, Target: m.Target, Recursive: !m.OnlyTop, Flags: unix.MOUNT_ATTR_NODEV}
	if m.ReadOnly {
		e.Flags |= unix.MOUNT_ATTR_RDONLY
	}
	e.Propagation = map[Propagation]uint64{Private: syscall.MS_PRIVATE, FromMachine: syscall.MS_SLAVE, Bidirectional: syscall.MS_SHARED}[m.Propagation]
	return e
}
