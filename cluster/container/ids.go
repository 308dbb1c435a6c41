package container

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// ids says which users and groups exist for this program.
type ids struct {
	inUser     bool // it is root in a user namespace only
	uids, gids []idMap
	setAny     bool // supplementary groups may be set
}

// An idMap is a line of /proc/self/uid_map or gid_map.
type idMap struct{ inside, outside, count uint32 }

func readIDs() (ids, error) {
	users, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return ids{}, fmt.Errorf("read users: %w", err)
	}
	groups, err := os.ReadFile("/proc/self/gid_map")
	if err != nil {
		return ids{}, fmt.Errorf("read groups: %w", err)
	}
	may, err := os.ReadFile("/proc/self/setgroups")
	if err != nil {
		return ids{}, fmt.Errorf("read groups: %w", err)
	}
	i := ids{inUser: !isWhole(string(users)), setAny: strings.TrimSpace(string(may)) == "allow"}
	if i.uids, err = parseMaps(string(users)); err != nil {
		return ids{}, fmt.Errorf("read users: %w", err)
	}
	if i.gids, err = parseMaps(string(groups)); err != nil {
		return ids{}, fmt.Errorf("read groups: %w", err)
	}
	return i, nil
}

func parseMaps(text string) ([]idMap, error) {
	var all []idMap
	for line := range strings.Lines(text) {
		var m idMap
		if _, err := fmt.Sscan(line, &m.inside, &m.outside, &m.count); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		all = append(all, m)
	}
	return all, nil
}

// has is whether an id is in one of the ranges that are mapped.
func has(maps []idMap, id uint32) bool {
	return slices.ContainsFunc(maps, func(m idMap) bool { return id >= m.inside && id-m.inside < m.count })
}

// onlyRoot is whether there is no user but root.
func (i ids) onlyRoot() bool { return !has(i.uids, 1) }

// HasUser says whether containers can be run as a user.
func (r *Runtime) HasUser(id uint32) bool {
	if us := os.Getuid(); r.kind == Plain && us != 0 { // as whom all are run
		return id == 0 || id == uint32(us)
	}
	return has(r.ids.uids, id)
}

// HasGroup says the same of a group.
func (r *Runtime) HasGroup(id uint32) bool {
	return r.kind == Plain && os.Getuid() != 0 || has(r.ids.gids, id)
}

func isWhole(users string) bool {
	return strings.Join(strings.Fields(users), " ") == "0 0 4294967295"
}

// groups returns those of the supplementary groups that a process can have. In a
// user namespace most do not exist, but neither do files of theirs: what is the
// user's is open to the namespace's root anyway.
func (i ids) groups(wanted []uint32) []uint32 {
	if !i.setAny {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(wanted), func(g uint32) bool { return !has(i.gids, g) })
}
