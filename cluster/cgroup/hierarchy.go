package cgroup

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// A hierarchy is a tree of groups of the kernel, and our place in it.
type hierarchy struct {
	version     int
	controllers []string // of version 1; version 2 has them by folder
	mount       string
	own         string // the folder of the group that this program is in
}

// hierarchies finds those that are mounted with one of the wanted controllers.
func hierarchies() (v1 []hierarchy, v2 *hierarchy, err error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, nil, fmt.Errorf("find control groups: %w", err)
	}
	ours, err := cgroups.ParseCgroupFile("/proc/self/cgroup")
	if err != nil {
		return nil, nil, fmt.Errorf("find our control group: %w", err)
	}
	seen := map[string]bool{}
	for _, m := range mounts {
		if m.FSType == "cgroup2" {
			v2 = &hierarchy{version: 2, mount: m.Mountpoint, own: folder(m, ours[""])}
			continue
		}
		h := hierarchy{version: 1, mount: m.Mountpoint}
		for _, c := range strings.Split(m.VFSOptions, ",") {
			if slices.Contains(wanted, c) && !seen[c] {
				seen[c] = true
				h.controllers = append(h.controllers, c)
				h.own = folder(m, ours[c])
			}
		}
		if len(h.controllers) > 0 {
			v1 = append(v1, h)
		}
	}
	return v1, v2, nil
}

// folder is where the group is seen below the mount, or the mount itself when
// the group lies outside of what is mounted, as in some containers.
func folder(m *mountinfo.Info, group string) string {
	rel, err := filepath.Rel(m.Root, group)
	if err != nil || !filepath.IsLocal(rel) {
		return m.Mountpoint
	}
	return filepath.Join(m.Mountpoint, rel)
}

// open makes a group for a tree in the hierarchy, and says which controllers its
// children have.
func (h hierarchy) open(name string) (place, error) {
	var problem error
	for _, parent := range h.parents() {
		clean(parent)
		p, err := h.openIn(parent, name)
		if err == nil {
			return p, nil
		}
		problem = cmp.Or(problem, err) // of the best place
	}
	return place{}, problem
}

// parents are the groups to try, the best first.
func (h hierarchy) parents() []string {
	if h.version == 1 {
		return []string{h.own}
	}
	// A group of version 2 that has processes cannot have children with limits;
	// only the machine's root can. The groups above ours often have none.
	var all []string
	for dir := h.own; strings.HasPrefix(dir, h.mount); dir = filepath.Dir(dir) {
		all = append(all, dir)
	}
	if len(all) > 1 {
		all = append(all[1:], all[0])
	}
	if root := all[max(0, len(all)-2)]; isRoot(root) && os.Getuid() == 0 {
		all = append([]string{root}, all...)
	}
	return all
}

// isRoot says whether the folder is the machine's root group.
func isRoot(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "cgroup.type"))
	return errors.Is(err, os.ErrNotExist)
}

func (h hierarchy) openIn(parent, name string) (place, error) {
	// To move a process one must be able to write to the group above both ends.
	if err := unix.Access(filepath.Join(parent, "cgroup.procs"), unix.W_OK); err != nil {
		return place{}, fmt.Errorf("group %s cannot be written: %w", parent, err)
	}
	p := place{dir: filepath.Join(parent, name), controllers: h.controllers}
	if h.version == 2 {
		var err error
		if p.controllers, err = enable(parent, wanted); err != nil {
			return place{}, err
		}
	}
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		return place{}, fmt.Errorf("make group %s: %w", p.dir, errors.Unwrap(err))
	}
	if h.version == 2 {
		for _, c := range p.controllers {
			if err := control(p.dir, c); err != nil {
				return place{}, errors.Join(err, os.Remove(p.dir))
			}
		}
	}
	var err error
	if p.lock, err = lock(p.dir); err != nil {
		return place{}, errors.Join(err, os.Remove(p.dir))
	}
	return p, nil
}

// enable lets the children of a version 2 group have those of the wanted
// controllers that the group has itself. It may have none: the processes of a
// group can be killed together, and their cpu time counted, all the same.
func enable(dir string, wanted []string) ([]string, error) {
	has, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return nil, fmt.Errorf("group %s: %w", dir, err)
	}
	var enabled []string
	for _, c := range strings.Fields(string(has)) {
		if !slices.Contains(wanted, c) {
			continue
		}
		err := control(dir, c)
		if errors.Is(err, unix.EBUSY) {
			if err = evacuate(dir); err == nil {
				err = control(dir, c)
			}
		}
		if err != nil {
			return nil, err
		}
		enabled = append(enabled, c)
	}
	return enabled, nil
}

func control(dir, controller string) error {
	path := filepath.Join(dir, "cgroup.subtree_control")
	now, err := os.ReadFile(path)
	if err == nil && slices.Contains(strings.Fields(string(now)), controller) {
		return nil
	}
	if err := os.WriteFile(path, []byte("+"+controller), 0); err != nil {
		return fmt.Errorf("enable %s in group %s: %w", controller, dir, errors.Unwrap(err))
	}
	return nil
}

// evacuate moves the processes of a version 2 group, ours among them, one group
// down: where we may write at all, the group was given to us to divide.
func evacuate(dir string) error {
	beside := filepath.Join(dir, "beside-weir")
	if err := os.Mkdir(beside, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	pids, err := cgroups.GetPids(dir)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		err := os.WriteFile(filepath.Join(beside, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("move process %d out of group %s: %w", pid, dir, errors.Unwrap(err))
		}
	}
	return nil
}
