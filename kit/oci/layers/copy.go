package layers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Copy writes what somebody sees whose root the layers are, the topmost first, into a
// new folder, for where no overlay can show it. Devices are left out.
func Copy(stack []string, to string) error {
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	if len(stack) == 0 {
		return os.Chmod(to, 0o755) // whatever the umask says
	}
	root := entry{name: "/", path: stack[0]}
	if err := unix.Lstat(root.path, &root.stat); err != nil {
		return err
	}
	c := copier{to: to, links: map[inode]string{}}
	if err := c.folder(root, stack); err != nil {
		return fmt.Errorf("copy image: %w", err)
	}
	return nil
}

// A copier is at work on one copy.
type copier struct {
	to    string
	links map[inode]string // files of several names, by where the first was copied to
}

// folder copies what is in a folder, of which the layers show something.
func (c *copier) folder(e entry, showing []string) error {
	var names []string
	for _, layer := range showing {
		all, err := os.ReadDir(filepath.Join(layer, e.name))
		if err != nil {
			return err
		}
		for _, n := range all {
			names = append(names, n.Name())
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		found, deeper, err := step(showing, path.Join(e.name, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is hidden
		}
		if err == nil {
			err = c.entry(found, deeper)
		}
		if err != nil {
			return err
		}
	}
	return c.describe(e)
}

func (c *copier) entry(e entry, showing []string) error {
	to := filepath.Join(c.to, e.name)
	switch e.stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if err := os.Mkdir(to, 0o700); err != nil {
			return err
		}
		return c.folder(e, showing)
	case unix.S_IFREG:
		return c.file(e, to)
	case unix.S_IFLNK:
		target, err := os.Readlink(e.path)
		if err != nil {
			return err
		}
		if err := os.Symlink(target, to); err != nil {
			return err
		}
		return c.describe(e)
	case unix.S_IFIFO:
		if err := unix.Mkfifo(to, 0o600); err != nil {
			return err
		}
		return c.describe(e)
	}
	return nil
}

func (c *copier) file(e entry, to string) error {
	if e.stat.Nlink > 1 {
		i := inode{e.stat.Dev, e.stat.Ino}
		if first, ok := c.links[i]; ok {
			return os.Link(first, to)
		}
		c.links[i] = to
	}
	from, err := os.OpenFile(e.path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from) // by the kernel, which shares the bytes where it can
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return c.describe(e)
}

// describe gives a copy its owner, rights, attributes and time.
func (c *copier) describe(e entry) error {
	to := filepath.Join(c.to, e.name)
	if err := unlessUnknown(os.Lchown(to, int(e.stat.Uid), int(e.stat.Gid))); err != nil {
		return err
	}
	if !e.isLink() {
		if err := unix.Chmod(to, e.stat.Mode&0o7777); err != nil {
			return &fs.PathError{Op: "chmod", Path: to, Err: err}
		}
	}
	names, err := listAttributes(e.path)
	if err != nil {
		return err
	}
	for name := range bytes.SplitSeq(names, []byte{0}) {
		if !isKept(string(name)) {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(e.path, string(name), value)
		if err == nil {
			err = unlessUnknown(unix.Lsetxattr(to, string(name), value[:n], 0))
		}
		if err != nil {
			return fmt.Errorf("attribute %s of %s: %w", name, e.name, err)
		}
	}
	times := []unix.Timespec{e.stat.Atim, e.stat.Mtim}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, to, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "set time of", Path: to, Err: err}
	}
	return nil
}
