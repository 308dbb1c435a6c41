package tensorboard

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/weir-ml/weir/api/tensorboard/v1alpha1"
)

// mostConditions is how many are kept.
const mostConditions = 10

// status is what a Tensorboard's should be. Problem is what its user must put
// right; the Deployment is nil while there is none.
func status(t *v1alpha1.Tensorboard, d *appsv1.Deployment, pods []corev1.Pod, problem error, awake bool, now time.Time) v1alpha1.TensorboardStatus {
	s := *t.Status.DeepCopy()
	s.ReadyReplicas = 0
	if s.Conditions == nil {
		s.Conditions = []v1alpha1.TensorboardCondition{}
	}
	if d != nil {
		s.ReadyReplicas = d.Status.ReadyReplicas
		if len(d.Status.Conditions) > 0 {
			latest := slices.MaxFunc(d.Status.Conditions, func(a, b appsv1.DeploymentCondition) int { return a.LastUpdateTime.Compare(b.LastUpdateTime.Time) })
			s.Conditions = with(s.Conditions, string(latest.Type), now)
		}
	}
	switch {
	case problem != nil:
		s.Message = problem.Error()
	case !awake:
		s.Message = "Nobody has looked at it for a while, so it sleeps; who opens it wakes it."
	case s.ReadyReplicas > 0:
		s.Message = ""
	default:
		s.Message = why(d, pods)
	}
	return s
}

// with adds a state of the Deployment, if it is another than the last.
func with(all []v1alpha1.TensorboardCondition, state string, now time.Time) []v1alpha1.TensorboardCondition {
	if n := len(all); n > 0 && all[n-1].DeploymentState == state {
		return all
	}
	all = append(all, v1alpha1.TensorboardCondition{DeploymentState: state, LastProbeTime: metav1.NewTime(now)})
	return all[max(0, len(all)-mostConditions):]
}

// why says what keeps TensorBoard from answering.
func why(d *appsv1.Deployment, pods []corev1.Pod) string {
	if d != nil {
		for _, c := range d.Status.Conditions {
			if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
				return "Its pod cannot be made: " + c.Message
			}
		}
	}
	if len(pods) == 0 {
		return "Its pod is about to be made."
	}
	pod := slices.MaxFunc(pods, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return "Its pod finds no place: " + c.Message
		}
	}
	for _, c := range pod.Status.ContainerStatuses {
		if last := c.LastTerminationState.Terminated; last != nil && c.State.Running == nil {
			return fmt.Sprintf("TensorBoard ended with exit code %d and is started again; weir logs %s -n %s tells what it said.", last.ExitCode, pod.Name, pod.Namespace)
		}
		if w := c.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return fmt.Sprintf("Its pod waits: %s", cmp.Or(w.Message, w.Reason))
		}
		if c.State.Running != nil {
			return "TensorBoard starts, and answers in a few seconds."
		}
	}
	return "Its pod is being prepared; the first time, TensorBoard is installed for it, which can take a minute."
}
