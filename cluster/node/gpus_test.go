package node

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/kubernetes/pkg/kubelet/config"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"

	"github.com/weir-ml/weir/cluster/gpu"
)

var twoGPUs = gpu.Machine{
	GPUs:      []gpu.GPU{{UUID: "GPU-a", Model: "Tesla T4", Device: "/dev/nvidia0"}, {UUID: "GPU-b", Model: "Tesla T4", Device: "/dev/nvidia1"}},
	Driver:    "580.159.04",
	Devices:   []string{"/dev/nvidiactl"},
	Libraries: []gpu.File{{Path: "/opt/libcuda.so.580.159.04", Name: "libcuda.so.1"}},
	Programs:  []gpu.File{{Path: "/opt/nvidia-smi", Name: "nvidia-smi"}},
}

// A GPU is one container's until its pod is gone, and stays its own when weir
// starts again.
func TestGPUsAreHandedOut(t *testing.T) {
	dir := t.TempDir()
	var pods []*corev1.Pod
	m := startGPUs(t, dir, &pods)
	if got := m.capacity(); got != 2 {
		t.Fatalf("the node has %d GPUs, want 2", got)
	}
	admit := func(name string, gpus string, want bool) {
		t.Helper()
		pod := gpuPod(name, gpus)
		got := m.GetAllocateResourcesPodAdmitHandler(klog.Background()).Admit(t.Context(), &lifecycle.PodAdmitAttributes{Pod: pod, Operation: lifecycle.AddOperation})
		if got.Admit != want {
			t.Fatalf("pod %s was let in: %t, want %t: %s", name, got.Admit, want, got.Message)
		}
		if got.Admit {
			pods = append(pods, pod)
		}
	}
	admit("none", "", true)
	admit("one", "1", true)
	admit("too-many", "2", false)
	admit("another", "1", true)
	admit("late", "1", false)

	if got := m.given("none"); len(got) != 0 {
		t.Errorf("a pod that asks for no GPU got %v", got)
	}
	one, another := m.given("one"), m.given("another")
	both := slices.Sorted(slices.Values(slices.Concat(one, another)))
	if want := []string{"/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidiactl"}; !slices.Equal(both, want) {
		t.Errorf("two pods got %v and %v, want a GPU each", one, another)
	}

	pods = slices.DeleteFunc(pods, func(p *corev1.Pod) bool { return p.Name == "one" })
	admit("late", "1", true)
	if got := m.given("late"); !slices.Equal(got, one) {
		t.Errorf("the GPU of a pod that is gone was %v, and the next got %v", one, got)
	}

	m = startGPUs(t, dir, &pods)
	if got := m.given("another"); !slices.Equal(got, another) {
		t.Errorf("a pod had %v, and %v after a start", another, got)
	}
}

func TestWhatComesWithGPUs(t *testing.T) {
	var pods []*corev1.Pod
	m := startGPUs(t, t.TempDir(), &pods)
	pods = append(pods, gpuPod("p", "2"))
	got, err := m.GetResources(t.Context(), pods[0], &pods[0].Spec.Containers[0])
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	for _, e := range got.Envs {
		variables[e.Name] = e.Value
	}
	if variables["NVIDIA_VISIBLE_DEVICES"] != "GPU-a,GPU-b" {
		t.Errorf("variables %v: want both GPUs in NVIDIA_VISIBLE_DEVICES", variables)
	}
	mounts := map[string]string{}
	for _, m := range got.Mounts {
		if !m.ReadOnly {
			t.Errorf("%s can be written", m.ContainerPath)
		}
		mounts[m.ContainerPath] = m.HostPath
	}
	if mounts["/usr/lib64/libcuda.so.1"] != "/opt/libcuda.so.580.159.04" || mounts["/usr/bin/nvidia-smi"] != "/opt/nvidia-smi" {
		t.Errorf("mounts %v: want the driver's library and program", mounts)
	}
	if got := gpuLabels(twoGPUs)["nvidia.com/gpu.product"]; got != "Tesla-T4" {
		t.Errorf("the node is labelled with %q", got)
	}
}

type gpuManager struct {
	cm.ContainerManager
	t    *testing.T
	pods *[]*corev1.Pod
}

// startGPUs starts a node's manager that has its files in dir and finds pods.
func startGPUs(t *testing.T, dir string, pods *[]*corev1.Pod) gpuManager {
	t.Helper()
	m, err := newContainerManager(klog.Background(), everyone{}, dir, twoGPUs)
	if err != nil {
		t.Fatal(err)
	}
	err = m.Start(t.Context(), nil, func() []*corev1.Pod { return *pods }, nil, ready{}, nil, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return gpuManager{m, t, pods}
}

func (m gpuManager) capacity() int64 {
	_, allocatable, _ := m.GetDevicePluginResourceCapacity(klog.Background())
	q := allocatable[resourceGPU]
	return q.Value()
}

// given are the nodes of devices that a pod's container gets, sorted.
func (m gpuManager) given(name string) []string {
	m.t.Helper()
	i := slices.IndexFunc(*m.pods, func(p *corev1.Pod) bool { return p.Name == name })
	pod := (*m.pods)[i]
	got, err := m.GetResources(m.t.Context(), pod, &pod.Spec.Containers[0])
	if err != nil {
		m.t.Fatal(err)
	}
	var nodes []string
	for _, d := range got.Devices {
		nodes = append(nodes, d.PathOnHost)
	}
	slices.Sort(nodes)
	return nodes
}

func gpuPod(name, gpus string) *corev1.Pod {
	c := corev1.Container{Name: "c"}
	if gpus != "" {
		c.Resources.Limits = corev1.ResourceList{resourceGPU: resource.MustParse(gpus)}
	}
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}, Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}
}

type everyone struct{}

func (everyone) HasUser(uint32) bool  { return true }
func (everyone) HasGroup(uint32) bool { return true }

type ready struct{ config.SourcesReady }

func (ready) AllReady() bool { return true }
