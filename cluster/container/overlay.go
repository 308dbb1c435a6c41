package container

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/rootfs"
)

// mountOverlay mounts a layer copy on write, but nowhere: the container puts it
// into its root. Its folders are named by descriptors, so that /proc/mounts in
// the container does not tell where weir keeps them.
func mountOverlay(l rootfs.Layer, inUser bool) (*os.File, error) {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open overlay: %w", err)
	}
	defer unix.Close(fs)
	var names []string // and what they stand for
	lower := []string{l.Lower}
	if l.Image != "" {
		lower = []string{l.Image, l.Lower}
	}
	for option, folders := range map[string][]string{"lowerdir": lower, "upperdir": {l.Upper}, "workdir": {l.Work}} {
		var named []string
		for _, folder := range folders {
			f, err := os.OpenFile(folder, unix.O_PATH|unix.O_DIRECTORY, 0)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			named = append(named, fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
			names = append(names, named[len(named)-1], folder)
		}
		if err := unix.FsconfigSetString(fs, option, strings.Join(named, ":")); err != nil {
			return nil, complaint(fs, err, names)
		}
	}
	// Nothing of a container's own survives a crash, so nothing waits for the disk.
	flags := []string{"volatile"}
	if inUser {
		flags = append(flags, "userxattr")
	}
	for _, flag := range flags {
		if err := unix.FsconfigSetFlag(fs, flag); err != nil {
			return nil, complaint(fs, err, names)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, complaint(fs, err, names)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return nil, fmt.Errorf("mount overlay: %w", err)
	}
	return os.NewFile(uintptr(fd), l.Target), nil
}

// complaint adds what the file system itself says, where it says anything.
func complaint(fs int, err error, names []string) error {
	said := make([]byte, 512)
	n, e := unix.Read(fs, said)
	if e != nil || n <= 0 {
		return fmt.Errorf("configure overlay: %w", err)
	}
	text := strings.NewReplacer(names...).Replace(strings.TrimSpace(string(said[:n])))
	return fmt.Errorf("%s: %w", strings.TrimPrefix(text, "e "), err)
}

// A mounted root has an overlay, mounted nowhere yet, for each layer that is
// copy on write.
type mountedRoot struct {
	*rootfs.Root
	overlays []*os.File // nil for a layer that is none
}

// mount mounts the layers that are not mounted yet.
func (m *mountedRoot) mount(inUser bool) error {
	for _, l := range m.Layers[len(m.overlays):] {
		var overlay *os.File
		if l.Upper != "" {
			var err error
			if overlay, err = mountOverlay(l, inUser); err != nil {
				return fmt.Errorf("mount %s: %w", l.Target, err)
			}
		}
		m.overlays = append(m.overlays, overlay)
	}
	return nil
}

// unmount lets the overlays go. A container that has them keeps them.
func (m *mountedRoot) unmount() {
	for _, o := range m.overlays {
		if o != nil {
			o.Close()
		}
	}
	m.overlays = nil
}

func (m *mountedRoot) remove() error {
	m.unmount()
	return m.Remove()
}
