package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// compute has the GPU fill a piece of its memory, and reads it back, by the
// driver's own library and no other.
const compute = `
import ctypes
cuda = ctypes.CDLL("libcuda.so.1")
def call(name, *args):
    code = getattr(cuda, name)(*args)
    assert code == 0, f"{name}: error {code}"
count, device, context, memory = ctypes.c_int(), ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
call("cuInit", 0)
call("cuDeviceGetCount", ctypes.byref(count))
call("cuDeviceGet", ctypes.byref(device), 0)
call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
call("cuCtxSetCurrent", context)
call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(4000))
call("cuMemsetD32_v2", memory, ctypes.c_uint(7), ctypes.c_size_t(1000))
back = (ctypes.c_uint * 1000)()
call("cuMemcpyDtoH_v2", back, memory, ctypes.c_size_t(4000))
print("GPUs", count.value, "sum", sum(back))
`

// A pod that asks for a GPU can use it, and no other pod sees it; whoever asks
// for one that is taken waits, and is told so.
func TestGPU(t *testing.T) {
	s := begin(t)
	nodes := s.kubectl("get", "nodes", "-o", `jsonpath={.items[0].status.allocatable.nvidia\.com/gpu}`)
	if nodes == "" || nodes == "0" {
		t.Skip("this machine has no GPU of NVIDIA's")
	}
	pod := func(name, limits, command string) string {
		return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: busybox
    command: [sh, -c, %q]
    resources: {limits: {%s}}
---`, name, command, limits)
	}
	all := "nvidia.com/gpu: " + nodes
	s.apply(pod("none", "", "ls /dev/nvidia* 2>&1; true"))
	s.apply(pod("one", "nvidia.com/gpu: 1", "nvidia-smi -L && python3 -c '"+compute+"'"))
	if out := s.ends("none", corev1.PodSucceeded); strings.Contains(out, "/dev/nvidia0") {
		t.Errorf("a pod that asked for no GPU sees one: %s", out)
	}
	out := s.ends("one", corev1.PodSucceeded)
	if strings.Count(out, "UUID: GPU-") != 1 || !strings.Contains(out, "GPUs 1 sum 7000") {
		t.Errorf("a pod with a GPU says %q, want one GPU that computes", out)
	}

	s.apply(pod("holds", all, "sleep 3600"))
	s.runs("holds")
	s.apply(pod("waits", all, "nvidia-smi -L"))
	want := fmt.Sprintf("Pod waits asks for %s nvidia.com/gpu", nodes)
	s.eventually(time.Minute, "explain says what the pod waits for", func() (bool, string) {
		said := s.ask(t, "", "explain", "pod/waits", "-n", s.namespace).out
		return strings.Contains(said, want), said
	})
	s.kubectl("delete", "pod", "holds", "--grace-period=0", "--force")
	s.ends("waits", corev1.PodSucceeded)
}
