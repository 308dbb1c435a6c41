package node

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"k8s.io/mount-utils"
)

// A mounter mounts by system call. Upstream's runs mount(8), which takes
// milliseconds and need not be installed; all else is upstream's.
type mounter struct{ mount.Interface }

func newMounter() *mounter { return &mounter{mount.NewWithoutSystemd("")} }

// mountFlags are the options that the kernel takes as flags; the rest it takes
// as text.
var mountFlags = map[string]uintptr{
	"bind":    unix.MS_BIND,
	"rbind":   unix.MS_BIND | unix.MS_REC,
	"ro":      unix.MS_RDONLY,
	"remount": unix.MS_REMOUNT,
	"noexec":  unix.MS_NOEXEC,
	"nosuid":  unix.MS_NOSUID,
	"nodev":   unix.MS_NODEV,
}

// Mount mounts source of a type on target, which it makes when it is absent.
func (m *mounter) Mount(source, target, fstype string, options []string) error {
	var flags uintptr
	var data []string
	for _, o := range options {
		if f, ok := mountFlags[o]; ok {
			flags |= f
		} else if o != "rw" && o != "defaults" {
			data = append(data, o)
		}
	}
	if err := os.MkdirAll(target, 0o755); err != nil && !errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	// A bind mount takes read-only as a second step only.
	bind := flags&unix.MS_BIND != 0
	if bind && flags&unix.MS_RDONLY != 0 && flags&unix.MS_REMOUNT == 0 {
		if err := unix.Mount(source, target, fstype, flags&^unix.MS_RDONLY, strings.Join(data, ",")); err != nil {
			return fmt.Errorf("bind %s on %s: %w", source, target, err)
		}
		flags |= unix.MS_REMOUNT
	}
	err := unix.Mount(source, target, fstype, flags, strings.Join(data, ","))
	// Where the machine allows no namespaces it allows no mounts either. What
	// would lie in memory then lies on the disk, in the folder itself.
	if fstype == "tmpfs" && errors.Is(err, unix.EPERM) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("mount %s %s on %s: %w", fstype, source, target, err)
	}
	return nil
}

// MountSensitive is Mount; nothing here logs its options.
func (m *mounter) MountSensitive(source, target, fstype string, options, sensitive []string) error {
	return m.Mount(source, target, fstype, append(options[:len(options):len(options)], sensitive...))
}

// MountSensitiveWithoutSystemd is Mount: systemd has no part in it.
func (m *mounter) MountSensitiveWithoutSystemd(source, target, fstype string, options, sensitive []string) error {
	return m.MountSensitive(source, target, fstype, options, sensitive)
}

// MountSensitiveWithoutSystemdWithMountFlags is Mount: the flags are mount(8)'s own.
func (m *mounter) MountSensitiveWithoutSystemdWithMountFlags(source, target, fstype string, options, sensitive, _ []string) error {
	return m.MountSensitive(source, target, fstype, options, sensitive)
}

// Unmount takes the mount off target, also when it is in use. A target on which
// nothing is mounted is left alone.
func (m *mounter) Unmount(target string) error {
	err := unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", target, err)
	}
	return nil
}
