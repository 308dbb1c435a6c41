package job

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

func TestFateOf(t *testing.T) {
	cases := map[string]struct {
		why    string
		pod    *corev1.Pod
		policy training.RestartPolicy
		want   fate
	}{
		"Pending":   {"It may yet run.", podOf(phase(corev1.PodPending)), training.RestartNever, waiting},
		"Unknown":   {"Its node does not answer, which may pass.", podOf(phase(corev1.PodUnknown)), training.RestartNever, waiting},
		"Running":   {"It runs.", podOf(phase(corev1.PodRunning)), training.RestartNever, running},
		"Deleted":   {"Somebody deleted it, which is no failure of its.", podOf(phase(corev1.PodRunning), leaving()), training.RestartNever, waiting},
		"Suspended": {"It was killed when its job was suspended, and the job runs again.", podOf(phase(corev1.PodFailed), exited(143), leaving()), training.RestartNever, waiting},
		"Obeyed":    {"It ended well since it was told to, not with its work done.", podOf(phase(corev1.PodSucceeded), exited(0), leaving()), training.RestartNever, waiting},
		"KilledOne": {"The code is of a program that was killed in its midst.", podOf(phase(corev1.PodFailed), exited(1), leaving()), training.RestartExitCode, replaced},
		"Before":    {"It had failed by itself when somebody deleted it.", podOf(phase(corev1.PodFailed), endedAt(1, 99), leavingSince(100)), training.RestartNever, failed},
		"Graceful":  {"It had five seconds to end, and took one of them.", podOf(phase(corev1.PodFailed), endedAt(1, 101), leavingSince(100)), training.RestartNever, waiting},
		"Removed":   {"It has ended since it was told to, and the node now takes it away.", podOf(phase(corev1.PodFailed), endedAt(137, 105), removedAt(106)), training.RestartNever, waiting},
		"Succeeded": {"It has ended well.", podOf(phase(corev1.PodSucceeded), exited(0)), training.RestartAlways, succeeded},
		"Never":     {"It failed, and the user wants to see it so.", podOf(phase(corev1.PodFailed), exited(137)), training.RestartNever, failed},
		"OnFailure": {"It lost its node; only another pod can go on.", podOf(phase(corev1.PodFailed)), training.RestartOnFailure, replaced},
		"Always":    {"The same.", podOf(phase(corev1.PodFailed)), training.RestartAlways, replaced},
		"Code1":     {"An error of the program would only come again.", podOf(phase(corev1.PodFailed), exited(1)), training.RestartExitCode, refused},
		"Code127":   {"The last of the program's own codes.", podOf(phase(corev1.PodFailed), exited(127)), training.RestartExitCode, refused},
		"Code128":   {"The first that asks for another try.", podOf(phase(corev1.PodFailed), exited(128)), training.RestartExitCode, replaced},
		"Code137":   {"Killed, perhaps for want of memory.", podOf(phase(corev1.PodFailed), exited(137)), training.RestartExitCode, replaced},
		"Evicted":   {"No exit code means that the node took it away.", podOf(phase(corev1.PodFailed)), training.RestartExitCode, replaced},
		"Sidecar":   {"Only the framework's container counts.", podOf(phase(corev1.PodFailed), endedContainer("side", 1)), training.RestartExitCode, replaced},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := fateOf(tc.pod, tc.policy, "main"); got != tc.want {
				t.Errorf("%s\nfateOf() = %d, want %d", tc.why, got, tc.want)
			}
		})
	}
}

// Makers of pods that say only what a case is about.

type podOption func(*corev1.Pod)

func podOf(opts ...podOption) *corev1.Pod {
	p := &corev1.Pod{}
	for _, o := range opts {
		o(p)
	}
	return p
}

func phase(p corev1.PodPhase) podOption {
	return func(pod *corev1.Pod) { pod.Status.Phase = p }
}

func exited(code int32) podOption { return endedContainer("main", code) }

func endedContainer(name string, code int32) podOption {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: name, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}},
		})
	}
}

func restarted(times int32) podOption {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{Name: "main", RestartCount: times})
	}
}

// endedAt is the end of the framework's container, in seconds of some clock.
func endedAt(code int32, second int64) podOption {
	return func(p *corev1.Pod) {
		endedContainer("main", code)(p)
		p.Status.ContainerStatuses[0].State.Terminated.FinishedAt = metav1.Unix(second, 0)
	}
}

// leavingSince is a deletion that was asked for then, with five seconds' grace.
func leavingSince(second int64) podOption {
	return func(p *corev1.Pod) {
		p.DeletionTimestamp, p.DeletionGracePeriodSeconds = new(metav1.Unix(second+5, 0)), new(int64(5))
	}
}

// removedAt is the last step of a deletion: nothing is waited for any more.
func removedAt(second int64) podOption {
	return func(p *corev1.Pod) {
		p.DeletionTimestamp, p.DeletionGracePeriodSeconds = new(metav1.Unix(second, 0)), new(int64(0))
	}
}

func leaving() podOption {
	return func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }
}
