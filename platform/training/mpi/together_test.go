package mpi_test

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

// In a job of v2beta1 that starts anew as a whole, launcher and workers go
// together, whichever of them fails.
func TestSecondWayStartsAnew(t *testing.T) {
	cases := map[string]struct{ fails, says string }{
		"worker":   {"worker", "anew-worker-1 failed: all replicas are started again in 10s (restart 1 of 1)."},
		"launcher": {"launcher", "failed: all replicas are started again in 10s (restart 1 of 1)."},
	}
	l := newLab(t, "anew")
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &lab{T: t, client: l.client, namespace: l.namespace}
			job := "anew-" + name
			l.write(annotated(pi("v2beta1", job, "runPolicy: {cleanPodPolicy: Running, backoffLimit: 1, activeDeadlineSeconds: 600},"), training.AnnotationRestart, training.RestartJob))
			fail := func() (first *corev1.Pod, runner *batchv1.Job) {
				first, runner = l.untilLauncher(job), &batchv1.Job{}
				if err := l.get(job+"-launcher", runner); err != nil {
					t.Fatal(err)
				}
				l.is(corev1.PodRunning, "", job+"-worker-0", job+"-worker-1", first.Name)
				l.untilSaid(job, "Running True MPIJobRunning")
				if tc.fails == "worker" {
					l.is(corev1.PodFailed, "", job+"-worker-1")
				} else {
					l.is(corev1.PodFailed, "", first.Name)
				}
				return first, runner
			}

			launcher, before := fail()
			worker := l.pod(job + "-worker-0")
			if *before.Spec.BackoffLimit != 0 || before.Spec.ActiveDeadlineSeconds != nil || launcher.Spec.RestartPolicy != corev1.RestartPolicyNever {
				t.Errorf("the launcher's Job would try again by itself: %+v", before.Spec)
			}
			if c := l.untilSaid(job, "Restarting True MPIJobRestarting"); !strings.HasSuffix(c.Message, strings.TrimPrefix(tc.says, "anew-worker-1 ")) {
				t.Errorf("message %q, want %q", c.Message, tc.says)
			}
			l.until("pods of another round", func() bool {
				p, again := &corev1.Pod{}, &batchv1.Job{}
				return l.get(worker.Name, p) == nil && p.UID != worker.UID && l.get(before.Name, again) == nil && again.UID != before.UID
			})
			if left := l.podsOf(job, training.LabelJobRole, "launcher"); len(left) > 1 {
				t.Errorf("%d launchers, of two rounds", len(left))
			}

			_, last := fail()
			if c := l.untilSaid(job, "Failed True MPIJobFailed"); !strings.HasSuffix(c.Message, ", after 1 restart of all replicas.") {
				t.Errorf("message %q", c.Message)
			}
			l.until("the launcher to be over", func() bool {
				if err := l.get(last.Name, last); err != nil {
					t.Fatal(err)
				}
				return last.Spec.Suspend != nil && *last.Spec.Suspend || last.Status.Failed > 0
			})
		})
	}
}

// annotated is a manifest with an annotation.
func annotated(manifest, name, value string) string {
	return strings.Replace(manifest, "metadata: {", "metadata: {annotations: {"+name+`: "`+value+`"}, `, 1)
}
