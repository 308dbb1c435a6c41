package tensorflow_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

// annotated sets an annotation of a job.
func annotated(name, value string) func(*training.TFJob) {
	return func(j *training.TFJob) {
		if j.Annotations == nil {
			j.Annotations = map[string]string{}
		}
		j.Annotations[name] = value
	}
}

// One worker is killed, and both start anew; then one fails again, and the job
// has failed.
func TestWholeJobRestarts(t *testing.T) {
	l := newLab(t, "whole")
	l.create(jobOf("mnist", replicas("Worker", 2), cleanPods(training.CleanPodRunning),
		annotated(training.AnnotationRestart, training.RestartJob), annotated(training.AnnotationRestartLimit, "1")))
	l.untilPods("mnist", 2)
	l.run("mnist-worker-0", "mnist-worker-1")
	l.untilState("mnist", training.JobRunning, corev1.ConditionTrue)

	old := []*corev1.Pod{l.pod("mnist-worker-0"), l.pod("mnist-worker-1")}
	l.end("mnist-worker-1", 137)
	l.untilEvent("mnist", occurrence{"Warning", "TFJobRestarting", "mnist-worker-1 failed with exit code 137: all replicas are started again in 10s (restart 1 of 1)."})
	l.until("the pods of the round to go", func() bool { return len(l.pods("mnist")) == 0 })
	for _, p := range old {
		l.untilReplaced(p)
	}
	l.untilState("mnist", training.JobRestarting, corev1.ConditionTrue)
	l.run("mnist-worker-0", "mnist-worker-1")
	l.untilState("mnist", training.JobRunning, corev1.ConditionTrue)

	l.end("mnist-worker-0", 1)
	j := l.untilState("mnist", training.JobFailed, corev1.ConditionTrue)
	want := "TFJob mnist has failed: mnist-worker-0 failed with exit code 1, after 1 restart of all replicas."
	if c := j.Status.Conditions[len(j.Status.Conditions)-1]; c.Message != want || j.Status.Rounds.Restarts != 1 {
		t.Errorf("after %d restarts it says %q, want %q", j.Status.Rounds.Restarts, c.Message, want)
	}
	l.untilPods("mnist", 1) // What has ended stays, what runs goes.
}
