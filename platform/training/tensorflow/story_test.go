package tensorflow_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
)

// A chief, two workers and an evaluator, from the manifest to the end.
func TestJobRunsToItsEnd(t *testing.T) {
	l := newLab(t, "to-its-end")
	l.create(jobOf("mnist", replicas("Chief", 1), replicas("Worker", 2), replicas("Evaluator", 1), cleanPods(training.CleanPodRunning)))
	l.untilPods("mnist", 4)
	l.untilState("mnist", training.JobCreated, corev1.ConditionTrue)

	l.run("mnist-worker-0", "mnist-worker-1", "mnist-evaluator-0", "mnist-chief-0")
	j := l.untilState("mnist", training.JobRunning, corev1.ConditionTrue)
	if j.Status.StartTime == nil || j.Status.CompletionTime != nil {
		t.Errorf("a running job has start time %v and completion time %v", j.Status.StartTime, j.Status.CompletionTime)
	}

	l.end("mnist-worker-1", 0)
	l.end("mnist-chief-0", 0)
	j = l.untilState("mnist", training.JobSucceeded, corev1.ConditionTrue)
	if j.Status.CompletionTime == nil {
		t.Error("a finished job has no completion time")
	}
	want := map[training.ReplicaType]*training.ReplicaStatus{"Chief": {Succeeded: 1}, "Worker": {Succeeded: 2}, "Evaluator": {Succeeded: 1}}
	if diff := cmp.Diff(want, j.Status.ReplicaStatuses); diff != "" {
		t.Errorf("what still runs when the chief is done counts as succeeded: -want, +got:\n%s", diff)
	}

	// The chief and worker 1 have ended, and stay; the others go.
	l.untilPods("mnist", 2)
	l.pod("mnist-chief-0")
	l.pod("mnist-worker-1")
	l.untilEvent("mnist", occurrence{"Normal", "TFJobSucceeded", "TFJob " + l.namespace + "/mnist successfully completed."})
	l.untilEvent("mnist", occurrence{"Normal", "ExitedWithCode", "Pod: " + l.namespace + ".mnist-chief-0 exited with code 0"})
	l.untilEvent("mnist", occurrence{"Normal", "SuccessfulDeleteService", "Deleted service: mnist-worker-0"})
}

// A worker is killed and comes back under its own name; then it fails for good.
func TestExitCodeDecides(t *testing.T) {
	l := newLab(t, "exit-code")
	l.create(jobOf("mnist", replicas("Worker", 2), restart("Worker", training.RestartExitCode)))
	l.untilPods("mnist", 2)
	l.run("mnist-worker-0", "mnist-worker-1")
	l.untilState("mnist", training.JobRunning, corev1.ConditionTrue)

	killed := l.pod("mnist-worker-1")
	l.end("mnist-worker-1", 137)
	l.untilReplaced(killed)
	l.untilEvent("mnist", occurrence{"Warning", "TFJobRestarting", "job mnist is restarting because Worker replica(s) failed."})

	l.run("mnist-worker-1")
	l.untilState("mnist", training.JobRunning, corev1.ConditionTrue)
	l.end("mnist-worker-1", 2)
	j := l.untilState("mnist", training.JobFailed, corev1.ConditionTrue)
	if j.Status.CompletionTime == nil {
		t.Error("a job that a permanent exit code failed has no completion time, so its time to live would never be over")
	}
	if len(l.pods("mnist")) != 2 {
		t.Error("by default the pods of a failed job stay")
	}
}

// A deadline passes though nothing else happens, and a time to live after it.
func TestTimersOfTheirOwn(t *testing.T) {
	l := newLab(t, "timers")
	l.create(jobOf("mnist", replicas("Worker", 1), func(j *training.TFJob) {
		j.Spec.RunPolicy.ActiveDeadlineSeconds = new(int64(1))
		j.Spec.RunPolicy.TTLSecondsAfterFinished = new(int32(1))
	}))
	l.untilPods("mnist", 1)
	l.untilEvent("mnist", occurrence{"Normal", "TFJobFailed", "Job mnist has failed because it was active longer than specified deadline"})
	l.until("the job to expire", func() bool {
		err := l.client.Get(t.Context(), client.ObjectKey{Namespace: l.namespace, Name: "mnist"}, &training.TFJob{})
		return apierrors.IsNotFound(err)
	})
	l.untilEvent("mnist", occurrence{"Normal", "SuccessfulDeleteJob", "Deleted job: mnist"})
	l.untilPods("mnist", 0)
}

