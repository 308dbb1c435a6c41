package container

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// hold takes hold of the namespaces and the root of the command that has just
// begun: they cannot be reached by its number once it has ended.
func (c *Container) hold(pid int) {
	c.pid = pid
	if c.runtime.kind == Plain {
		return
	}
	proc := fmt.Sprintf("/proc/%d/", pid)
	c.files = map[string]*os.File{}
	for _, name := range append([]string{"pid"}, joined...) {
		f, err := os.Open(proc + "ns/" + name)
		if err != nil {
			continue // a command that has ended already has none
		}
		if isOurs(f, name) { // there is nothing to join, and perhaps no right to
			f.Close()
			continue
		}
		c.files[name] = f
	}
	if f, err := os.OpenFile(proc+"root", unix.O_PATH, 0); err == nil {
		c.rootDir = f
	}
}

// isOurs says whether the namespace is this program's own.
func isOurs(f *os.File, name string) bool {
	theirs, err := f.Stat()
	if err != nil {
		return false
	}
	ours, err := os.Stat("/proc/self/ns/" + name)
	return err == nil && os.SameFile(theirs, ours)
}

// release lets the namespaces go, and with them the container's mounts: they
// would keep the pod's volumes busy.
func (c *Container) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	closeAll(c.files)
	c.files, c.ended = nil, true
}

// namespaces returns copies of what the running command lives in.
func (c *Container) namespaces() (map[string]*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil, fmt.Errorf("container %s has ended", c.spec.ID)
	}
	copies := map[string]*os.File{}
	for name, f := range c.files {
		again, err := duplicate(f)
		if err != nil {
			closeAll(copies)
			return nil, err
		}
		copies[name] = again
	}
	return copies, nil
}

func closeAll(files map[string]*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// killRest kills what the command leaves running where it was not the first
// process of a pid namespace, for then the kernel does not.
func (c *Container) killRest() {
	c.spec.Cgroup.Kill()
	if c.runtime.kind == Plain {
		_ = syscall.Kill(-c.pid, syscall.SIGKILL)
		return
	}
	for range 100 { // others may be born meanwhile
		members := c.members()
		if len(members) == 0 {
			return
		}
		for _, pid := range members {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// members are the processes that live in the container's mount namespace.
func (c *Container) members() []int {
	f := c.files["mnt"]
	if f == nil {
		return nil
	}
	ours, err := f.Stat()
	if err != nil {
		return nil
	}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var pids []int
	for _, dir := range all {
		theirs, err := os.Stat(filepath.Join(dir, "ns/mnt"))
		if err != nil || !os.SameFile(ours, theirs) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
