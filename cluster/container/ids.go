package container

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// ids says which users and groups exist for this program.
type ids struct {
	inUser bool // it is root in a user namespace only
	maps   []idMap
	setAny bool // supplementary groups may be set
}

// An idMap is a line of /proc/self/gid_map.
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
	for line := range strings.Lines(string(groups)) {
		var m idMap
		if _, err := fmt.Sscan(line, &m.inside, &m.outside, &m.count); err != nil {
			return ids{}, fmt.Errorf("read groups: %q: %w", line, err)
		}
		i.maps = append(i.maps, m)
	}
	return i, nil
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
	return slices.DeleteFunc(slices.Clone(wanted), func(g uint32) bool {
		return !slices.ContainsFunc(i.maps, func(m idMap) bool { return g >= m.inside && g-m.inside < m.count })
	})
}
