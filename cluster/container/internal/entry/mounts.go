package entry

import "syscall"

// makeRoot mounts the root in the private mount namespace, and makes it the root.
func (c *Config) makeRoot() *Failure {
	if c.Root == "" {
		return nil
	}
	// The group that this process has been put into is the container's topmost.
	if err := syscall.Unshare(cloneNewCgroup); err != nil {
		return fail("make a cgroup namespace", err)
	}
	sources, f := c.openSources()
	if f != nil {
		return f
	}
	// What is mounted from here on is nobody else's business.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SLAVE, ""); err != nil {
		return fail("separate the mounts from the machine's", err)
	}
	root, parts := -1, []int{}
	for i, m := range c.Mounts {
		var err error
		switch {
		case m.Target == "/":
			root, err = mountRoot(c.Root, m, sources[i])
		case m.Type == Symlink:
			err = link(root, m)
		case m.Type != "":
			err = mountType(root, m)
		case sources[i] >= 0:
			err = place(root, m.Target, sources[i])
		}
		if err != nil && !m.Optional {
			return fail("mount "+m.label()+" on "+m.Target, err)
		}
		if m.OfRoot {
			part, err := openInRoot(root, m.Target, openPath)
			if err != nil {
				return fail("open "+m.Target, err)
			}
			parts = append(parts, part)
		}
	}
	for _, p := range c.Masked {
		if err := mask(root, p); err != nil {
			return fail("mask "+p, err)
		}
	}
	for _, p := range c.ReadOnly {
		if err := seal(root, p); err != nil {
			return fail("make "+p+" read-only", err)
		}
	}
	if c.ReadOnlyRoot && c.MakeDir { // later is too late
		if dir, err := makeTarget(root, c.Dir, true); err == nil { // changeDir says what is wrong
			syscall.Close(dir)
		}
	}
	for _, p := range parts {
		if !c.ReadOnlyRoot {
			break
		}
		if err := setAttributes(p, false, attrReadOnly, 0); err != nil {
			return fail("make the root read-only", err)
		}
	}
	return c.pivot(root)
}

// openSources takes hold of every folder to be shown while the machine's mounts
// are still as they are: a shared one stays shared only if it is cloned now.
func (c *Config) openSources() ([]int, *Failure) {
	fds := make([]int, len(c.Mounts))
	for i, m := range c.Mounts {
		fds[i] = -1
		if m.Type != "" {
			continue
		}
		fd, err := m.open()
		if err != nil {
			if m.Optional {
				continue
			}
			return nil, fail("open "+m.Source+" for "+m.Target, err)
		}
		fds[i] = fd
	}
	return fds, nil
}

func (m *Mount) open() (int, error) {
	if m.FD != 0 {
		return int(m.FD), nil
	}
	flags := uintptr(openTreeClone | openTreeCloexec)
	if m.Recursive {
		flags |= atRecursive
	}
	at, path := atFDCWD, m.Source
	if m.NoLinks {
		held, err := openWithoutLinks(m.Source)
		if err != nil {
			return -1, err
		}
		defer syscall.Close(held)
		at, path, flags = held, "", flags|atEmptyPath
	}
	fd, err := openTree(at, path, flags)
	if err != nil {
		return -1, err
	}
	propagation := m.Propagation
	if propagation == syscall.MS_SHARED {
		propagation = 0
	}
	return fd, setAttributes(fd, m.Recursive, uintptr(m.Flags), uintptr(propagation))
}

func (m *Mount) label() string {
	switch {
	case m.Type != "":
		return m.Type
	case m.FD != 0:
		return "a layer"
	}
	return m.Source
}

func mountRoot(dir string, m Mount, source int) (int, error) {
	var err error
	if m.Type != "" {
		err = syscall.Mount(m.Type, dir, m.Type, uintptr(m.Flags), m.Data)
	} else {
		var at int
		if at, err = syscall.Open(dir, openPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0); err == nil {
			err = moveMount(source, at)
		}
	}
	if err != nil {
		return -1, err
	}
	return syscall.Open(dir, openPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
}

// mountType mounts a new file system, as proc or an overlay, on m.Target.
func mountType(root int, m Mount) error {
	at, err := makeTarget(root, m.Target, true)
	if err != nil {
		return err
	}
	defer syscall.Close(at)
	return syscall.Mount(m.Type, descriptorPath(at), m.Type, uintptr(m.Flags), m.Data)
}

// link makes a symbolic link.
func link(root int, m Mount) error {
	dir, name := split(m.Target)
	at, err := makeTarget(root, dir, true)
	if err != nil {
		return err
	}
	defer syscall.Close(at)
	return symlinkat(m.Source, at, name)
}

// place moves the detached mount source to target in the root.
func place(root int, target string, source int) error {
	defer syscall.Close(source)
	isDir, err := isDirectory(source)
	if err != nil {
		return err
	}
	at, err := makeTarget(root, target, isDir)
	if err != nil {
		return err
	}
	defer syscall.Close(at)
	return moveMount(source, at)
}

// mask makes a path look empty.
func mask(root int, path string) error {
	at, err := openInRoot(root, path, openPath)
	if err != nil {
		return unlessMissing(err)
	}
	defer syscall.Close(at)
	if isDir, err := isDirectory(at); err != nil {
		return err
	} else if isDir {
		return syscall.Mount("tmpfs", descriptorPath(at), "tmpfs", syscall.MS_RDONLY|syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "size=0")
	}
	// The machine's own, which is still in reach: the container's may be anything.
	null, err := openTree(atFDCWD, "/dev/null", openTreeClone|openTreeCloexec)
	if err != nil {
		return err
	}
	defer syscall.Close(null)
	if err := setAttributes(null, false, attrReadOnly, 0); err != nil {
		return err
	}
	return moveMount(null, at)
}

// seal makes a path read-only, with what is mounted below it.
func seal(root int, path string) error {
	at, err := openInRoot(root, path, openPath)
	if err != nil {
		return unlessMissing(err)
	}
	defer syscall.Close(at)
	again, err := openTree(at, "", openTreeClone|openTreeCloexec|atEmptyPath|atRecursive)
	if err != nil {
		return err
	}
	defer syscall.Close(again)
	if err := setAttributes(again, true, attrReadOnly, 0); err != nil {
		return err
	}
	return moveMount(again, at)
}

func (c *Config) pivot(root int) *Failure {
	if err := syscall.Fchdir(root); err != nil {
		return fail("enter the root", err)
	}
	// The old root is put on top of the new one, and taken away from there.
	if err := syscall.PivotRoot(".", "."); err != nil {
		return fail("change the root", err)
	}
	if err := syscall.Unmount(".", syscall.MNT_DETACH); err != nil {
		return fail("leave the machine's root", err)
	}
	if err := syscall.Chdir("/"); err != nil {
		return fail("enter the root", err)
	}
	return nil
}
