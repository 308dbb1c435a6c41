package job

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

func TestPastBackoffLimit(t *testing.T) {
	onFailure := func(j *training.TFJob) { j.Spec.TFReplicaSpecs["Worker"].RestartPolicy = training.RestartOnFailure }
	limit := func(n int32) func(*training.TFJob) {
		return func(j *training.TFJob) { j.Spec.RunPolicy.BackoffLimit = &n }
	}
	known := func(n int32) func(*training.TFJob) {
		return func(j *training.TFJob) {
			j.Status.ReplicaStatuses = map[training.ReplicaType]*training.ReplicaStatus{"Worker": {Failed: n}}
		}
	}
	cases := map[string]struct {
		why  string
		job  *training.TFJob
		pods []*corev1.Pod
		want bool
	}{
		"NoLimit": {
			why:  "Without a limit, restarts are borne for ever.",
			job:  jobOf(workers(1), onFailure),
			pods: []*corev1.Pod{worker(0, phase(corev1.PodRunning), restarted(99))},
		},
		"Below": {
			why:  "Fewer restarts than the limit are borne.",
			job:  jobOf(workers(2), onFailure, limit(3)),
			pods: []*corev1.Pod{worker(0, phase(corev1.PodRunning), restarted(1)), worker(1, phase(corev1.PodRunning), restarted(1))},
		},
		"Reached": {
			why:  "The restarts of all replicas add up.",
			job:  jobOf(workers(2), onFailure, limit(3)),
			pods: []*corev1.Pod{worker(0, phase(corev1.PodRunning), restarted(1)), worker(1, phase(corev1.PodRunning), restarted(2))},
			want: true,
		},
		"NotRunning": {
			why:  "Only pods that run now count.",
			job:  jobOf(workers(1), onFailure, limit(3)),
			pods: []*corev1.Pod{worker(0, phase(corev1.PodPending), restarted(9))},
		},
		"Never": {
			why:  "Replicas that are not to be restarted do not count.",
			job:  jobOf(workers(1), limit(3)),
			pods: []*corev1.Pod{worker(0, phase(corev1.PodRunning), restarted(9))},
		},
		"ZeroAndWell": {
			why:  "A limit of 0 lets a job run.",
			job:  jobOf(workers(1), onFailure, limit(0)),
			pods: []*corev1.Pod{worker(0, phase(corev1.PodRunning), restarted(0))},
		},
		"ZeroAndRestarted": {
			why:  "A limit of 0 bears no restart.",
			job:  jobOf(workers(1), onFailure, limit(0)),
			pods: []*corev1.Pod{worker(0, phase(corev1.PodRunning), restarted(1))},
			want: true,
		},
		"ZeroAndFailed": {
			why:  "Nor the failure of a pod.",
			job:  jobOf(workers(1), limit(0)),
			pods: []*corev1.Pod{worker(0, phase(corev1.PodFailed), exited(1))},
			want: true,
		},
		"ZeroAndFailedBefore": {
			why:  "A failure that was borne before is not new.",
			job:  jobOf(workers(1), limit(0), known(1)),
			pods: []*corev1.Pod{worker(0, phase(corev1.PodFailed), exited(1))},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.job.Default()
			seen := See(tc.job, "main", tc.pods)
			if got := pastBackoffLimit(tc.job, seen); got != tc.want {
				t.Errorf("%s\npastBackoffLimit() = %t, want %t", tc.why, got, tc.want)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	start, now := metav1.Unix(1000, 0), time.Unix(1010, 0)
	p, s := &training.RunPolicy{}, &training.JobStatus{}
	if _, limited := untilDeadline(p, s, now); limited {
		t.Error("a job without a deadline has none")
	}
	p.ActiveDeadlineSeconds = new(int64(15))
	if _, limited := untilDeadline(p, s, now); limited {
		t.Error("the clock of a job that has not started runs")
	}
	s.StartTime = &start
	if left, limited := untilDeadline(p, s, now); !limited || left != 5*time.Second {
		t.Errorf("15 s from 1000, at 1010: %v left, want 5s", left)
	}

	if _, ends := untilExpiry(p, s, now); ends {
		t.Error("a job without a time to live expires")
	}
	p.TTLSecondsAfterFinished = new(int32(30))
	s.Conditions = []training.JobCondition{is("Failed", true, "TFJobFailed", 1005, 1005)}
	if left, ends := untilExpiry(p, s, now); !ends || left != 25*time.Second {
		t.Errorf("without a completion time, 30 s from the condition's: %v left, want 25s", left)
	}
	s.CompletionTime = &metav1.Time{Time: time.Unix(980, 0)}
	if left, _ := untilExpiry(p, s, now); left != 0 {
		t.Errorf("30 s from 980, at 1010: %v left, want 0", left)
	}
}
