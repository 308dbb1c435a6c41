package job

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	training "github.com/weir-ml/weir/api/training/v1"
)

func TestGroup(t *testing.T) {
	const coscheduler gang = "scheduler-plugins-scheduler"
	policy := func(p training.SchedulingPolicy) func(*training.TFJob) {
		return func(j *training.TFJob) { j.Spec.RunPolicy.SchedulingPolicy = &p }
	}
	cases := map[string]struct {
		why        string
		gang       gang
		job        *training.TFJob
		there      *unstructured.Unstructured
		priorities map[string]int32
		want       map[string]any
	}{
		"Volcano": {
			why: "All pods, in the default queue, with what they ask for in sum.", gang: volcano,
			job:  jobOf(workers(3), asks("Worker", "2"), servers(1, "500m")),
			want: map[string]any{"minMember": int64(4), "queue": "default", "minResources": map[string]any{"cpu": "6500m"}},
		},
		"Policy": {
			why: "What the user says goes before.", gang: volcano,
			job: jobOf(workers(3), policy(training.SchedulingPolicy{
				MinAvailable: new(int32(2)), Queue: "night", PriorityClass: "high",
				MinResources: &map[corev1.ResourceName]resource.Quantity{"cpu": resource.MustParse("1")},
			})),
			want: map[string]any{"minMember": int64(2), "queue": "night", "priorityClassName": "high", "minResources": map[string]any{"cpu": "1"}},
		},
		"QueueKept": {
			why: "A queue that was changed on the group stays.", gang: volcano,
			job:   jobOf(workers(1)),
			there: &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"queue": "moved"}}},
			want:  map[string]any{"minMember": int64(1), "queue": "moved", "minResources": map[string]any{}},
		},
		"Plugins": {
			why: "The scheduler plugins have no queues, and a timeout.", gang: coscheduler,
			job:  jobOf(workers(2), asks("Worker", "1"), policy(training.SchedulingPolicy{ScheduleTimeoutSeconds: new(int32(60))})),
			want: map[string]any{"minMember": int64(2), "scheduleTimeoutSeconds": int64(60), "minResources": map[string]any{"cpu": "2"}},
		},
		"Priorities": {
			why: "Of fewer members than pods, those of higher priority are counted.", gang: coscheduler,
			job:        jobOf(workers(2), asks("Worker", "1"), servers(1, "8"), class("PS", "high"), policy(training.SchedulingPolicy{MinAvailable: new(int32(2))})),
			priorities: map[string]int32{"high": 1000},
			want:       map[string]any{"minMember": int64(2), "minResources": map[string]any{"cpu": "9"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.job.Default()
			got := tc.gang.group(plain{}.Traits(), tc.job, tc.there, tc.priorities)
			if diff := cmp.Diff(tc.want, got.Object["spec"]); diff != "" {
				t.Errorf("%s\ngroup(): -want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

// Pods are members of their group, and are made once it lets them.
func TestPodsWaitForTheirGroup(t *testing.T) {
	j := jobOf(workers(1))
	j.Default()

	first := decide(plain{}, volcano, j, world{}, now)
	if first.group == nil || len(first.create) > 0 {
		t.Errorf("first the group is made: %v, and %d objects", first.group, len(first.create))
	}
	group := first.group.DeepCopy()
	for phase, want := range map[string]int{"": 0, "Pending": 0, "Inqueue": 2, "Running": 2} {
		group.Object["status"] = map[string]any{"phase": phase}
		d := decide(plain{}, volcano, j, world{group: group}, now)
		if len(d.create) != want || d.group != nil {
			t.Errorf("group %q: %d objects are made, want %d; it is written again: %t", phase, len(d.create), want, d.group != nil)
		}
	}

	pod := newPod(plain{}, j, Replica{"Worker", 0})
	volcano.join(pod, "mnist", "Worker")
	want := map[string]string{"scheduling.k8s.io/group-name": "mnist", "volcano.sh/task-spec": "worker"}
	if diff := cmp.Diff(want, pod.Annotations); diff != "" || pod.Spec.SchedulerName != "volcano" {
		t.Errorf("scheduler %q, annotations: -want, +got:\n%s", pod.Spec.SchedulerName, diff)
	}
	pod = newPod(plain{}, j, Replica{"Worker", 0})
	pod.Spec.SchedulerName = "mine"
	gang("coscheduler").join(pod, "mnist", "Worker")
	if pod.Spec.SchedulerName != "mine" || pod.Labels["scheduling.x-k8s.io/pod-group"] != "mnist" {
		t.Errorf("scheduler %q, labels %v", pod.Spec.SchedulerName, pod.Labels)
	}
}

func asks(t training.ReplicaType, cpu string) func(*training.TFJob) {
	return func(j *training.TFJob) {
		j.Spec.TFReplicaSpecs[t].Template.Spec.Containers[0].Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse(cpu)}
	}
}

func servers(n int32, cpu string) func(*training.TFJob) {
	return func(j *training.TFJob) {
		s := j.Spec.TFReplicaSpecs["Worker"].DeepCopy()
		s.Replicas = &n
		j.Spec.TFReplicaSpecs["PS"] = s
		asks("PS", cpu)(j)
	}
}

func class(t training.ReplicaType, name string) func(*training.TFJob) {
	return func(j *training.TFJob) { j.Spec.TFReplicaSpecs[t].Template.Spec.PriorityClassName = name }
}