// A job is created suspended, resumed, suspended and resumed again.
func TestSuspendAndResume(t *testing.T) {
	l := newLab(t, "suspend")
	suspend := func(is bool) func(*training.TFJob) {
		return func(j *training.TFJob) { j.Spec.RunPolicy.Suspend = &is }
	}
	l.create(jobOf("mnist", replicas("Worker", 2), suspend(true), cleanPods(training.CleanPodNone)))
	j := l.untilState("mnist", training.JobSuspended, corev1.ConditionTrue)
	if j.Status.StartTime != nil || len(l.pods("mnist")) > 0 {
		t.Errorf("a job created suspended has start time %v and %d pods", j.Status.StartTime, len(l.pods("mnist")))
	}

	l.change("mnist", suspend(false))
	l.untilPods("mnist", 2)
	l.run("mnist-worker-0", "mnist-worker-1")
	l.untilState("mnist", training.JobRunning, corev1.ConditionTrue)

	l.change("mnist", suspend(true))
	l.untilPods("mnist", 0)
	j = l.untilState("mnist", training.JobSuspended, corev1.ConditionTrue)
	if diff := cmp.Diff("Created True, Running False TFJobSuspended, Suspended True", said(j)); diff != "" {
		t.Errorf("conditions: -want, +got:\n%s", diff)
	}
	if j.Status.ReplicaStatuses["Worker"].Active != 0 {
		t.Error("a suspended job has active workers")
	}

	l.change("mnist", suspend(false))
	l.untilPods("mnist", 2)
	l.untilState("mnist", training.JobSuspended, corev1.ConditionFalse)
	l.untilEvent("mnist", occurrence{"Normal", "TFJobSuspended", "TFJob mnist is suspended."})
	l.untilEvent("mnist", occurrence{"Normal", "TFJobResumed", "TFJob mnist is resumed."})
}

// Containers that the kubelet restarts too often fail the job, and the clean-up
// policy is kept to.
func TestBackoffLimit(t *testing.T) {
	l := newLab(t, "backoff")
	l.create(jobOf("mnist", replicas("Worker", 1), restart("Worker", training.RestartOnFailure), cleanPods(training.CleanPodAll),
		func(j *training.TFJob) { j.Spec.RunPolicy.BackoffLimit = new(int32(2)) }))
	l.untilPods("mnist", 1)
	l.run("mnist-worker-0")
	l.untilState("mnist", training.JobRunning, corev1.ConditionTrue)
	l.set("mnist-worker-0", func(s *corev1.PodStatus) {
		s.ContainerStatuses = []corev1.ContainerStatus{{Name: training.TFJobContainer, RestartCount: 2}}
	})
	l.untilState("mnist", training.JobFailed, corev1.ConditionTrue)
	l.untilPods("mnist", 0)
	l.untilEvent("mnist", occurrence{"Normal", "TFJobFailed", "Job mnist has failed because it has reached the specified backoff limit"})
}

// Workers come and go while a job runs.
func TestDynamicWorkers(t *testing.T) {
	l := newLab(t, "dynamic")
	l.create(jobOf("mnist", replicas("PS", 1), replicas("Worker", 2), func(j *training.TFJob) { j.Spec.EnableDynamicWorker = true }))
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
	l.until("the failure to be counted", func() bool { return l.job("mnist").Status.ReplicaStatuses["Worker"].Failed == 1 })
	if j := l.job("mnist"); !j.Status.Is(training.JobRunning) {
		t.Errorf("one of the workers failed, which may: %s", said(j))
	}
}

