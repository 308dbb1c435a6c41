package cri

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/cgroup"
)

// A usageSample is a measurement of processor time, kept to tell how fast it grows.
type usageSample struct {
	at    time.Time
	nanos uint64
	rate  uint64 // nanoseconds of processor a second, since the sample before
}

// shortest is the time between two samples that a rate can be told from.
const shortest = 500 * time.Millisecond

// next takes a measurement in. Time that was used does not come back, even when a
// process that used it is gone from where it was counted.
func (s *usageSample) next(at time.Time, nanos uint64) {
	nanos = max(nanos, s.nanos)
	since := at.Sub(s.at)
	if s.at.IsZero() {
		*s = usageSample{at: at, nanos: nanos}
		return
	}
	if since >= shortest {
		*s = usageSample{at: at, nanos: nanos, rate: uint64(float64(nanos-s.nanos) / since.Seconds())}
	}
}

// A diskSample is a measurement of what lies on the disk.
type diskSample struct {
	at            time.Time
	bytes, inodes uint64
}

// diskInterval is how old such a measurement may be.
const diskInterval = time.Minute

// ContainerStats measures what a running container uses.
func (r *Runtime) ContainerStats(_ context.Context, id string) (*runtimeapi.ContainerStats, error) {
	i, err := r.runningInstance(id)
	if err != nil {
		return nil, err
	}
	stats, _ := r.measure(i, &processTable{})
	return stats, nil
}

// ListContainerStats measures the running containers that f lets through.
func (r *Runtime) ListContainerStats(_ context.Context, f *runtimeapi.ContainerStatsFilter) ([]*runtimeapi.ContainerStats, error) {
	var list []*runtimeapi.ContainerStats
	table := &processTable{}
	for _, i := range r.alive() {
		if !strings.HasPrefix(i.id, f.GetId()) || !strings.HasPrefix(i.sandbox.id, f.GetPodSandboxId()) || !matches(f.GetLabelSelector(), i.config.GetLabels()) {
			continue
		}
		stats, _ := r.measure(i, table)
		list = append(list, stats)
	}
	return list, nil
}

// PodSandboxStats measures what the containers of a pod use together.
func (r *Runtime) PodSandboxStats(_ context.Context, id string) (*runtimeapi.PodSandboxStats, error) {
	s, err := r.sandbox(id)
	if err != nil {
		return nil, err
	}
	return r.measurePod(s, r.alive(), &processTable{}), nil
}

// ListPodSandboxStats measures the running pods that f lets through.
func (r *Runtime) ListPodSandboxStats(_ context.Context, f *runtimeapi.PodSandboxStatsFilter) ([]*runtimeapi.PodSandboxStats, error) {
	r.mu.Lock()
	var sandboxes []*sandbox
	for _, s := range r.sandboxes.among(f.GetLabelSelector()) {
		if s.state == runtimeapi.PodSandboxState_SANDBOX_READY && strings.HasPrefix(s.id, f.GetId()) && matches(f.GetLabelSelector(), s.config.GetLabels()) {
			sandboxes = append(sandboxes, s)
		}
	}
	r.mu.Unlock()

	var list []*runtimeapi.PodSandboxStats
	alive, table := r.alive(), &processTable{}
	for _, s := range sandboxes {
		list = append(list, r.measurePod(s, alive, table))
	}
	return list, nil
}

// ListMetricDescriptors lists none: what is measured is in the stats.
func (r *Runtime) ListMetricDescriptors(context.Context) ([]*runtimeapi.MetricDescriptor, error) {
	return nil, nil
}

// ListPodSandboxMetrics lists none: what is measured is in the stats.
func (r *Runtime) ListPodSandboxMetrics(context.Context) ([]*runtimeapi.PodSandboxMetrics, error) {
	return nil, nil
}

// alive are the instances that run.
func (r *Runtime) alive() []*instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*instance
	for _, i := range r.instances.byID {
		if i.state == runtimeapi.ContainerState_CONTAINER_RUNNING {
			list = append(list, i)
		}
	}
	return list
}

// measure measures a running instance: by its control group, else by its processes.
func (r *Runtime) measure(i *instance, table *processTable) (*runtimeapi.ContainerStats, cgroup.Usage) {
	usage, err := i.group.Stats()
	if i.group == nil || err != nil {
		usage = table.below(i.process.PID())
	}
	at := r.now()
	r.mu.Lock()
	i.usage.next(at, usage.CPUNanos)
	sample := i.usage
	limit := i.resources.GetMemoryLimitInBytes()
	r.mu.Unlock()

	stats := &runtimeapi.ContainerStats{
		Attributes: &runtimeapi.ContainerAttributes{
			Id:          i.id,
			Metadata:    i.config.GetMetadata(),
			Labels:      i.config.GetLabels(),
			Annotations: i.config.GetAnnotations(),
		},
		Cpu:    cpuUsage(at, max(usage.CPUNanos, sample.nanos), sample.rate),
		Memory: memoryUsage(at, usage, limit),
	}
	if disk := r.measureDisk(i, at); !disk.at.IsZero() {
		stats.WritableLayer = &runtimeapi.FilesystemUsage{
			Timestamp:  disk.at.UnixNano(),
			FsId:       &runtimeapi.FilesystemIdentifier{Mountpoint: r.config.Dir},
			UsedBytes:  count(disk.bytes),
			InodesUsed: count(disk.inodes),
		}
	}
	return stats, usage
}

