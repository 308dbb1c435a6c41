package job

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
)

// A notice is an event to be: something that happened to a job, about one of
// its pods or services if not about the job alone.
type notice struct {
	kind, reason, action, message string
	about                         client.Object
}

// actionRestart is the action of a notice of a pod that is replaced.
const actionRestart = "Restart"

// remarks are what the pods of a job say of themselves that its user should
// hear: exit codes, containers that cannot start, pods that find no place.
func remarks(container string, seen Seen) []notice {
	var all []notice
	for _, pod := range slices.Concat(slices.Collect(maps.Values(seen.pods)), seen.delegated) {
		if code, ok := exitCode(pod, container); ok {
			all = append(all, notice{
				kind: corev1.EventTypeNormal, reason: "ExitedWithCode", action: "Exit", about: pod,
				message: fmt.Sprintf("Pod: %v.%v exited with code %v", pod.Namespace, pod.Name, code),
			})
		}
		if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed && pod.DeletionTimestamp == nil {
			all = append(all, troubles(pod)...)
		}
	}
	slices.SortStableFunc(all, func(a, b notice) int {
		return strings.Compare(a.about.GetName(), b.about.GetName())
	})
	return all
}

// troubles are why a pod that has not ended does not run: what its containers
// say if they are known, else what the init containers say, else what its
// latest condition does.
func troubles(pod *corev1.Pod) []notice {
	warn := func(reason, message string) notice {
		return notice{kind: corev1.EventTypeWarning, reason: reason, action: "Wait", message: message, about: pod}
	}
	statuses := pod.Status.ContainerStatuses
	if len(statuses) == 0 {
		statuses = pod.Status.InitContainerStatuses
	}
	if len(statuses) == 0 {
		if c := latest(pod.Status.Conditions); c != nil && c.Status != corev1.ConditionTrue && c.Reason != "" && c.Message != "" && !gated(pod) {
			return []notice{warn(c.Reason, fmt.Sprintf("Error pod %s condition message: %s", pod.Name, c.Message))}
		}
		return nil
	}

	var all []notice
	for _, s := range statuses {
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 && t.Reason != "" {
			all = append(all, warn(t.Reason, fmt.Sprintf("Error pod %s container %s exitCode: %d terminated message: %s", pod.Name, s.Name, t.ExitCode, t.Message)))
		}
		if w := s.State.Waiting; w != nil && w.Message != "" && w.Reason != "" {
			all = append(all, warn(w.Reason, fmt.Sprintf("Error pod %s container %s waiting message: %s", pod.Name, s.Name, w.Message)))
		}
	}
	return all
}

func latest(conditions []corev1.PodCondition) *corev1.PodCondition {
	var last *corev1.PodCondition
	for i, c := range conditions {
		if last == nil || c.LastTransitionTime.After(last.LastTransitionTime.Time) {
			last = &conditions[i]
		}
	}
	return last
}

// ignoredRestartPolicy speaks of a restart policy that stands where it has no
// effect.
func ignoredRestartPolicy(j training.Job) (notice, bool) {
	for _, s := range j.Replicas() {
		if s.Template.Spec.RestartPolicy != "" {
			return notice{
				kind: corev1.EventTypeWarning, reason: "SetPodTemplateRestartPolicy", action: "Create",
				message: "Restart policy in pod template will be overwritten by restart policy in replica spec",
			}, true
		}
	}
	return notice{}, false
}
