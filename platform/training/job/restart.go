package job

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

// A fate is what becomes of a replica's pod.
type fate int

const (
	// waiting: not running yet, or on its way out.
	waiting fate = iota
	running
	succeeded
	// failed: it ended badly, and is left so.
	failed
	// refused: it ended with an exit code that forbids another try.
	refused
	// replaced: it ended badly, and another takes its place.
	replaced
)

// lowestRetryable is the lowest exit code that asks for another try where the
// restart policy is ExitCode: 128 and above are signals and what programs
// choose in their likeness.
const lowestRetryable = 128

// fateOf says what becomes of a pod.
//
// Kubernetes restarts the containers of a pod by itself for OnFailure and
// Always. A pod that still reaches Failed was evicted or lost its node, and
// only another pod can go on.
//
// A pod that is being deleted has neither failed nor succeeded, unless it had
// ended before: whoever deletes it, it is replaced once it is gone. So a job that
// is suspended and resumed at once does not take the end of its former pods for
// its own.
func fateOf(pod *corev1.Pod, policy training.RestartPolicy, container string) fate {
	switch pod.Status.Phase {
	case corev1.PodRunning:
		if pod.DeletionTimestamp != nil {
			return waiting
		}
		return running
	case corev1.PodSucceeded:
		if endedByDeletion(pod) {
			return waiting
		}
		return succeeded
	case corev1.PodFailed:
	default:
		return waiting
	}

	switch policy {
	case training.RestartAlways, training.RestartOnFailure:
		return replaced
	case training.RestartExitCode:
		// No exit code means that the node took the pod away, not the program.
		if code, ok := exitCode(pod, container); ok && code < lowestRetryable && !endedByDeletion(pod) {
			return refused
		}
		return replaced
	default:
		if endedByDeletion(pod) {
			return waiting
		}
		return failed
	}
}

// endedByDeletion says whether a pod that has ended did so because it was being
// deleted. Both times are of whole seconds; within one, the deletion came first.
// Once no grace is left, the time is of the last step of a deletion: the node
// takes away what ended in it.
func endedByDeletion(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp == nil {
		return false
	}
	grace := pod.DeletionGracePeriodSeconds
	if grace == nil || *grace == 0 {
		return true
	}
	asked := pod.DeletionTimestamp.Add(-time.Duration(*grace) * time.Second) // The timestamp lies ahead by the grace.
	for _, c := range pod.Status.ContainerStatuses {
		if end := c.State.Terminated; end != nil && end.FinishedAt.Time.Before(asked) {
			return false
		}
	}
	return true
}

// exitCode is the exit code of a pod's container, once it has ended; of the
// first that has, if no name is given.
func exitCode(pod *corev1.Pod, container string) (int32, bool) {
	for _, c := range pod.Status.ContainerStatuses {
		if (c.Name == container || container == "") && c.State.Terminated != nil {
			return c.State.Terminated.ExitCode, true
		}
	}
	return 0, false
}
