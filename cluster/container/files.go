package container

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

var (
	// ErrShared says that a container has no files of its own to look at.
	ErrShared = errors.New("on this machine pods have the machine's own files, which are not shown")
	// ErrNoFile says that something is neither a file nor a folder that is kept.
	ErrNoFile = errors.New("neither a file nor a folder")
)

// maxLinks is how many links are followed on the way to a file, as in the kernel.
const maxLinks = 40

// Files of these systems are made up by the kernel for whoever reads them, which
// here would be this program.
var madeUp = []int64{
	unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
	unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.BPF_FS_MAGIC,
}

// Look opens a file or folder at path in the running container for reading, if its
// user may read it. The names of a folder mean nothing to this program: look at
// them by the descriptor.
//
// It goes step by step, because this program may read more than the user may, and
// because links are the container's to make.
func (c *Container) Look(path string) (*os.File, error) {
	if c.rootDir == nil {
		return nil, ErrShared
	}
	f, err := c.look(path)
	if err != nil {
		return nil, &os.PathError{Op: "read", Path: path, Err: err}
	}
	return f, nil
}

func (c *Container) look(path string) (*os.File, error) {
	root, err := c.liveRoot()
	if err != nil {
		return nil, err
	}
	way := []*os.File{root} // to where we are
	defer func() {
		for _, f := range way {
			f.Close()
		}
	}()
	back := func(to int) {
		for _, f := range way[to:] {
			f.Close()
		}
		way = way[:to]
	}

	links := 0
	for rest := strings.Split(path, "/"); len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			back(max(1, len(way)-1))
			continue
		}
		here := way[len(way)-1]
		if err := c.may(here, unix.X_OK); err != nil {
			return nil, err
		}
		fd, err := unix.Openat(int(here.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		next := os.NewFile(uintptr(fd), name)
		to, err := linkOf(next)
		if err != nil || to == "" {
			way = append(way, next)
			if err != nil {
				return nil, err
			}
			continue
		}
		next.Close()
		if links++; links > maxLinks {
			return nil, unix.ELOOP
		}
		if strings.HasPrefix(to, "/") {
			back(1)
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return c.read(way[len(way)-1])
}

// liveRoot is the root of the container, while it runs.
func (c *Container) liveRoot() (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil, fmt.Errorf("container %s has ended", c.spec.ID)
	}
	return duplicate(c.rootDir)
}

// linkOf is where a link leads; "" is no link.
func linkOf(f *os.File) (string, error) {
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return "", err
	}
	if s.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", nil
	}
	to := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(f.Fd()), "", to)
	if err == nil && n == 0 {
		err = unix.ENOENT
	}
	return string(to[:max(n, 0)]), err
}

// read opens what is held for reading.
func (c *Container) read(f *os.File) (*os.File, error) {
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return nil, err
	}
	var system unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &system); err != nil {
		return nil, err
	}
	if kind := s.Mode & unix.S_IFMT; kind != unix.S_IFREG && kind != unix.S_IFDIR || slices.Contains(madeUp, system.Type) {
		return nil, ErrNoFile
	}
	if err := c.may(f, unix.R_OK); err != nil {
		return nil, err
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// may says whether the container's user may read a file, or search a folder.
func (c *Container) may(f *os.File, what uint32) error {
	if c.spec.UID == 0 && slices.Contains(c.spec.Capabilities, "CAP_DAC_OVERRIDE") {
		return nil
	}
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return err
	}
	rights := s.Mode
	switch {
	case s.Uid == c.spec.UID:
		rights >>= 6
	case s.Gid == c.spec.GID || slices.Contains(c.spec.Groups, s.Gid):
		rights >>= 3
	}
	if rights&what == 0 {
		return unix.EACCES
	}
	return nil
}
