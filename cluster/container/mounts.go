package container

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// mount says what the container's root is made of; own are its own files.
func (c *Container) mount(l *launch, own map[string]string) error {
	e, s := &l.config, c.spec
	e.Root = c.runtime.mountPoint()
	for i, layer := range c.root.Layers {
		e.Mounts = append(e.Mounts, layerOf(l, layer, c.root.overlays[i]))
	}
	c.runtime.kernel(e, s)
	limits(e, s)
	c.runtime.memory(e, s)
	for path, lies := range own {
		e.Mounts = append(e.Mounts, Mount{Source: lies, Target: s.Image.Place(path)}.entry())
	}
	for _, d := range s.Devices {
		e.Mounts = append(e.Mounts, entry.Mount{Source: d.Source, Target: d.Target, Flags: unix.MOUNT_ATTR_RDONLY, Propagation: syscall.MS_PRIVATE})
	}
	if s.ReadOnlyRoot {
		volumes, err := c.root.Volumes(s.Image)
		if err != nil {
			return err
		}
		for _, v := range volumes {
			if v.Upper == "" {
				e.Mounts = append(e.Mounts, entry.Mount{Source: v.Lower, Target: v.Target, Propagation: syscall.MS_PRIVATE, Flags: unix.MOUNT_ATTR_NODEV})
				continue
			}
			if err := c.mountVolume(l, v); err != nil {
				return err
			}
		}
	}
	for _, m := range s.Mounts {
		if len(m.Over) > 0 {
			if err := c.mountVolume(l, rootfs.Layer{Target: m.Target, Lower: m.Source, Over: m.Over}); err != nil {
				return err
			}
			continue
		}
		volume := m.entry()
		if s.Privileged {
			volume.Flags &^= unix.MOUNT_ATTR_NODEV // it may have a folder of devices
		}
		e.Mounts = append(e.Mounts, volume)
	}
	e.Masked = append(slices.Clone(c.root.Hidden), s.MaskedPaths...)
	e.ReadOnly = append(e.ReadOnly, s.ReadOnlyPaths...)
	e.ReadOnlyRoot = s.ReadOnlyRoot
	return nil
}

// mountVolume mounts folders that lie over one another as a volume.
func (c *Container) mountVolume(l *launch, layer rootfs.Layer) error {
	overlay, err := mountOverlay(layer, c.runtime.ids.inUser)
	if err != nil {
		return fmt.Errorf("mount %s: %w", layer.Target, err)
	}
	c.overlays = append(c.overlays, overlay)
	l.config.Mounts = append(l.config.Mounts, entry.Mount{FD: l.add(overlay), Target: layer.Target})
	return nil
}

// layerOf is one part of the root. Where it is no overlay it is read-only, for it
// is the machine's, except for the root itself, which is a copy then.
func layerOf(l *launch, layer rootfs.Layer, overlay *os.File) entry.Mount {
	m := entry.Mount{Target: layer.Target, OfRoot: true}
	if overlay != nil {
		m.FD = l.add(overlay)
		return m
	}
	m.Source, m.Recursive, m.Propagation, m.Flags = layer.Lower, true, syscall.MS_PRIVATE, unix.MOUNT_ATTR_NODEV
	if layer.Target != "/" {
		m.Flags |= unix.MOUNT_ATTR_RDONLY
	}
	return m
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
	if !r.ids.inUser {
		terminals += ",gid=5" // the group of terminals, by convention
	}
	e.Mounts = append(e.Mounts,
		entry.Mount{Type: "devpts", Target: "/dev/pts", Flags: noSuid | noExec, Data: terminals},
		entry.Mount{Type: entry.Symlink, Target: "/dev/ptmx", Source: "pts/ptmx"},
		entry.Mount{Type: entry.Symlink, Target: "/dev/fd", Source: "/proc/self/fd"},
		entry.Mount{Type: entry.Symlink, Target: "/dev/stdin", Source: "/proc/self/fd/0"},
		entry.Mount{Type: entry.Symlink, Target: "/dev/stdout", Source: "/proc/self/fd/1"},
		entry.Mount{Type: entry.Symlink, Target: "/dev/stderr", Source: "/proc/self/fd/2"},
	)
}

// allDevices shows every device of the machine, one by one, so that what the
// container puts into /dev does not reach the machine.
func (r *Runtime) allDevices(e *entry.Config) {
	_ = filepath.WalkDir("/dev", func(p string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // What cannot be looked at is not shown.
		case p == "/dev/pts" || p == "/dev/shm" || p == "/dev/mqueue":
			return filepath.SkipDir
		case d.Type()&os.ModeDevice != 0 && p != "/dev/ptmx":
			e.Mounts = append(e.Mounts, entry.Mount{Source: p, Target: p, Propagation: syscall.MS_PRIVATE, Optional: true})
		}
		return nil
	})
}

// memory adds the pod's shared memory and message queues.
func (r *Runtime) memory(e *entry.Config, s Spec) {
	shm := entry.Mount{Type: "tmpfs", Target: "/dev/shm", Flags: noSuid | noNodes | noExec, Data: "mode=1777"}
	if n := s.Namespaces; n != nil && n.memory != "" {
		shm = entry.Mount{
			Source: n.memory, Target: "/dev/shm", Propagation: syscall.MS_PRIVATE,
			Flags: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC,
		}
	}
	e.Mounts = append(e.Mounts, shm,
		entry.Mount{Type: "mqueue", Target: "/dev/mqueue", Flags: noSuid | noNodes | noExec, Optional: true})
}

func (m Mount) entry() entry.Mount {
	e := entry.Mount{Source: m.Source, Target: m.Target, Recursive: !m.OnlyTop, Flags: unix.MOUNT_ATTR_NODEV, NoLinks: true, Optional: m.Optional}
	if m.ReadOnly {
		e.Flags |= unix.MOUNT_ATTR_RDONLY
	}
	e.Propagation = map[Propagation]uint64{Private: syscall.MS_PRIVATE, FromMachine: syscall.MS_SLAVE, Bidirectional: syscall.MS_SHARED}[m.Propagation]
	return e
}
