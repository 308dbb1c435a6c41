package node

import (
	"cmp"
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
)

// Users says which users and groups processes can be here. In a user namespace
// that is not everyone.
type Users interface {
	HasUser(id uint32) bool
	HasGroup(id uint32) bool
}

// GetAllocateResourcesPodAdmitHandler also refuses pods whose users do not exist
// here: no try would do better, and the kubelet would try for ever to give them
// their volumes. A pod that is always to run again is let in, and waits: whoever
// made it would only make the next one, at once.
func (c containerManager) GetAllocateResourcesPodAdmitHandler(log klog.Logger) lifecycle.PodAdmitHandler {
	return userHandler{c.ContainerManager.GetAllocateResourcesPodAdmitHandler(log), c.users}
}

type userHandler struct {
	lifecycle.PodAdmitHandler
	users Users
}

func (h userHandler) Admit(ctx context.Context, a *lifecycle.PodAdmitAttributes) lifecycle.PodAdmitResult {
	if a.Pod.Spec.RestartPolicy != corev1.RestartPolicyAlways {
		if stranger := strangerIn(a.Pod, h.users); stranger != "" {
			return lifecycle.PodAdmitResult{
				Reason: "UserNotFound",
				Message: stranger + " does not exist on this node, where weir runs without root and so has only its own user, as root, and subordinate ids: " +
					"leave it out of the pod, give weir's user subordinate ids (newuidmap, /etc/subuid and /etc/subgid) and start weir again, or run weir as root",
			}
		}
	}
	return h.PodAdmitHandler.Admit(ctx, a)
}

// strangerIn names a user or group that the pod wants to run as and that does not
// exist here; "" is none.
func strangerIn(pod *corev1.Pod, users Users) string {
	unknown := func(what string, id *int64, exists func(uint32) bool) string {
		if id == nil || exists(uint32(*id)) {
			return ""
		}
		return fmt.Sprintf("%s %d", what, *id)
	}
	// A container's own word is what counts, but then the pod's is for nobody.
	type wish struct{ user, group *int64 }
	var wishes []wish
	if s := pod.Spec.SecurityContext; s != nil {
		wishes = append(wishes, wish{s.RunAsUser, s.RunAsGroup})
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range containers {
			if s := c.SecurityContext; s != nil {
				wishes = append(wishes, wish{s.RunAsUser, s.RunAsGroup})
			}
		}
	}
	for _, w := range wishes {
		if s := cmp.Or(unknown("runAsUser", w.user, users.HasUser), unknown("runAsGroup", w.group, users.HasGroup)); s != "" {
			return s
		}
	}
	return ""
}
