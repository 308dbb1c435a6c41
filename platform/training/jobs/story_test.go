package jobs_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/stage"
)

// A chief, two workers and an evaluator, from the manifest to the end.
func TestJobRunsToItsEnd(t *testing.T) {
	l := newLab(t, "to-its-end")
	l.Create(jobOf("mnist", replicas("Chief", 1), replicas("Worker", 2), replicas("Evaluator", 1), cleanPods(training.CleanPodRunning)))
	l.untilPods("mnist", 4)
	l.untilState("mnist", training.JobCreated, corev1.ConditionTrue)

	l.run("mnist-worker-0", "mnist-worker-1", "mnist-evaluator-0", "mnist-chief-0")
	j := l.untilState("mnist", training.JobRunning, corev1.ConditionTrue)
	if j.Report().StartTime == nil || j.Report().CompletionTime != nil {
		t.Errorf("a running job has start time %v and completion time %v", j.Report().StartTime, j.Report().CompletionTime)
	}

	l.end("mnist-worker-1", 0)
	l.end("mnist-chief-0", 0)
	j = l.untilState("mnist", training.JobSucceeded, corev1.ConditionTrue)
	if j.Report().CompletionTime == nil {
		t.Error("a finished job has no completion time")
	}
	want := map[training.ReplicaType]*training.ReplicaStatus{"Chief": {Succeeded: 1}, "Worker": {Succeeded: 2}, "Evaluator": {Succeeded: 1}}
	if diff := cmp.Diff(want, j.Report().ReplicaStatuses); diff != "" {
		t.Errorf("what still runs when the chief is done counts as succeeded: -want, +got:\n%s", diff)
	}

	// The chief and worker 1 have ended, and stay; the others go.
	l.untilPods("mnist", 2)
	l.Pod("mnist-chief-0")
	l.Pod("mnist-worker-1")
	l.untilEvent("mnist", stage.Normal("TFJobSucceeded", "TFJob "+l.Namespace+"/mnist successfully completed."))
	l.untilEvent("mnist", stage.Normal("ExitedWithCode", "Pod: "+l.Namespace+".mnist-chief-0 exited with code 0"))
	l.untilEvent("mnist", stage.Normal("SuccessfulDeleteService", "Deleted service: mnist-worker-0"))
}

// A job of so many replicas that it is not looked at for each of them. What its
// status says waits a little, and comes.
func TestManyReplicas(t *testing.T) {
	l := newLab(t, "many")
	const many = 40
	l.Create(jobOf("mnist", replicas("Worker", many), func(j *training.TFJob) { j.Spec.SuccessPolicy = new(training.SuccessAllWorkers) }))
	l.untilPods("mnist", many)
	untilCounted := func(want training.ReplicaStatus) {
		l.Until("the status to count all workers", func() bool {
			s := l.job("mnist").Report().ReplicaStatuses["Worker"]
			return s != nil && cmp.Equal(*s, want)
		})
	}
	for i := range many {
		l.run(fmt.Sprintf("mnist-worker-%d", i))
	}
	l.untilState("mnist", training.JobRunning, corev1.ConditionTrue)
	untilCounted(training.ReplicaStatus{Active: many})

	for i := range many - 1 {
		l.end(fmt.Sprintf("mnist-worker-%d", i), 0)
	}
	untilCounted(training.ReplicaStatus{Active: 1, Succeeded: many - 1})
	l.end(fmt.Sprintf("mnist-worker-%d", many-1), 0)
	l.untilState("mnist", training.JobSucceeded, corev1.ConditionTrue)
	untilCounted(training.ReplicaStatus{Succeeded: many})
}

