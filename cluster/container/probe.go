package container

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/container/internal/entry"
	"github.com/weir-ml/weir/cluster/rootfs"
)

// probe tries the namespaces and mounts that no full container can do without,
// and finds out which of two ways to show /sys works.
func (r *Runtime) probe(ctx context.Context) error {
	try := func(sys entry.Mount) error {
		return r.try(ctx, []entry.Mount{
			{Type: "tmpfs", Target: "/", Data: "mode=755"},
			{Type: "proc", Target: "/proc"},
			{Source: "/dev/null", Target: "/null", Flags: unix.MOUNT_ATTR_RDONLY}, // a kernel before 5.12 cannot
			sys,
		})
	}
	fresh := try(entry.Mount{Type: "sysfs", Target: "/sys", Flags: syscall.MS_RDONLY})
	if r.ownSys = fresh == nil; r.ownSys {
		return nil
	}
	if err := try(entry.Mount{Source: "/sys", Target: "/sys", Recursive: true, Flags: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return errors.Join(fresh, err)
	}
	return nil
}

// try mounts in namespaces of its own, and is gone.
func (r *Runtime) try(ctx context.Context, mounts []entry.Mount) error {
	p, err := r.launcher.run(ctx, launch{
		flags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		config: entry.Config{Root: r.mountPoint(), Mounts: mounts, Dir: "/", Probe: true},
	})
	if err != nil {
		return err
	}
	if end := p.Wait(); end.Code != 0 {
		return fmt.Errorf("a trial ended with %d", end.Code)
	}
	return nil
}

// tryLayer says whether a layer can be mounted copy on write.
func (r *Runtime) tryLayer(l rootfs.Layer) error {
	overlay, err := mountOverlay(l, r.ids.inUser)
	if err != nil {
		return err
	}
	return overlay.Close()
}
