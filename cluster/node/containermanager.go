package node

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/utils/ptr"
)

// newContainerManager is the kubelet's view of cgroups here: it keeps none. The
// runtime gives each container its own group; a pod has none around them.
func newContainerManager(users Users) cm.ContainerManager {
	return containerManager{cm.NewStubContainerManager(), users}
}

type containerManager struct {
	cm.ContainerManager
	users Users
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
