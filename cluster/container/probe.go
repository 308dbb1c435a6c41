package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/container/internal/entry"
	"github.com/weir-ml/weir/cluster/rootfs"
)

// probe tries the namespaces and mounts that no full container can do without,
// and finds out which of two ways to show /sys works.
func (r *Runtime) probe(ctx context.Context) error {
	try := func(mounts ...entry.Mount) error {
		empty := entry.Mount{Type: "tmpfs", Target: "/", Data: "mode=755"}
		return r.try(ctx, append([]entry.Mount{empty, {Type: "proc", Target: "/proc"}}, mounts...))
	}
	fresh := entry.Mount{Type: "sysfs", Target: "/sys", Flags: syscall.MS_RDONLY}
	if err := try(fresh); err == nil {
		r.ownSys = true
		return nil
	}
	shown := entry.Mount{Source: "/sys", Target: "/sys", Recursive: true, Flags: unix.MOUNT_ATTR_RDONLY}
	return try(shown)
}

// tryLayer says whether a layer can be mounted.
func (r *Runtime) tryLayer(ctx context.Context, l rootfs.Layer) error {
	l.Target = filepath.Join("/layer", l.Target)
	beside := filepath.Join(r.dir, "probe") // the probe's folder is as deep as this
	return r.try(ctx, []entry.Mount{{Type: "tmpfs", Target: "/"}, r.layer(beside, l)})
}

// try mounts in namespaces of its own, and is gone.
func (r *Runtime) try(ctx context.Context, mounts []entry.Mount) (err error) {
	dir, err := os.MkdirTemp(r.dir, "probe-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Mkdir(filepath.Join(dir, "root"), 0o755); err != nil {
		return err
	}
	p, err := r.launcher.run(ctx, launch{
		flags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		config: entry.Config{
			Folder: dir, Mounts: mounts, Dir: "/", Probe: true,
		},
	})
	if err != nil {
		return err
	}
	p.Wait()
	return nil
}
