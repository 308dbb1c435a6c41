package cgroup

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/cgroups"
)

// A Group holds the processes of one container. A nil Group limits and measures
// nothing.
type Group struct {
	manager cgroups.Manager
	support Support
}

// period is what the kernel's quota of cpu time is of, in microseconds.
const period = 100_000

func (g *Group) make(l Limits) error {
	const nobody = -1
	if err := g.manager.Apply(nobody); err != nil {
		return err
	}
	if l == (Limits{}) {
		return nil // as the kernel makes it
	}
	if err := g.Set(l); err != nil {
		return errors.Join(err, g.Destroy())
	}
	return nil
}

// Apply puts the process pid, and so all its children to come, into the group.
func (g *Group) Apply(pid int) error {
	if g == nil {
		return nil
	}
	if err := g.manager.AddPid("", pid); err != nil {
		return fmt.Errorf("put process %d into its group: %w", pid, err)
	}
	return nil
}

// Set changes the limits, all of them.
func (g *Group) Set(l Limits) error {
	if g == nil {
		return nil
	}
	r := &cgroups.Resources{}
	if slices.Contains(g.support.Controllers, "cpu") {
		r.CpuPeriod, r.CpuQuota = period, -1
		if l.CPUMilli > 0 {
			r.CpuQuota = max(l.CPUMilli*period/1000, 1000) // the kernel takes no less
		}
		r.CpuShares = l.CPUShares
		if g.support.Version == 2 {
			r.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(l.CPUShares)
		}
	}
	if slices.Contains(g.support.Controllers, "memory") {
		r.Memory = -1
		if l.MemoryBytes > 0 {
			r.Memory = l.MemoryBytes
		}
	}
	if slices.Contains(g.support.Controllers, "pids") {
		pids := int64(-1)
		if l.PIDs > 0 {
			pids = l.PIDs
		}
		r.PidsLimit = &pids
	}
	if err := g.manager.Set(r); err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	return nil
}

// Stats measures; the error is errors.ErrUnsupported where nothing can be measured.
func (g *Group) Stats() (Usage, error) {
	if g == nil {
		return Usage{}, errors.ErrUnsupported
	}
	s, err := g.manager.GetStats()
	if err != nil {
		return Usage{}, fmt.Errorf("measure group: %w", err)
	}
	m := s.MemoryStats
	u := Usage{
		CPUNanos:    s.CpuStats.CpuUsage.TotalUsage,
		MemoryBytes: m.Usage.Usage,
		PIDs:        s.PidsStats.Current,
		RSSBytes:    m.Stats["total_rss"], // version 1
	}
	inactive := m.Stats["total_inactive_file"]
	if g.support.Version == 2 {
		u.RSSBytes, inactive = m.Stats["anon"], m.Stats["inactive_file"]
	}
	u.WorkingSetBytes = u.MemoryBytes - min(inactive, u.MemoryBytes)
	return u, nil
}

// Folders are where the kernel shows the group: one for each controller in version
// 1, by its name; the one there is in version 2, under "".
func (g *Group) Folders() map[string]string {
	if g == nil {
		return nil
	}
	return g.manager.GetPaths()
}

// OOMKilled says whether the kernel killed a process of the group for want of memory.
func (g *Group) OOMKilled() bool {
	if g == nil || !slices.Contains(g.support.Controllers, "memory") {
		return false
	}
	n, err := g.manager.OOMKillCount()
	return err == nil && n > 0
}

// Kill kills every process of the group.
func (g *Group) Kill() error {
	if g == nil {
		return nil
	}
	for _, dir := range g.manager.GetPaths() {
		return kill(dir) // each has the same processes
	}
	return nil
}

// Destroy kills what is left in the group and removes it.
func (g *Group) Destroy() error {
	if g == nil {
		return nil
	}
	var problem error
	for _, dir := range g.manager.GetPaths() {
		if err := remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			problem = errors.Join(problem, err)
		}
	}
	if problem != nil {
		return fmt.Errorf("remove group: %w", problem)
	}
	return nil
}
