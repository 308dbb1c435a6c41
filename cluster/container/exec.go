package container

import (
	"context"
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/container/internal/entry"
)

// A Container is a command in a root of its own, and what runs beside it.
type Container struct {
	*Process
	runtime  *Runtime
	spec     Spec
	root     *mountedRoot // nil when plain
	onShelf  bool         // it has files there
	overlays []*os.File   // of its volumes, until it has them

	pid     int
	mu      sync.Mutex
	ended   bool
	files   map[string]*os.File // the command's namespaces, by name, while it runs
	rootDir *os.File            // its root
}

// joined are the namespaces that another command in a container joins, in this
// order. (It is born into the pid namespace.)
var joined = []string{"net", "ipc", "uts", "cgroup", "mnt"}

// Exec starts another command in the container, with its user, capabilities and
// environment. Ending ctx does not end it once it runs; Kill does.
func (c *Container) Exec(ctx context.Context, s ExecSpec, stdio Stdio) (*Process, error) {
	if len(s.Argv) == 0 {
		return nil, errors.New("there is no command")
	}
	l := launch{group: c.spec.Cgroup, stdio: stdio}
	more := s.Env
	if s.Terminal {
		more = append([]string{"TERM=" + terminal}, more...)
	}
	var err error
	if l.config, err = c.process(s.Argv, more, s.Dir); err != nil {
		return nil, err
	}
	l.config.Terminal = s.Terminal
	files, err := c.namespaces()
	if err != nil {
		return nil, err
	}
	defer closeAll(files)
	l.pids = files["pid"]
	for _, name := range joined {
		if f := files[name]; f != nil {
			l.config.Namespaces = append(l.config.Namespaces, entry.Namespace{Name: name, FD: l.add(f)})
		}
	}
	return c.runtime.launcher.run(ctx, l)
}

// Open opens a file for reading at path in the container, following links only
// inside the container's root.
func (c *Container) Open(path string) (*os.File, error) {
	if c.rootDir == nil {
		return os.Open(path)
	}
	how := &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK, Resolve: unix.RESOLVE_IN_ROOT}
	fd, err := unix.Openat2(int(c.rootDir.Fd()), path, how)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// DiskUsage is how many bytes and inodes the container's writes to its root take.
func (c *Container) DiskUsage() (bytes, inodes uint64, err error) {
	if c.root == nil {
		return 0, 0, nil
	}
	return c.root.Usage()
}

// Changes is the folder with what the container has written to its image's root, as
// overlays keep it, until Remove.
func (c *Container) Changes() string { return c.root.Layers[0].Upper }

// Remove kills what is left of the container and removes its root.
func (c *Container) Remove() error {
	if err := c.Kill(); err != nil {
		return err
	}
	c.Wait()
	if c.rootDir != nil {
		c.rootDir.Close()
	}
	c.runtime.mu.Lock()
	delete(c.runtime.live, c)
	c.runtime.mu.Unlock()
	return c.removeRoot()
}

func (c *Container) removeRoot() error {
	if c.root != nil {
		c.runtime.stock.drop(c.root)
	}
	if c.onShelf {
		return c.runtime.shelf.removeFiles(c.spec.ID)
	}
	return nil
}