// measureDisk measures what the instance wrote into its root, once in a while: for that, all
// its files are looked at.
func (r *Runtime) measureDisk(i *instance, at time.Time) diskSample {
	r.mu.Lock()
	last := i.disk
	r.mu.Unlock()
	if at.Sub(last.at) < diskInterval {
		return last
	}
	bytes, inodes, err := i.process.DiskUsage()
	if err != nil {
		return last
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	i.disk = diskSample{at: at, bytes: bytes, inodes: inodes}
	return i.disk
}

func (r *Runtime) measurePod(s *sandbox, alive []*instance, table *processTable) *runtimeapi.PodSandboxStats {
	at := r.now()
	linux := &runtimeapi.LinuxPodSandboxStats{}
	var all cgroup.Usage
	var rate, cpu uint64
	for _, i := range alive {
		if i.sandbox != s {
			continue
		}
		stats, usage := r.measure(i, table)
		linux.Containers = append(linux.Containers, stats)
		all.MemoryBytes += usage.MemoryBytes
		all.WorkingSetBytes += usage.WorkingSetBytes
		all.RSSBytes += usage.RSSBytes
		all.PIDs += usage.PIDs
		cpu += stats.GetCpu().GetUsageCoreNanoSeconds().GetValue()
		rate += stats.GetCpu().GetUsageNanoCores().GetValue()
		if linux.Network == nil && !s.onHostNetwork() {
			linux.Network = networkUsage(at, i.process.PID())
		}
	}
	linux.Cpu = cpuUsage(at, cpu, rate)
	linux.Memory = memoryUsage(at, all, 0)
	linux.Process = &runtimeapi.ProcessUsage{Timestamp: at.UnixNano(), ProcessCount: count(all.PIDs)}
	return &runtimeapi.PodSandboxStats{
		Attributes: &runtimeapi.PodSandboxAttributes{
			Id:          s.id,
			Metadata:    s.config.GetMetadata(),
			Labels:      s.config.GetLabels(),
			Annotations: s.config.GetAnnotations(),
		},
		Linux: linux,
	}
}

func cpuUsage(at time.Time, nanos, rate uint64) *runtimeapi.CpuUsage {
	return &runtimeapi.CpuUsage{Timestamp: at.UnixNano(), UsageCoreNanoSeconds: count(nanos), UsageNanoCores: count(rate)}
}

func memoryUsage(at time.Time, u cgroup.Usage, limit int64) *runtimeapi.MemoryUsage {
	usage := &runtimeapi.MemoryUsage{
		Timestamp:       at.UnixNano(),
		WorkingSetBytes: count(u.WorkingSetBytes),
		UsageBytes:      count(u.MemoryBytes),
		RssBytes:        count(u.RSSBytes),
	}
	if limit > 0 {
		usage.AvailableBytes = count(uint64(limit) - min(uint64(limit), u.WorkingSetBytes))
	}
	return usage
}

func count(n uint64) *runtimeapi.UInt64Value { return &runtimeapi.UInt64Value{Value: n} }

// networkUsage reads what went through the interfaces that a process sees.
func networkUsage(at time.Time, pid int) *runtimeapi.NetworkUsage {
	file, err := os.Open(fmt.Sprintf("/proc/%d/net/dev", pid))
	if err != nil {
		return nil
	}
	defer file.Close()

	usage := &runtimeapi.NetworkUsage{Timestamp: at.UnixNano()}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		name, numbers, ok := strings.Cut(strings.TrimSpace(lines.Text()), ":")
		fields := strings.Fields(numbers)
		if !ok || name == "lo" || len(fields) < 11 {
			continue
		}
		in := &runtimeapi.NetworkInterfaceUsage{Name: name, RxBytes: field(fields[0]), RxErrors: field(fields[2]), TxBytes: field(fields[8]), TxErrors: field(fields[10])}
		usage.Interfaces = append(usage.Interfaces, in)
		if usage.DefaultInterface == nil {
			usage.DefaultInterface = in
		}
	}
	return usage
}

func field(s string) *runtimeapi.UInt64Value {
	n, _ := strconv.ParseUint(s, 10, 64)
	return count(n)
}
