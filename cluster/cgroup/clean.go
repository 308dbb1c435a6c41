package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// prefix begins the name of every tree's group.
const prefix = "weir-"

// lock marks the group as that of a running program: the kernel unlocks it when
// the program is gone, however it went.
func lock(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open group: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock group %s: %w", dir, err)
	}
	return f, nil
}

// clean removes what dead programs have left in the group. What cannot be
// removed is left to the next.
func clean(parent string) {
	trees, err := filepath.Glob(filepath.Join(parent, prefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range trees {
		f, err := lock(dir)
		if err != nil {
			continue // its program is running
		}
		_ = remove(dir) // what cannot go now goes next time
		f.Close()
	}
}

// remove kills what runs in the group and those below it, and removes them.
func remove(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := kill(dir); err != nil {
		return err
	}
	return cgroups.RemovePath(dir)
}

// kill kills the processes of a group until there are none: others may be born
// while it is at it.
func kill(dir string) error {
	if os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0) == nil {
		return nil
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) { //nolint:forbidigo // There is nothing to wait on: the kernel does not say when a group is empty.
		pids, err := cgroups.GetPids(dir)
		if os.IsNotExist(err) || len(pids) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("kill group %s: %w", dir, err)
		}
		for _, pid := range pids {
			if pid > 0 { // 0 is one that our pid namespace cannot see
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("kill group %s: processes %s do not end", dir, join(pids))
		}
	}
}

func join(pids []int) string {
	s := ""
	for i, pid := range pids {
		if i > 0 {
			s += ", "
		}
		s += strconv.Itoa(pid)
	}
	return s
}
