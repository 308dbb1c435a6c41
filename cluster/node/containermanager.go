package node

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/utils/ptr"

	"github.com/weir-ml/weir/cluster/gpu"
)

// newContainerManager is the kubelet's view of cgroups here: it keeps none. The
// runtime gives each container its own group; a pod has none around them. GPUs
// are handed out where there are any.
func newContainerManager(logger klog.Logger, users Users, dir string, gpus gpu.Machine) (cm.ContainerManager, error) {
	inner := cm.NewStubContainerManager()
	if len(gpus.GPUs) > 0 {
		var err error
		if inner, err = newWithGPUs(logger, inner, dir, gpus); err != nil {
			return nil, fmt.Errorf("hand out GPUs: %w", err)
		}
	}
	return containerManager{inner, users, dir}, nil
}

type containerManager struct {
	cm.ContainerManager
	users Users
	dir   string
}

// GetCapacity is how big the disk is that weir's folder lies on. Pods that ask
// for some of it find room; what they write is not counted.
func (c containerManager) GetCapacity(logger klog.Logger, _ bool) corev1.ResourceList {
	disk, err := (&machine{dir: c.dir}).RootFsInfo()
	if err != nil {
		logger.Error(err, "The node offers no disk")
		return nil
	}
	return corev1.ResourceList{corev1.ResourceEphemeralStorage: *resource.NewQuantity(int64(disk.Capacity), resource.BinarySI)}
}

func (containerManager) NewPodContainerManager() cm.PodContainerManager {
	return podContainerManager{cm.NewStubContainerManager().NewPodContainerManager()}
}

// podContainerManager says what a pod's cgroup would be, had it one. Upstream's
// stub says an error, which the kubelet logs at every sync.
type podContainerManager struct{ cm.PodContainerManager }

// GetPodCgroupConfig is what the pod asks for. The kubelet follows all three
// pointers when a pod is resized, whatever the pod's class leaves unset.
func (podContainerManager) GetPodCgroupConfig(pod *corev1.Pod, _ corev1.ResourceName) (*cm.ResourceConfig, error) {
	c := cm.ResourceConfigForPod(pod, true, cm.QuotaPeriod, false, "")
	if c.Memory == nil {
		c.Memory = new(int64)
	}
	if c.CPUQuota == nil {
		c.CPUQuota, c.CPUPeriod = ptr.To[int64](-1), ptr.To[uint64](cm.QuotaPeriod)
	}
	return c, nil
}

func (podContainerManager) SetPodCgroupConfig(klog.Logger, *corev1.Pod, *cm.ResourceConfig) error {
	return nil
}
