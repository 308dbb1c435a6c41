package container

import (
	"path"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/container/internal/entry"
)

// ownGroups is where programs look for the limits that they are under.
const ownGroups = "/sys/fs/cgroup"

// limits shows the container its own control groups, and no others, read-only.
func limits(e *entry.Config, s Spec) {
	folders := s.Cgroup.Folders()
	if len(folders) == 0 {
		return
	}
	if dir, ok := folders[""]; ok {
		e.Mounts = append(e.Mounts, ownGroup(dir, ownGroups))
		return
	}
	e.Mounts = append(e.Mounts, entry.Mount{Type: "tmpfs", Target: ownGroups, Flags: noSuid | noNodes | noExec, Data: "mode=755,size=64k"})
	for controller, dir := range folders {
		e.Mounts = append(e.Mounts, ownGroup(dir, path.Join(ownGroups, controller)))
	}
	e.ReadOnly = append(e.ReadOnly, ownGroups)
}

func ownGroup(dir, target string) entry.Mount {
	return entry.Mount{Source: dir, Target: target, Flags: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC, Propagation: syscall.MS_PRIVATE}
}