// A pod that somebody deletes is made again, and fails nothing.
func TestDeletedPodComesBack(t *testing.T) {
	l := newLab(t, "deleted")
	l.create(jobOf("mnist", replicas("Worker", 2)))
	l.untilPods("mnist", 2)
	l.run("mnist-worker-0", "mnist-worker-1")
	l.untilState("mnist", training.JobRunning, corev1.ConditionTrue)
	old := l.pod("mnist-worker-1")
	if err := l.client.Delete(t.Context(), old, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	l.untilReplaced(old)
	if j := l.job("mnist"); j.Status.Finished() {
		t.Errorf("the job has ended: %s", said(j))
	}
}

// A job of another controller's is left alone.
func TestManagedByAnother(t *testing.T) {
	l := newLab(t, "managed")
	l.create(jobOf("theirs", replicas("Worker", 1), func(j *training.TFJob) { j.Spec.RunPolicy.ManagedBy = new(training.ManagerMultiKueue) }))
	l.create(jobOf("ours", replicas("Worker", 1), func(j *training.TFJob) { j.Spec.RunPolicy.ManagedBy = new(training.ManagerTrainingOperator) }))
	l.untilPods("ours", 1)
	l.untilState("ours", training.JobCreated, corev1.ConditionTrue)
	if j := l.job("theirs"); len(l.pods("theirs")) > 0 || len(j.Status.Conditions) > 0 {
		t.Errorf("another's job has %d pods, conditions %s", len(l.pods("theirs")), said(j))
	}
}

// A job that no webhook stopped says what is wrong with it, once.
func TestInvalidJobSaysSo(t *testing.T) {
	l := newLab(t, "invalid")
	j := jobOf("mnist", replicas("Worker", 1))
	j.Spec.TFReplicaSpecs["Worker"].Template.Spec.Containers[0].Name = "main"
	l.create(j)
	j = l.untilState("mnist", training.JobFailed, corev1.ConditionTrue)
	want := "spec.tfReplicaSpecs[Worker].template.spec.containers: Required value: must have at least one container with name tensorflow: rename the one that does the training"
	if got := j.Status.Conditions[1]; got.Message != want || got.Reason != "TFJobFailedValidation" {
		t.Errorf("condition %s %q, want TFJobFailedValidation %q", got.Reason, got.Message, want)
	}
	l.untilEvent("mnist", occurrence{"Warning", "TFJobFailedValidation", want})
}

// What keeps a pod from running is said on the job.
func TestTroubleIsForwarded(t *testing.T) {
	l := newLab(t, "trouble")
	l.create(jobOf("mnist", replicas("Worker", 1)))
	l.untilPods("mnist", 1)
	l.set("mnist-worker-0", func(s *corev1.PodStatus) {
		s.ContainerStatuses = []corev1.ContainerStatus{{
			Name: training.TFJobContainer, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image"}},
		}}
	})
	l.untilEvent("mnist", occurrence{"Warning", "ErrImagePull", "Error pod mnist-worker-0 container tensorflow waiting message: no such image"})
}

// A quota stops a pod; the job says so, and goes on when there is room.
func TestQuota(t *testing.T) {
	l := newLab(t, "quota")
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "pods"}, Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")},
	}}
	l.create(quota)
	l.until("the quota to be in force", func() bool {
		err := l.client.Get(t.Context(), client.ObjectKeyFromObject(quota), quota)
		return err == nil && len(quota.Status.Hard) > 0
	})
	l.create(jobOf("mnist", replicas("Worker", 1)))
	l.until("a warning", func() bool {
		for o := range l.events("TFJob", "mnist") {
			if o.Reason == "FailedCreatePod" && o.Type == "Warning" {
				return true
			}
		}
		return false
	})
	l.untilState("mnist", training.JobCreated, corev1.ConditionTrue)
	if err := l.client.Delete(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	l.untilPods("mnist", 1)
}

// A pod of the same name that belongs to nobody is in the way, and is said to be.
func TestNameTaken(t *testing.T) {
	l := newLab(t, "taken")
	l.create(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "mnist-worker-0"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "x"}}}})
	l.create(jobOf("mnist", replicas("Worker", 1)))
	l.untilEvent("mnist", occurrence{"Warning", "FailedCreatePod",
		"Error creating: the name is taken by one that belongs to nobody: delete it, or give the job another name"})
	if err := l.client.Delete(t.Context(), l.pod("mnist-worker-0"), client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	l.untilPods("mnist", 1)
}

// All pods of a large job are there within moments.
func TestLargeJob(t *testing.T) {
	l := newLab(t, "large")
	start := time.Now()
	l.create(jobOf("mnist", replicas("Worker", 200)))
	l.until("200 pods", func() bool { return l.count("Pod", "mnist") == 200 })
	t.Logf("200 workers were made in %v", time.Since(start))
	l.untilPods("mnist", 200)
}

// Many jobs at once, each with its pods and no more.
func TestManyJobs(t *testing.T) {
	l := newLab(t, "many")
	start := time.Now()
	for i := range 30 {
		l.create(jobOf(fmt.Sprintf("job-%d", i), replicas("Worker", 3)))
	}
	for i := range 30 {
		l.untilPods(fmt.Sprintf("job-%d", i), 3)
	}
	t.Logf("30 jobs of 3 replicas were made in %v", time.Since(start))
}

// said is what a job's conditions say, in their order.
func said(j *training.TFJob) string {
	s := ""
	for i, c := range j.Status.Conditions {
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

func restart(t training.ReplicaType, p training.RestartPolicy) func(*training.TFJob) {
	return func(j *training.TFJob) { j.Spec.TFReplicaSpecs[t].RestartPolicy = p }
}

func cleanPods(p training.CleanPodPolicy) func(*training.TFJob) {
	return func(j *training.TFJob) { j.Spec.RunPolicy.CleanPodPolicy = &p }
}