// Workers come and go while a job runs.
func TestDynamicWorkers(t *testing.T) {
	l := newLab(t, "dynamic")
	l.Create(jobOf("mnist", replicas("PS", 1), replicas("Worker", 2), func(j *training.TFJob) { j.Spec.EnableDynamicWorker = true }))
	l.untilPods("mnist", 3)
	l.run("mnist-ps-0", "mnist-worker-0", "mnist-worker-1")
	l.untilState("mnist", training.JobRunning, corev1.ConditionTrue)

	l.change("mnist", func(j *training.TFJob) { j.Spec.TFReplicaSpecs["Worker"].Replicas = new(int32(4)) })
	l.untilPods("mnist", 5)
	l.change("mnist", func(j *training.TFJob) { j.Spec.TFReplicaSpecs["Worker"].Replicas = new(int32(1)) })
	l.untilPods("mnist", 2)

	l.change("mnist", func(j *training.TFJob) { j.Spec.TFReplicaSpecs["Worker"].Replicas = new(int32(2)) })
	l.untilPods("mnist", 3)
	l.run("mnist-worker-1")
	l.end("mnist-worker-1", 1)
	l.Until("the failure to be counted", func() bool { return l.job("mnist").Report().ReplicaStatuses["Worker"].Failed == 1 })
	if j := l.job("mnist"); !j.Report().Is(training.JobRunning) {
		t.Errorf("one of the workers failed, which may: %s", said(j))
	}
}

// A quota stops a pod; the job says so, and goes on when there is room.
func TestQuota(t *testing.T) {
	l := newLab(t, "quota")
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "pods"}, Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")},
	}}
	l.Create(quota)
	l.Until("the quota to be in force", func() bool {
		err := l.Client.Get(t.Context(), client.ObjectKeyFromObject(quota), quota)
		return err == nil && len(quota.Status.Hard) > 0
	})
	l.Create(jobOf("mnist", replicas("Worker", 1)))
	l.Until("a warning", func() bool {
		for o := range l.Events(l.kind.name, "mnist") {
			if o.Reason == "FailedCreatePod" && o.Type == "Warning" {
				return true
			}
		}
		return false
	})
	l.untilState("mnist", training.JobCreated, corev1.ConditionTrue)
	if err := l.Client.Delete(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	l.untilPods("mnist", 1)
}

// A pod of the same name that belongs to nobody is in the way, and is said to be.
func TestNameTaken(t *testing.T) {
	l := newLab(t, "taken")
	l.Create(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "mnist-worker-0"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "x"}}}})
	l.Create(jobOf("mnist", replicas("Worker", 1)))
	l.untilEvent("mnist", stage.Warning("FailedCreatePod",
		"Error creating: the name is taken by one that belongs to nobody: delete it, or give the job another name"))
	if err := l.Client.Delete(t.Context(), l.Pod("mnist-worker-0"), client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	l.untilPods("mnist", 1)
}

// All pods of a large job are there within moments.
func TestLargeJob(t *testing.T) {
	l := newLab(t, "large")
	start := time.Now()
	l.Create(jobOf("mnist", replicas("Worker", 200)))
	l.Until("200 pods", func() bool { return l.count("Pod", "mnist") == 200 })
	t.Logf("200 workers were made in %v", time.Since(start))
	l.untilPods("mnist", 200)
}

// Many jobs at once, each with its pods and no more.
func TestManyJobs(t *testing.T) {
	l := newLab(t, "many")
	start := time.Now()
	for i := range 30 {
		l.Create(jobOf(fmt.Sprintf("job-%d", i), replicas("Worker", 3)))
	}
	for i := range 30 {
		l.untilPods(fmt.Sprintf("job-%d", i), 3)
	}
	t.Logf("30 jobs of 3 replicas were made in %v", time.Since(start))
}

// said is what a job's conditions say, in their order.
func said(j training.Job) string {
	s := ""
	for i, c := range j.Report().Conditions {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%s %s", c.Type, c.Status)
		if c.Status != corev1.ConditionTrue {
			s += " " + c.Reason
		}
	}
	return s
}

// The makers below say only what a story is about.

func jobOf(name string, opts ...func(*training.TFJob)) *training.TFJob {
	j := &training.TFJob{ObjectMeta: metav1.ObjectMeta{Name: name}}
	j.Spec.TFReplicaSpecs = map[training.ReplicaType]*training.ReplicaSpec{}
	for _, o := range opts {
		o(j)
	}
	return j
}

func replicas(t training.ReplicaType, n int32) func(*training.TFJob) {
	return func(j *training.TFJob) {
		s := &training.ReplicaSpec{Replicas: &n}
		s.Template.Spec.Containers = []corev1.Container{{Name: training.TFJobContainer, Image: "x"}}
		j.Spec.TFReplicaSpecs[t] = s
	}
}

func cleanPods(p training.CleanPodPolicy) func(*training.TFJob) {
	return func(j *training.TFJob) { j.Spec.RunPolicy.CleanPodPolicy = &p }
}
