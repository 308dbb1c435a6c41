package container

import (
	"testing"

	"github.com/weir-ml/weir/cluster/cgroup"
)

// Programs that make themselves as big as their limits allow find them where the
// kernel shows them, and cannot change them.
func TestContainerSeesItsLimits(t *testing.T) {
	r := runtimeOf(t)
	tree, err := cgroup.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	group, err := tree.New("seen", cgroup.Limits{MemoryBytes: 64 << 20, CPUMilli: 500, CPUShares: 512})
	if err != nil {
		t.Fatal(err)
	}
	if group == nil || len(tree.Support().Controllers) < 3 {
		t.Skip(tree.Support().Reason)
	}
	defer group.Destroy()
	command, want := "cd /sys/fs/cgroup && cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.shares", "67108864\n50000\n512\nread-only"
	if tree.Support().Version == 2 {
		command, want = "cd /sys/fs/cgroup && cat memory.max cpu.max", "67108864\n50000 100000\nread-only"
	}
	s := shell(t, command+"; touch x */x 2>/dev/null || echo read-only")
	s.Cgroup = group
	asks(t, r, s, want)
}
