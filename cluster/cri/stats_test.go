package cri

import (
	"os"
	"slices"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/cgroup"
)

// newGroups returns real control groups, or skips the test where there are none for what.
func newGroups(t *testing.T, what string) *cgroup.Tree {
	t.Helper()
	groups, err := cgroup.Open()
	must(t, err)
	t.Cleanup(func() { _ = groups.Close() })
	if !slices.Contains(groups.Support().Controllers, what) {
		t.Skip("no control groups here: " + groups.Support().Reason)
	}
	return groups
}

// busy uses processor time and memory until it is killed.
const busy = `exec python3 -c '
x = bytearray(50 << 20)
print("ready", flush=True)
while True: pass'`

// What a container uses is measured with control groups and without.
func TestStats(t *testing.T) {
	for _, name := range []string{"Groups", "Processes"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) {
				c.Network = &loopbacks{}
				if name == "Groups" {
					c.Cgroups = newGroups(t, "memory")
				}
			})
			pod := r.pod()
			id := r.start(pod, shell(busy))
			r.wait(r.start(pod, shell("true", func(c *runtimeapi.ContainerConfig) { c.LogPath = "done/0.log" })))
			r.eventually("it is ready", func() bool { return r.written(r.status(id)) == "ready\n" })

			var stats *runtimeapi.ContainerStats
			r.eventually("it is measured", func() bool {
				var err error
				stats, err = r.ContainerStats(t.Context(), id)
				must(t, err)
				return stats.GetCpu().GetUsageNanoCores().GetValue() > 0
			})
			if got := stats.GetMemory().GetWorkingSetBytes().GetValue(); got < 50<<20 || got > 500<<20 {
				t.Errorf("working set of %d bytes", got)
			}
			if stats.GetCpu().GetUsageCoreNanoSeconds().GetValue() == 0 {
				t.Error("no processor time")
			}

			list, err := r.ListContainerStats(t.Context(), nil)
			must(t, err)
			if len(list) != 1 || list[0].GetAttributes().GetId() != id {
				t.Errorf("%d containers measured, want the one that runs", len(list))
			}
			pods, err := r.ListPodSandboxStats(t.Context(), nil)
			must(t, err)
			if len(pods) != 1 || len(pods[0].GetLinux().GetContainers()) != 1 {
				t.Fatalf("pods measured: %v", pods)
			}
			linux := pods[0].GetLinux()
			if linux.GetMemory().GetWorkingSetBytes().GetValue() < 50<<20 || linux.GetCpu().GetUsageCoreNanoSeconds().GetValue() == 0 || linux.GetProcess().GetProcessCount().GetValue() == 0 {
				t.Errorf("pod: %v", linux)
			}
		})
	}
}

func TestUsageSample(t *testing.T) {
	var s usageSample
	s.next(atNoon(), 1000)
	if s.rate != 0 {
		t.Errorf("rate %d of one sample", s.rate)
	}
	s.next(atNoon().Add(2*time.Second), 2_000_001_000)
	if got, want := s.rate, uint64(1_000_000_000); got != want {
		t.Errorf("rate %d, want %d: one core", got, want)
	}
	s.next(atNoon().Add(2*time.Second+time.Millisecond), 2_000_002_000)
	if got, want := s.rate, uint64(1_000_000_000); got != want {
		t.Errorf("rate %d, want %d: a millisecond tells nothing", got, want)
	}
	s.next(atNoon().Add(4*time.Second), 1)
	if s.nanos != 2_000_001_000 || s.rate != 0 {
		t.Errorf("%+v: used time came back", s)
	}
}

func TestParseStat(t *testing.T) {
	line := "4242 (a) b (c) S 17 4242 4242 0 -1 4194560 100 0 0 0 150 50 7 3 20 0 1 0 100 5000 10 18446744073709551615 1 1 0"
	parent, use, ok := parseStat(line)
	if want := (processUse{nanos: 210 * tick, rss: 10 * uint64(os.Getpagesize())}); !ok || parent != 17 || use != want {
		t.Errorf("parent %d, use %+v, want 17, %+v", parent, use, want)
	}
	for _, broken := range []string{"", "1 (x", "1 (x) S 1"} {
		if _, _, ok := parseStat(broken); ok {
			t.Errorf("%q was taken", broken)
		}
	}
}

