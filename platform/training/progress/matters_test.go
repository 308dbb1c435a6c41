package progress

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"
)

func TestMatters(t *testing.T) {
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
	cases := map[string]struct {
		why         string
		before, now corev1.ContainerState
		restarts    int32
		stranger    bool
		want        bool
	}{
		"Placed":    {why: "What waits says nothing yet.", before: waiting, now: waiting},
		"Starts":    {why: "A log begins.", before: waiting, now: running, want: true},
		"Ready":     {why: "It is followed already.", before: running, now: running},
		"Ends":      {why: "Its log is read to the end.", before: running, now: ended, want: true},
		"Restarted": {why: "Another start has a log of its own.", before: running, now: running, restarts: 1, want: true},
		"Stranger":  {why: "It is no job's.", before: waiting, now: running, stranger: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "mnist-worker-0", Labels: map[string]string{jobLabels[0]: "mnist"}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "tensorflow"}}},
				Status:     corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "tensorflow", State: tc.before}}},
			}
			if tc.stranger {
				before.Labels = nil
			}
			now := before.DeepCopy()
			now.Status.ContainerStatuses[0].State, now.Status.ContainerStatuses[0].RestartCount = tc.now, tc.restarts
			if got := matters().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: now}); got != tc.want {
				t.Errorf("%s\nit matters: %t, want %t", tc.why, got, tc.want)
			}
		})
	}
}
