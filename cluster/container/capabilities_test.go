package container

import (
	"slices"
	"testing"
)

func TestCapabilities(t *testing.T) {
	for name, c := range map[string]struct {
		why       string
		add, drop []string
		has, not  []string
		count     int
	}{
		"Usual":    {why: "What all runtimes give.", has: []string{"CAP_CHOWN", "CAP_NET_BIND_SERVICE"}, not: []string{"CAP_SYS_ADMIN"}, count: 14},
		"Add":      {why: "With and without the prefix, in any case.", add: []string{"NET_ADMIN", "cap_sys_time"}, has: []string{"CAP_NET_ADMIN", "CAP_SYS_TIME"}, count: 16},
		"Drop":     {why: "One can be taken.", drop: []string{"CHOWN"}, not: []string{"CAP_CHOWN"}, count: 13},
		"DropAll":  {why: "All can be taken, and some given back.", drop: []string{"ALL"}, add: []string{"NET_BIND_SERVICE"}, has: []string{"CAP_NET_BIND_SERVICE"}, count: 1},
		"AddAll":   {why: "All can be given, and some taken.", add: []string{"all"}, drop: []string{"SYS_ADMIN"}, has: []string{"CAP_SYS_PTRACE"}, not: []string{"CAP_SYS_ADMIN"}, count: 40},
		"AddTwice": {why: "One that is there already.", add: []string{"CHOWN"}, has: []string{"CAP_CHOWN"}, count: 14},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Capabilities(c.add, c.drop)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != c.count {
				t.Errorf("%s %d capabilities, want %d: %v", c.why, len(got), c.count, got)
			}
			for _, name := range c.has {
				if !slices.Contains(got, name) {
					t.Errorf("%s %s is missing in %v", c.why, name, got)
				}
			}
			for _, name := range c.not {
				if slices.Contains(got, name) {
					t.Errorf("%s %s is in %v", c.why, name, got)
				}
			}
		})
	}
	for _, wrong := range [][2][]string{{{"FLY"}, nil}, {nil, {"FLY"}}} {
		if _, err := Capabilities(wrong[0], wrong[1]); err == nil || err.Error() != `capability "FLY": there is none of that name` {
			t.Errorf("error %v", err)
		}
	}
}
