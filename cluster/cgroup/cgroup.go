// Package cgroup limits what containers use of the machine and measures it,
// with control groups of version 1, version 2, or a delegated part of version 2.
//
//	the group weir was started in
//	└── weir-1f3a…            a Tree: one running weir, which holds a lock on it
//	    ├── <container>       a Group: its processes, limits and figures
//	    └── <container>
package cgroup

import (
	"slices"
	"strings"
)

// wanted are the controllers that limits and figures need. (Nothing changes it.)
var wanted = []string{"cpu", "cpuacct", "memory", "pids"}

// Support says what this machine lets us limit.
type Support struct {
	Version     int      // 1 or 2; 0 when groups cannot be made
	Controllers []string // that can be written: "cpu", "memory", "pids"
	Reason      string   // a sentence, when something is missing
}

// Limits are bounds for the processes of a group; zero is no bound.
type Limits struct {
	CPUMilli    int64  // thousandths of a core
	CPUShares   uint64 // weight against others, 1024 for a core
	MemoryBytes int64
	PIDs        int64
}

// Usage is what the processes of a group have used and use.
type Usage struct {
	CPUNanos        uint64 // since the group was made
	MemoryBytes     uint64 // with the page cache
	WorkingSetBytes uint64 // without the part of the cache that is easily dropped
	RSSBytes        uint64
	PIDs            uint64
}

// supportOf says what can be done with the controllers that were found.
func supportOf(version int, found []string, why string) Support {
	s := Support{Version: version}
	var lost []string
	for _, c := range []string{"cpu", "memory", "pids"} {
		if slices.Contains(found, c) {
			s.Controllers = append(s.Controllers, c)
		} else {
			lost = append(lost, c)
		}
	}
	switch {
	case len(lost) == 0:
	case len(s.Controllers) == 0:
		s.Reason = "No limits on cpu, memory or processes, and no figures of their use: " + why + "."
	default:
		s.Reason = "No limits on " + strings.Join(lost, " and ") + ": " + why + "."
	}
	return s
}
