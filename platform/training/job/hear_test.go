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
			want: noCause,
		},
		"Unplaced": {
			why: "Why a pod finds no place is told on the job, and there is time.",
			change: func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
			},
			want: overDetails,
		},
		"Another": {
			why:    "A pod that took the name of another is a new one, however alike.",
			change: func(p *corev1.Pod) { p.UID = "another" },
		},
		"Ready": {
			why: "Launchers wait for that.",
			change: func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			},
			want: overSteps,
		},
		"InitFailed": {
			why: "Starts of init containers are counted too.",
			change: func(p *corev1.Pod) {
				p.Status.InitContainerStatuses = []corev1.ContainerStatus{{RestartCount: 1}}
			},
			want: overSteps,
		},
		"Disowned": {
			why:    "A pod that is no longer the job's fills no place.",
			change: func(p *corev1.Pod) { p.OwnerReferences = nil },
			want:   overDetails,
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
		"Ended": {
			why:    "The job may be done, if the others are: they end together.",
			change: func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded },
			want:   overSteps,
		},
		"Failed":  {why: "It may have to be replaced.", change: func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }},
		"Deleted": {why: "So may one that somebody deletes.", change: func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Unix(100, 0)} }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{UID: "job", Controller: new(true)}}},
				Spec:       corev1.PodSpec{SchedulingGates: []corev1.PodSchedulingGate{{Name: training.GangGate}}},
				Status:     corev1.PodStatus{Phase: corev1.PodPending},
			}
			now := before.DeepCopy()
			tc.change(now)
			if got := ofPod(before, now); got != tc.want {
				t.Errorf("%s\nofPod() = %s, want %s", tc.why, time.Duration(got), time.Duration(tc.want))
			}
		})
	}
}

func TestOfNewPod(t *testing.T) {
	pod := func(p corev1.PodPhase, gates ...corev1.PodSchedulingGate) *corev1.Pod {
		return &corev1.Pod{Spec: corev1.PodSpec{SchedulingGates: gates}, Status: corev1.PodStatus{Phase: p}}
	}
	cases := map[string]struct {
		why   string
		pod   *corev1.Pod
		first bool
		want  leeway
	}{
		"First":   {why: "The others are made now.", pod: pod(corev1.PodPending), first: true},
		"Another": {why: "It was just made, and there is nothing to say of it.", pod: pod(corev1.PodPending), want: noCause},
		"Gated":   {why: "It may be the last that the others wait for.", pod: pod(corev1.PodPending, corev1.PodSchedulingGate{Name: training.GangGate})},
		"Runs":    {why: "It was not seen before it ran.", pod: pod(corev1.PodRunning), want: overSteps},
		"Failed":  {why: "It was not seen before it failed.", pod: pod(corev1.PodFailed)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := ofNewPod(tc.pod, tc.first); got != tc.want {
				t.Errorf("%s\nofNewPod() = %s, want %s", tc.why, time.Duration(got), time.Duration(tc.want))
			}
		})
	}
}

func TestOfChange(t *testing.T) {
	cases := map[string]struct {
		why    string
		change func(*training.TFJob)
		want   leeway
	}{
		"Spec":       {why: "What is asked of it has changed.", change: func(j *training.TFJob) { j.Generation = 2 }},
		"Annotation": {why: "An annotation asks for something, too.", change: func(j *training.TFJob) { j.Annotations = map[string]string{"a": "b"} }},
		"Deleted":    {why: "It is to go.", change: func(j *training.TFJob) { j.DeletionTimestamp = &metav1.Time{Time: time.Unix(100, 0)} }},
		"Another":    {why: "It only has the name.", change: func(j *training.TFJob) { j.UID = "another" }},
		"Status":     {why: "We wrote it.", change: func(j *training.TFJob) { j.ResourceVersion, j.Status.StartTime = "2", &metav1.Time{} }, want: overSteps},
		"Unchanged":  {why: "It is looked at now and then, come what may.", change: func(*training.TFJob) {}, want: overDetails},
		"Version":    {why: "Somebody wrote nothing of it.", change: func(j *training.TFJob) { j.ResourceVersion = "2" }, want: noCause},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := &training.TFJob{ObjectMeta: metav1.ObjectMeta{UID: "one", Generation: 1}}
			now := before.DeepCopy()
			tc.change(now)
			if got := ofChange(before, now); got != tc.want {
				t.Errorf("%s\nofChange() = %s, want %s", tc.why, time.Duration(got), time.Duration(tc.want))
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
			want:   noCause,
		},
		"Progress": {
			why:    "How far a job is, is another's to say.",
			change: func(s *training.JobStatus) { s.Progress = &training.Progress{Replica: "worker-0"} },
			want:   noCause,
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
