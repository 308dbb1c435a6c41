package metrics

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

const (
	// fresh is how old an answer may be, firstWindow how long the first question
	// waits for its second look.
	fresh       = 5 * time.Second
	firstWindow = time.Second
	// tooOld is when a look says nothing any more about what is used now.
	tooOld = 2 * time.Minute
)

// A usage is what was used in a window of time.
type usage struct {
	at     time.Time
	window time.Duration
	node   amount
	pods   []podUsage
}

type podUsage struct {
	namespace, name string
	labels          map[string]string
	containers      []containerUsage
}

type containerUsage struct {
	name string
	amount
}

// An amount is cores in use, in billionths, and bytes.
type amount struct {
	nanoCores   uint64
	memoryBytes uint64
}

func (a amount) resources() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewScaledQuantity(int64(a.nanoCores), resource.Nano),
		corev1.ResourceMemory: *resource.NewQuantity(int64(a.memoryBytes), resource.BinarySI),
	}
}

func (p podUsage) metrics(u *usage) metricsv1beta1.PodMetrics {
	m := metricsv1beta1.PodMetrics{
		TypeMeta:   kind("PodMetrics"),
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: p.name, Labels: p.labels},
		Timestamp:  metav1.NewTime(u.at), Window: metav1.Duration{Duration: u.window},
	}
	for _, c := range p.containers {
		m.Containers = append(m.Containers, metricsv1beta1.ContainerMetrics{Name: c.name, Usage: c.resources()})
	}
	return m
}

// A look is what had been used by a moment.
type look struct {
	at   time.Time
	pods []*runtimeapi.PodSandboxStats
	node nodeTimes
}

// A meter turns looks into rates.
type meter struct {
	stats Stats
	now   func() time.Time

	mu     sync.Mutex
	before *look
	last   *usage
}

func newMeter(s Stats, now func() time.Time) *meter { return &meter{stats: s, now: now} }

// use is what is used now, or was a few seconds ago.
func (m *meter) use(ctx context.Context) (*usage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if m.last != nil && now.Sub(m.last.at) < fresh {
		return m.last, nil
	}
	if m.before == nil || now.Sub(m.before.at) > tooOld {
		first, err := m.look(ctx)
		if err != nil {
			return nil, err
		}
		m.before = first
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(firstWindow):
		}
	}
	next, err := m.look(ctx)
	if err != nil {
		return nil, err
	}
	m.last, m.before = between(m.before, next), next
	return m.last, nil
}

func (m *meter) look(ctx context.Context) (*look, error) {
	pods, err := m.stats.ListPodSandboxStats(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the runtime what pods use: %w", err)
	}
	node, err := readNodeTimes()
	if err != nil {
		return nil, err
	}
	return &look{at: m.now(), pods: pods, node: node}, nil
}

// between is what was used from one look to the next. A container that was not
// there at the first has no rate yet, and is left out, as upstream does.
func between(before, after *look) *usage {
	seen := map[string]uint64{}
	for _, p := range before.pods {
		for _, c := range p.GetLinux().GetContainers() {
			seen[c.GetAttributes().GetId()] = c.GetCpu().GetUsageCoreNanoSeconds().GetValue()
		}
	}
	window := after.at.Sub(before.at)
	rate := func(from, to uint64) uint64 {
		if to < from || window <= 0 {
			return 0
		}
		return uint64(float64(to-from) / window.Seconds())
	}

	u := &usage{at: after.at, window: window}
	u.node = amount{nanoCores: rate(before.node.busy, after.node.busy), memoryBytes: after.node.memory}
	for _, p := range after.pods {
		meta := p.GetAttributes().GetMetadata()
		pod := podUsage{namespace: meta.GetNamespace(), name: meta.GetName(), labels: p.GetAttributes().GetLabels()}
		for _, c := range p.GetLinux().GetContainers() {
			from, known := seen[c.GetAttributes().GetId()]
			if !known {
				continue
			}
			pod.containers = append(pod.containers, containerUsage{
				name: c.GetAttributes().GetMetadata().GetName(),
				amount: amount{
					nanoCores:   rate(from, c.GetCpu().GetUsageCoreNanoSeconds().GetValue()),
					memoryBytes: c.GetMemory().GetWorkingSetBytes().GetValue(),
				},
			})
		}
		if len(pod.containers) > 0 {
			u.pods = append(u.pods, pod)
		}
	}
	return u
}

// nodeTimes are the machine's: nanoseconds that its cores were busy, and bytes
// that are not available.
type nodeTimes struct{ busy, memory uint64 }

// jiffy is the kernel's unit of time towards programs, on every architecture.
const jiffy = 10 * time.Millisecond

func readNodeTimes() (nodeTimes, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nodeTimes{}, fmt.Errorf("read what the machine uses: %w", err)
	}
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nodeTimes{}, fmt.Errorf("read what the machine uses: %w", err)
	}
	return parseNodeTimes(string(stat), string(meminfo))
}

func parseNodeTimes(stat, meminfo string) (nodeTimes, error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 8 || fields[0] != "cpu" {
		return nodeTimes{}, errors.New("read /proc/stat: no line about all cpus")
	}
	var t nodeTimes
	for i, f := range fields[1:8] { // user nice system idle iowait irq softirq
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return nodeTimes{}, fmt.Errorf("read /proc/stat: %w", err)
		}
		if i != 3 && i != 4 {
			t.busy += n * uint64(jiffy)
		}
	}
	var total, available uint64
	for line := range strings.Lines(meminfo) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "MemTotal":
			total = n << 10
		case "MemAvailable":
			available = n << 10
		}
	}
	t.memory = total - min(available, total)
	return t, nil
}
