package node

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet"
	"k8s.io/kubernetes/pkg/kubelet/allocation"
	"k8s.io/kubernetes/pkg/kubelet/allocation/state"
)

// Upstream's fields are where they are looked for, and what is kept is found
// after a restart: a Kubernetes that moves them fails here, and not by being slow.
func TestAllocationsAreKeptAMomentLater(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		before := allocationsIn(t, dir)
		for pod, cores := range map[types.UID]string{"a": "1", "b": "2"} {
			if err := before.SetPodResourceInfo(klog.Background(), pod, asking(cores)); err != nil {
				t.Fatal(err)
			}
		}
		if err := before.SetContainerResources(klog.Background(), "b", "main", asking("3").ContainerResources["main"]); err != nil {
			t.Fatal(err)
		}
		expectCores(t, before, map[types.UID]string{"a": "1", "b": "3"})
		if files := len(entries(t, dir)); files != 0 {
			t.Errorf("%d files were written while pods waited, want none", files)
		}

		time.Sleep(2 * allocationsLater) // on this test's own clock
		synctest.Wait()
		expectCores(t, allocationsIn(t, dir), map[types.UID]string{"a": "1", "b": "3"})
	})
}

func TestAllocationsThatAreGoneAreSaid(t *testing.T) {
	if _, err := deferAllocations(reflect.ValueOf(&struct{ other int }{}), "allocationManager", "allocated"); err == nil {
		t.Error("a kubelet without an allocation manager was taken for one")
	}
}

// allocationsIn are those of a kubelet that starts with the files of a folder.
func allocationsIn(t *testing.T, dir string) *allocations {
	t.Helper()
	k := &kubelet.Kubelet{}
	manager, err := field(reflect.ValueOf(k), "allocationManager")
	if err != nil {
		t.Fatal(err)
	}
	manager.Set(reflect.ValueOf(allocation.NewManager(dir, nil, nil, nil, nil, nil, record.NewFakeRecorder(1), klog.Background())))
	a, err := deferAllocations(reflect.ValueOf(k), "allocationManager", "allocated")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func asking(cores string) state.PodResourceInfo {
	return state.PodResourceInfo{ContainerResources: map[string]corev1.ResourceRequirements{
		"main": {Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cores)}},
	}}
}

func expectCores(t *testing.T, a *allocations, want map[types.UID]string) {
	t.Helper()
	for pod, cores := range want {
		r, ok := a.GetContainerResources(pod, "main")
		if !ok || !r.Requests.Cpu().Equal(resource.MustParse(cores)) {
			t.Errorf("pod %s has %s cores (known: %t), want %s", pod, r.Requests.Cpu(), ok, cores)
		}
	}
}

func entries(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	all, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		t.Fatal(err)
	}
	return all
}
