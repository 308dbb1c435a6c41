package container

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/rootfs"
)

// mountOverlay mounts a layer copy on write, or read-only where it has no place for
// writes, but nowhere: the container puts it into its root. Its folders are named by
// descriptors, so that /proc/mounts in the container does not tell where weir keeps
// them.
func mountOverlay(l rootfs.Layer, inUser bool) (*os.File, error) {
	o := overlay{names: map[string]string{}}
	defer func() { closeAll(o.open) }()
	for _, folder := range append(slices.Clone(l.Over), l.Lower) {
		if err := o.add("lowerdir", folder); err != nil {
			return nil, err
		}
	}
	if l.Upper != "" {
		if err := errors.Join(o.add("upperdir", l.Upper), o.add("workdir", l.Work)); err != nil {
			return nil, err
		}
		// Nothing of a container's own survives a crash, so nothing waits for the disk.
		o.flags = append(o.flags, "volatile")
		// What was written can be read without what lies below.
		if !inUser {
			o.folders = append(o.folders, overlayFolder{"redirect_dir", "off"})
		}
	}
	if inUser {
		o.flags = append(o.flags, "userxattr")
	}
	fd, err := o.mount()
	if errors.Is(err, errManyFolders) {
		fd, err = o.mountAtOnce()
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), l.Target), nil
}

// An overlay is one to be mounted.
type overlay struct {
	folders []overlayFolder
	flags   []string
	open    map[string]*os.File // by the names of the descriptors
	names   map[string]string   // what those stand for
}

type overlayFolder struct{ option, name string }

func (o *overlay) add(option, folder string) error {
	f, err := os.OpenFile(folder, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	if o.open == nil {
		o.open = map[string]*os.File{}
	}
	o.open[name], o.names[name] = f, folder
	o.folders = append(o.folders, overlayFolder{option, name})
	return nil
}

// option is all folders of an option, as the kernel wants them.
func (o *overlay) option(option string) string {
	var names []string
	for _, f := range o.folders {
		if f.option == option {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ":")
}

// errManyFolders says that a kernel before 6.5 is told about folders one by one.
var errManyFolders = errors.New("the kernel takes no more folders")

// maxOption is how long an option of fsconfig(2) may be.
const maxOption = 255

func (o *overlay) mount() (int, error) {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("open overlay: %w", err)
	}
	defer unix.Close(fs)
	many := len(o.option("lowerdir")) > maxOption
	if !many {
		if err := unix.FsconfigSetString(fs, "lowerdir", o.option("lowerdir")); err != nil {
			return -1, o.complaint(fs, err)
		}
	}
	for _, f := range o.folders {
		option := f.option
		if option == "lowerdir" {
			if !many {
				continue
			}
			option = "lowerdir+"
		}
		err := unix.FsconfigSetString(fs, option, f.name)
		if many && errors.Is(err, unix.EINVAL) {
			return -1, errManyFolders
		}
		if err != nil {
			return -1, o.complaint(fs, err)
		}
	}
	for _, flag := range o.flags {
		if err := unix.FsconfigSetFlag(fs, flag); err != nil {
			return -1, o.complaint(fs, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, o.complaint(fs, err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return -1, fmt.Errorf("mount overlay: %w", err)
	}
	return fd, nil
}

// mountAtOnce does the same by mount(2), which takes a page of options, and takes the
// mount away from where it has to be for a moment.
func (o *overlay) mountAtOnce() (int, error) {
	at, err := os.MkdirTemp("", "weir-overlay-")
	if err != nil {
		return -1, err
	}
	defer os.Remove(at)
	options := slices.Clone(o.flags)
	for _, option := range []string{"lowerdir", "upperdir", "workdir", "redirect_dir"} {
		if folders := o.option(option); folders != "" {
			options = append(options, option+"="+folders)
		}
	}
	if err := unix.Mount("overlay", at, "overlay", unix.MS_NODEV, strings.Join(options, ",")); err != nil {
		return -1, fmt.Errorf("mount overlay of %d folders: %w", len(o.folders), err)
	}
	defer func() { _ = unix.Unmount(at, unix.MNT_DETACH) }()
	return unix.OpenTree(unix.AT_FDCWD, at, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
}

// complaint adds what the file system itself says, where it says anything.
func (o *overlay) complaint(fs int, err error) error {
	said := make([]byte, 512)
	n, e := unix.Read(fs, said)
	if e != nil || n <= 0 {
		return fmt.Errorf("configure overlay: %w", err)
	}
	var names []string
	for name, folder := range o.names {
		names = append(names, name, folder)
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
