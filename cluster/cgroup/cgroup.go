// Package cgroup limits what containers use of the machine and measures it,
// with control groups of version 1, version 2, or a delegated part of version 2.
package cgroup

import "errors"

// Support says what this machine lets us limit.
type Support struct {
	Version     int      // 1 or 2; 0 when groups cannot be made
	Controllers []string // that can be written: "cpu", "memory", "pids", …
	Reason      string   // one sentence, when something is missing
}

// A Tree is the group that all groups of one running weir lie in. It is removed
// with everything in it by Close, or by the next Tree when its weir was killed.
type Tree struct{}

// Open makes the tree and removes those that dead programs left. Where groups
// cannot be made it returns a tree whose groups limit nothing; Support says why.
func Open() (*Tree, error) { return nil, errors.ErrUnsupported }

// Support says what the tree's groups can limit and measure.
func (t *Tree) Support() Support { return Support{} }

// New makes a group for the container id with limits.
func (t *Tree) New(id string, l Limits) (*Group, error) { return nil, errors.ErrUnsupported }

// Close kills what is in the tree and removes it.
func (t *Tree) Close() error { return nil }

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
	WorkingSetBytes uint64 // without the part of the cache that can be dropped
	RSSBytes        uint64
	PIDs            uint64
}

// A Group holds the processes of one container. A nil Group is one that limits
// and measures nothing.
type Group struct{}

// Apply puts the process pid, and so all its children to come, into the group.
func (g *Group) Apply(pid int) error { return nil }

// Set changes the limits.
func (g *Group) Set(l Limits) error { return nil }

// Stats measures; the error is errors.ErrUnsupported where nothing can be measured.
func (g *Group) Stats() (Usage, error) { return Usage{}, errors.ErrUnsupported }

// OOMKilled says whether the kernel killed a process of the group for want of memory.
func (g *Group) OOMKilled() bool { return false }

// Kill kills every process of the group.
func (g *Group) Kill() error { return nil }

// Destroy kills what is left in the group and removes it.
func (g *Group) Destroy() error { return nil }
