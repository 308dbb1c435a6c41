package node

import (
	"fmt"
	"reflect"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet"
	"k8s.io/kubernetes/pkg/kubelet/allocation/state"
	"k8s.io/kubernetes/pkg/kubelet/checkpointmanager"
)

// The kubelet keeps what it has allocated to pods, and what they have got of it,
// so that a pod whose resize has to wait has the same after a restart. For each
// pod that comes it writes that of all pods to a file and has the disk confirm it, one pod after another:
// that takes longer than all else it does before a pod starts. Here the file is
// written a moment later, once for all pods that have come meanwhile. If weir is
// killed in that moment, a pod gets what it asks for, as any new pod.
const (
	allocationsLater  = time.Second
	allocationsPerPod = time.Millisecond // more, since it is written of all
)

// writeAllocationsLater is an option of the kubelet.
func writeAllocationsLater(k *kubelet.Kubelet) {
	for _, at := range [][2]string{{"allocationManager", "allocated"}, {"containerRuntime", "actuatedState"}} {
		if _, err := deferAllocations(reflect.ValueOf(k), at[0], at[1]); err != nil {
			klog.Background().Error(err, "Many pods at once will start more slowly")
		}
	}
}

// deferAllocations defers those that a part of the kubelet has in a field.
func deferAllocations(k reflect.Value, part, name string) (*allocations, error) {
	holder, err := field(k, part)
	if err != nil {
		return nil, err
	}
	allocated, err := field(holder, name)
	if err != nil {
		return nil, err
	}
	upstream, ok := allocated.Interface().(state.State)
	if !ok {
		return nil, fmt.Errorf("field %s of the kubelet's %s holds %T", name, part, allocated.Interface())
	}
	kept, err := field(allocated, "checkpointManager")
	if err != nil {
		return nil, err
	}
	file, err := field(allocated, "checkpointName")
	if err != nil {
		return nil, err
	}
	files, ok := kept.Interface().(checkpointmanager.CheckpointManager)
	if !ok {
		return nil, fmt.Errorf("field checkpointManager of the allocations holds %T", kept.Interface())
	}
	a := &allocations{
		State: state.NewStateMemory(klog.Background(), upstream.GetPodResourceInfoMap()),
		files: files, name: file.String(),
	}
	allocated.Set(reflect.ValueOf(a))
	return a, nil
}

// allocations are what pods have been given: at hand in memory, and kept in a file.
type allocations struct {
	state.State
	files checkpointmanager.CheckpointManager
	name  string

	mu    sync.Mutex
	timer *time.Timer // nil while the file holds all, or is being written
	pods  int         // that were written last
}

func (a *allocations) SetContainerResources(logger klog.Logger, pod types.UID, container string, r corev1.ResourceRequirements) error {
	defer a.writeLater()
	return a.State.SetContainerResources(logger, pod, container, r)
}

func (a *allocations) SetPodResourceInfo(logger klog.Logger, pod types.UID, info state.PodResourceInfo) error {
	defer a.writeLater()
	return a.State.SetPodResourceInfo(logger, pod, info)
}

func (a *allocations) SetPodLevelResources(logger klog.Logger, pod types.UID, r *corev1.ResourceRequirements) error {
	defer a.writeLater()
	return a.State.SetPodLevelResources(logger, pod, r)
}

func (a *allocations) SetEmptyDirVolumeLimit(pod types.UID, volume string, limit *resource.Quantity) error {
	defer a.writeLater()
	return a.State.SetEmptyDirVolumeLimit(pod, volume, limit)
}

func (a *allocations) writeLater() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer == nil {
		a.timer = time.AfterFunc(allocationsLater+time.Duration(a.pods)*allocationsPerPod, func() {
			if err := a.write(); err != nil {
				klog.Background().Error(err, "What pods have been allocated is not kept")
			}
		})
	}
}

func (a *allocations) write() error {
	a.mu.Lock()
	a.timer = nil // before the state is read, so that no change is missed
	a.mu.Unlock()
	entries := a.GetPodResourceInfoMap()
	a.mu.Lock()
	a.pods = len(entries)
	a.mu.Unlock()
	checkpoint, err := state.NewCheckpoint(&state.PodResourceCheckpointInfo{Entries: entries})
	if err != nil {
		return err
	}
	return a.files.CreateCheckpoint(a.name, checkpoint)
}
