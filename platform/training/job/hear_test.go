package job

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

func TestOfPod(t *testing.T) {
	cases := map[string]struct {
		why    string
		change func(*corev1.Pod)
		want   leeway
	}{
		"Placed": {
			why: "Nothing is made of a pod's place.",
			change: func(p *corev1.Pod) {
				p.Spec.NodeName = "weir"
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}
			},
			want: overDetails,
		},
		"Runs": {
			why:    "The job runs, then.",
			change: func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning },
			want:   overSteps,
		},
		"Waits": {
			why: "Why a container waits is told on the job.",
			change: func(p *corev1.Pod) {
				p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull"}}}}
			},
			want: overSteps,
		},
		"LetIn": {
			why:    "The gates of the others are lifted with its own.",
			change: func(p *corev1.Pod) { p.Spec.SchedulingGates = nil },
			want:   overSteps,
		},
		"Ended":   {why: "The job may be done.", change: func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }},
		"Failed":  {why: "It may have to be replaced.", change: func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }},
		"Deleted": {why: "So may one that somebody deletes.", change: func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Unix(100, 0)} }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := &corev1.Pod{
				Spec:   corev1.PodSpec{SchedulingGates: []corev1.PodSchedulingGate{{Name: training.GangGate}}},
				Status: corev1.PodStatus{Phase: corev1.PodPending},
			}
			now := before.DeepCopy()
			tc.change(now)
			if got := ofPod(before, now); got != tc.want {
				t.Errorf("%s\nofPod() = %s, want %s", tc.why, time.Duration(got), time.Duration(tc.want))
			}
		})
	}
}

func TestOfStatus(t *testing.T) {
	cases := map[string]struct {
		why    string
		change func(*training.JobStatus)
		want   leeway
	}{
		"Counts": {
			why:    "What we counted gives no cause to count again.",
			change: func(s *training.JobStatus) { s.ReplicaStatuses["Worker"].Active = 2 },
			want:   overDetails,
		},
		"Progress": {
			why:    "How far a job is, is another's to say.",
			change: func(s *training.JobStatus) { s.Progress = &training.Progress{Replica: "worker-0"} },
			want:   overDetails,
		},
		"Finished": {
			why:    "What is left of a job that is done is taken away.",
			change: func(s *training.JobStatus) { s.CompletionTime = &metav1.Time{Time: time.Unix(100, 0)} },
			want:   overSteps,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := &training.JobStatus{ReplicaStatuses: map[training.ReplicaType]*training.ReplicaStatus{"Worker": {Active: 1}}}
			now := before.DeepCopy()
			tc.change(now)
			if got := ofStatus(before, now); got != tc.want {
				t.Errorf("%s\nofStatus() = %s, want %s", tc.why, time.Duration(got), time.Duration(tc.want))
			}
		})
	}
}
