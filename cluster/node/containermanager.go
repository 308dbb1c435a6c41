package node

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/cm"
)

// newContainerManager is the kubelet's view of cgroups here: it keeps none. The
// runtime gives each container its own group; a pod has none around them.
func newContainerManager() cm.ContainerManager {
	return containerManager{cm.NewStubContainerManager()}
}

type containerManager struct{ cm.ContainerManager }

func (containerManager) NewPodContainerManager() cm.PodContainerManager {
	return podContainerManager{cm.NewStubContainerManager().NewPodContainerManager()}
}

// podContainerManager says that a pod has no cgroup, where upstream's stub says
// an error that the kubelet logs at every sync.
type podContainerManager struct{ cm.PodContainerManager }

func (podContainerManager) GetPodCgroupConfig(*v1.Pod, v1.ResourceName) (*cm.ResourceConfig, error) {
	return nil, nil
}

func (podContainerManager) SetPodCgroupConfig(klog.Logger, *v1.Pod, *cm.ResourceConfig) error {
	return nil
}
