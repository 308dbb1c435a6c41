package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/weir-ml/weir/cluster/container/internal/entry"
	"github.com/weir-ml/weir/cluster/rootfs"
)

// Start starts the container's command. Everything that keeps it from starting
// is an error here, a *NotFoundError when there is no such command.
func (r *Runtime) Start(ctx context.Context, s Spec, stdio Stdio) (*Container, error) {
	if len(s.Argv) == 0 {
		return nil, fmt.Errorf("container %s: it has no command", s.ID)
	}
	if s.ID == "" || s.ID != filepath.Base(s.ID) {
		return nil, fmt.Errorf("container %q: its name cannot name a folder", s.ID)
	}
	c := &Container{runtime: r, spec: s}
	err := c.start(ctx, stdio)
	if c.root != nil {
		c.root.unmount() // it is the container's now
	}
	for _, o := range c.overlays {
		o.Close()
	}
	if err != nil {
		return nil, errors.Join(err, c.removeRoot())
	}
	r.mu.Lock()
	r.live[c] = true
	r.mu.Unlock()
	return c, nil
}

func (c *Container) start(ctx context.Context, stdio Stdio) error {
	l := launch{group: c.spec.Cgroup, stdio: stdio}
	var err error
	if l.config, err = c.process(c.spec.Argv, nil, c.spec.Dir); err != nil {
		return err
	}
	l.config.MakeDir = true
	l.config.Terminal = c.spec.Terminal
	l.config.OOMScoreAdjust = strconv.Itoa(c.spec.OOMScoreAdjust)
	if c.runtime.kind == Full {
		if err := c.isolate(&l); err != nil {
			return err
		}
	}
	l.began = c.hold
	l.ended = func() {
		if l.flags&syscall.CLONE_NEWPID == 0 { // else the kernel has done so
			c.killRest()
		}
		c.release()
	}
	defer closeAll(l.beside)
	c.Process, err = c.runtime.launcher.run(ctx, l)
	return err
}

// isolate makes the root, and says what to do to be alone in it.
func (c *Container) isolate(l *launch) error {
	s := c.spec
	own, err := c.runtime.shelf.files(s.ID, rootfs.Own{UID: s.UID, GID: s.GID, OwnRoot: s.Image.OwnRoot(), Hostname: s.Hostname, ResolvConf: s.ResolvConf})
	if err != nil {
		return err
	}
	c.onShelf = true
	if c.root, err = c.runtime.stock.take(s.Image); err != nil {
		return err
	}
	l.flags = syscall.CLONE_NEWNS
	n := s.Namespaces
	switch {
	case s.Beside != nil:
		if l.beside, err = s.Beside.namespaces(); err != nil {
			return err
		}
		l.pids = l.beside["pid"]
	case n != nil && n.pids != nil:
		l.pids = n.pids
	case n == nil || !n.hostPID:
		l.flags |= syscall.CLONE_NEWPID
	}
	if n != nil {
		for name, f := range n.files {
			l.config.Namespaces = append(l.config.Namespaces, entry.Namespace{Name: name, FD: l.add(f)})
		}
	}
	if err := c.mount(l, own); err != nil {
		return err
	}
	if home := valueOf(l.config.Env, "HOME"); strings.HasPrefix(home, "/home/") && !s.Image.OwnRoot() {
		l.config.Home = home
	}
	return nil
}

// process says how a command of the container is run, apart from where.
func (c *Container) process(argv, more []string, dir string) (entry.Config, error) {
	s := c.spec
	caps, err := bits(s.Capabilities)
	if err != nil {
		return entry.Config{}, err
	}
	image := s.Image
	if image == nil {
		image = &rootfs.Image{}
	}
	accounts, err := image.Accounts()
	if err != nil {
		return entry.Config{}, err
	}
	home := accounts.Home(s.UID)
	if c.runtime.kind == Plain {
		if image.OwnRoot() {
			return entry.Config{}, fmt.Errorf("image %s has a root of its own, and this machine allows no namespaces to show it in: name an image of the catalogue, which weir environment list shows", image.Reference)
		}
		image, home = whereItLies(image), cmp.Or(os.Getenv("HOME"), home)
	}
	env := environ(s, home, image, more)
	// Root's tar gives files to the users whom the archive names, and fails where
	// only root is mapped. kubectl cp is such a tar.
	if c.runtime.ids.onlyRoot() && valueOf(env, "TAR_OPTIONS") == "" {
		env = append(env, "TAR_OPTIONS=--no-same-owner")
	}
	if dir == "" {
		dir = s.Dir
	}
	if dir == "" {
		dir = image.WorkingDir
	}
	if !strings.HasPrefix(dir, "/") {
		dir = path.Join("/", dir)
	}
	e := entry.Config{
		Argv: argv, Env: env, Path: valueOf(env, "PATH"), Dir: dir,
		UID: uint64(s.UID), GID: uint64(s.GID),
		Capabilities: caps, NoNewPrivileges: s.NoNewPrivileges,
	}
	if s.FilterCalls {
		if e.CallFilter, err = usualFilter(s.Capabilities); err != nil {
			return entry.Config{}, err
		}
	}
	for _, g := range c.runtime.ids.groups(s.Groups) {
		e.Groups = append(e.Groups, uint64(g))
	}
	if us := os.Getuid(); c.runtime.kind == Plain && us != 0 {
		if s.UID != 0 && int(s.UID) != us {
			return entry.Config{}, fmt.Errorf("user %d: without namespaces weir can only run pods as user %d, which it is itself: run weir as root", s.UID, us)
		}
		e.KeepUser = true
	}
	return e, nil
}