// A container that uses more memory than its limit is killed, and its status says so.
func TestOOM(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Cgroups = newGroups(t, "memory") })
	pod := r.pod()
	cases := map[string]struct{ why, script string }{
		"Itself": {why: "The command itself is killed.", script: `exec python3 -c 'x = bytearray(200 << 20)'`},
		"Child":  {why: "Its child is killed, and it ends for that.", script: `python3 -c 'x = bytearray(200 << 20)'`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, log := r.run(pod, shell(tc.script, func(c *runtimeapi.ContainerConfig) {
				c.LogPath = name + "/0.log"
				c.Linux.Resources = &runtimeapi.LinuxContainerResources{MemoryLimitInBytes: 32 << 20, MemorySwapLimitInBytes: 32 << 20}
			}))
			if s.GetExitCode() != 137 || s.GetReason() != "OOMKilled" {
				t.Errorf("%s\ncode %d, reason %s, log %q", tc.why, s.GetExitCode(), s.GetReason(), log)
			}
		})
	}
}

// Limits can be changed while a container runs.
func TestUpdateResources(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Cgroups = newGroups(t, "memory") })
	id := r.start(r.pod(), shell("read line; exec python3 -c 'x = bytearray(100 << 20)'", func(c *runtimeapi.ContainerConfig) {
		c.Stdin = true
		c.Linux.Resources = &runtimeapi.LinuxContainerResources{CpuShares: 512, MemoryLimitInBytes: 16 << 20}
	}))
	must(t, r.UpdateContainerResources(t.Context(), id, &runtimeapi.ContainerResources{Linux: &runtimeapi.LinuxContainerResources{MemoryLimitInBytes: 400 << 20}}))
	got := r.status(id).GetResources().GetLinux()
	if got.GetMemoryLimitInBytes() != 400<<20 || got.GetCpuShares() != 512 {
		t.Errorf("resources %v", got)
	}
	i, err := r.instance(id)
	must(t, err)
	_, err = i.streams.stdin.WriteString("go\n")
	must(t, err)
	if s := r.wait(id); s.GetExitCode() != 0 {
		t.Errorf("exit code %d, reason %s: the old limit held", s.GetExitCode(), s.GetReason())
	}
	if err := r.UpdateContainerResources(t.Context(), id, &runtimeapi.ContainerResources{}); err == nil {
		t.Error("the limits of a container that has exited were changed")
	}
}

func TestLimits(t *testing.T) {
	cases := map[string]struct {
		why  string
		from *runtimeapi.LinuxContainerResources
		want cgroup.Limits
	}{
		"None":      {why: "Nothing said is no limit."},
		"Unlimited": {why: "Nor is a quota below zero.", from: &runtimeapi.LinuxContainerResources{CpuQuota: -1, CpuPeriod: 100000, MemoryLimitInBytes: -1}},
		"All":       {why: "Half a core is 500 thousandths.", from: &runtimeapi.LinuxContainerResources{CpuQuota: 50000, CpuPeriod: 100000, CpuShares: 512, MemoryLimitInBytes: 1 << 20}, want: cgroup.Limits{CPUMilli: 500, CPUShares: 512, MemoryBytes: 1 << 20}},
		"Tiny":      {why: "A limit is never rounded to none.", from: &runtimeapi.LinuxContainerResources{CpuQuota: 1, CpuPeriod: 100000}, want: cgroup.Limits{CPUMilli: 1}},
	}
	for name, tc := range cases {
		if got := limitsOf(tc.from); got != tc.want {
			t.Errorf("%s: %s\ngot %+v, want %+v", name, tc.why, got, tc.want)
		}
	}
}

// Where there are no control groups, a change of limits is no fault of the container's.
func TestNoGroups(t *testing.T) {
	r := newRig(t)
	id := r.start(r.pod(), shell("sleep 1000"))
	must(t, r.UpdateContainerResources(t.Context(), id, &runtimeapi.ContainerResources{Linux: &runtimeapi.LinuxContainerResources{CpuShares: 2}}))
}
