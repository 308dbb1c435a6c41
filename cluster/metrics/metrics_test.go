package metrics

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// Half a core for ten seconds, as somebody asks who may see it.
func TestRates(t *testing.T) {
	s := &fake{pods: []*runtimeapi.PodSandboxStats{pod("ada", "train-0", 100*time.Second, 64<<20)}}
	now := time.Unix(1e9, 0)
	m := newMeter(s, func() time.Time { return now })
	m.before = &look{at: now.Add(-10 * time.Second), pods: []*runtimeapi.PodSandboxStats{pod("ada", "train-0", 95*time.Second, 0)}}

	h := (&server{meter: m, node: "weir"}).handler()
	var list metricsv1beta1.PodMetricsList
	get(t, h, root+"/namespaces/ada/pods?labelSelector=job%3Dtrain", &list)
	if len(list.Items) != 1 || len(list.Items[0].Containers) != 1 {
		t.Fatalf("got %+v, want one container", list)
	}
	use := list.Items[0].Containers[0].Usage
	if cpu, memory := use.Cpu().MilliValue(), use.Memory().Value(); cpu != 500 || memory != 64<<20 {
		t.Errorf("cpu %dm, memory %d; want 500m and 64Mi", cpu, memory)
	}
	if got := list.Items[0].Window.Duration; got != 10*time.Second {
		t.Errorf("window %s, want 10s", got)
	}

	get(t, h, root+"/namespaces/ada/pods?labelSelector=job%3Dother", &list)
	if len(list.Items) != 0 {
		t.Errorf("another label got %+v", list.Items)
	}
	if code := status(h, root+"/namespaces/ada/pods/gone"); code != http.StatusNotFound {
		t.Errorf("a pod that is gone: %d, want 404", code)
	}
}

// A container that has just come has no rate yet; a wrong one would scale
// something.
func TestNewContainersWait(t *testing.T) {
	now := time.Unix(1e9, 0)
	u := between(&look{at: now}, &look{at: now.Add(time.Second), pods: []*runtimeapi.PodSandboxStats{pod("ada", "new", time.Hour, 1)}})
	if len(u.pods) != 0 {
		t.Errorf("got %+v, want nothing", u.pods)
	}
}

// The last hour is kept, and what cannot be known of it is left out.
func TestHistory(t *testing.T) {
	var h History
	at, busy := time.Unix(1e9, 0), uint64(0)
	tick := func(after time.Duration, cores float64) {
		at, busy = at.Add(after), busy+uint64(cores*float64(after))
		h.add(at, nodeTimes{busy: busy, memory: 7})
	}
	tick(0, 0)
	if got := h.Points(); len(got) != 0 {
		t.Errorf("after one look: %+v, want nothing", got)
	}
	tick(time.Minute, 1.5)
	if got, want := h.Points(), (Point{At: at, Cores: 1.5, Memory: 7}); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	tick(8*time.Hour, 0) // The machine slept.
	if got := h.Points(); len(got) != 0 {
		t.Errorf("after a night: %+v, want nothing", got)
	}
	for range 100 {
		tick(time.Minute, 2)
	}
	if got := h.Points(); len(got) != 60 || got[59].At != at || got[59].Cores != 2 {
		t.Errorf("%d points, the last %+v, want 60 of 2 cores", len(got), got[len(got)-1])
	}
}

func TestNodeTimes(t *testing.T) {
	got, err := parseNodeTimes("cpu  10 0 5 100 7 0 1 0 0 0\ncpu0 1\n", "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 600 kB\n")
	if err != nil || got.busy != uint64(160*time.Millisecond) || got.memory != 400<<10 {
		t.Errorf("got %+v, %v; want 160 ms and 400 KiB", got, err)
	}
}

type fake struct{ pods []*runtimeapi.PodSandboxStats }

func (f *fake) ListPodSandboxStats(context.Context, *runtimeapi.PodSandboxStatsFilter) ([]*runtimeapi.PodSandboxStats, error) {
	return f.pods, nil
}

func pod(namespace, name string, cpu time.Duration, memory uint64) *runtimeapi.PodSandboxStats {
	return &runtimeapi.PodSandboxStats{
		Attributes: &runtimeapi.PodSandboxAttributes{Metadata: &runtimeapi.PodSandboxMetadata{Namespace: namespace, Name: name}, Labels: map[string]string{"job": "train"}},
		Linux: &runtimeapi.LinuxPodSandboxStats{Containers: []*runtimeapi.ContainerStats{{
			Attributes: &runtimeapi.ContainerAttributes{Id: name, Metadata: &runtimeapi.ContainerMetadata{Name: "c"}},
			Cpu:        &runtimeapi.CpuUsage{UsageCoreNanoSeconds: &runtimeapi.UInt64Value{Value: uint64(cpu)}},
			Memory:     &runtimeapi.MemoryUsage{WorkingSetBytes: &runtimeapi.UInt64Value{Value: memory}},
		}}},
	}
}

func get(t *testing.T, h http.Handler, path string, into any) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		t.Fatal(err)
	}
}

func status(h http.Handler, path string) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code
}
