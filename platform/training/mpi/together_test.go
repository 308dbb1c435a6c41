package mpi_test

import (
	"fmt"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
			l := l.in(t)
			job := "anew-" + name
			l.write(annotated(pi("v2beta1", job, "runPolicy: {cleanPodPolicy: Running, backoffLimit: 1, activeDeadlineSeconds: 600},"), training.AnnotationRestart, training.RestartJob))
			fail := func() (first *corev1.Pod, runner *batchv1.Job) {
				first, runner = l.untilLauncher(job), &batchv1.Job{}
				if err := l.Get(job+"-launcher", runner); err != nil {
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
			worker := l.Pod(job + "-worker-0")
			if *before.Spec.BackoffLimit != 0 || before.Spec.ActiveDeadlineSeconds != nil || launcher.Spec.RestartPolicy != corev1.RestartPolicyNever {
				t.Errorf("the launcher's Job would try again by itself: %+v", before.Spec)
			}
			if c := l.untilSaid(job, "Restarting True MPIJobRestarting"); !strings.HasSuffix(c.Message, strings.TrimPrefix(tc.says, "anew-worker-1 ")) {
				t.Errorf("message %q, want %q", c.Message, tc.says)
			}
			l.Until("pods of another round", func() bool {
				p, again := &corev1.Pod{}, &batchv1.Job{}
				return l.Get(worker.Name, p) == nil && p.UID != worker.UID && l.Get(before.Name, again) == nil && again.UID != before.UID
			})
			if left := l.role(job, "launcher"); len(left) > 1 {
				t.Errorf("%d launchers, of two rounds", len(left))
			}

			_, last := fail()
			if c := l.untilSaid(job, "Failed True MPIJobFailed"); !strings.HasSuffix(c.Message, ", after 1 restart of all replicas.") {
				t.Errorf("message %q", c.Message)
			}
			l.Until("the launcher to be over", func() bool {
				if err := l.Get(last.Name, last); err != nil {
					t.Fatal(err)
				}
				return last.Spec.Suspend != nil && *last.Spec.Suspend || last.Status.Failed > 0
			})
		})
	}
}

// Launcher and workers of whatever version start together, as soon as all fit;
// also a launcher that is made when its workers run.
func TestStartsTogether(t *testing.T) {
	l := newLab(t, "together")
	for name, tc := range map[string]struct{ version, spec string }{
		"v1":    {"v1", ""},
		"v2":    {"v2beta1", ""},
		"later": {"v2beta1", "launcherCreationPolicy: WaitForWorkersReady,"},
	} {
		t.Run(name, func(t *testing.T) {
			l := l.in(t)
			node := "together-" + name
			l.Node(node, "2")
			manifest := strings.NewReplacer(
				"image: x", `image: x, resources: {requests: {cpu: "1"}}`,
				"containers:", fmt.Sprintf("nodeSelector: {%s: %s}, tolerations: [{key: only-for, value: %s}], containers:", corev1.LabelHostname, node, node),
			).Replace(pi(tc.version, name, tc.spec))
			l.write(annotated(manifest, training.AnnotationGang, "true"))

			want := "MPIJob " + name + " starts when all 3 pods fit: there is room for 2; missing: 1 cpu."
			l.Until(name+" to say: "+want, func() bool { return l.untilSaid(name, "Waiting True MPIJobWaiting").Message == want })
			its := map[string]string{training.LabelJobName: name}
			for _, p := range l.PodsOf(its) {
				if p.Spec.NodeName != "" {
					t.Errorf("pod %s has a place before all have", p.Name)
				}
			}
			n := &corev1.Node{}
			if err := l.Client.Get(t.Context(), client.ObjectKey{Name: node}, n); err != nil {
				t.Fatal(err)
			}
			n.Status.Allocatable[corev1.ResourceCPU] = resource.MustParse("3")
			if err := l.Client.Status().Update(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			if name == "later" {
				l.untilPlaced(node, its, 2)
				l.is(corev1.PodRunning, "", name+"-worker-0", name+"-worker-1")
			}
			l.untilPlaced(node, its, 3)
		})
	}
}

// untilPlaced waits until so many pods have their place on a node, and nobody
// waits.
func (l *lab) untilPlaced(node string, labels map[string]string, want int) {
	l.Helper()
	l.Until(fmt.Sprintf("%d pods on node %s", want, node), func() bool {
		l.Beat(node)
		placed, all := 0, l.PodsOf(labels)
		for _, p := range all {
			if p.Spec.NodeName == node {
				placed++
			}
		}
		return placed == want && len(all) == want
	})
}

// annotated is a manifest with an annotation.
func annotated(manifest, name, value string) string {
	return strings.Replace(manifest, "metadata: {", "metadata: {annotations: {"+name+`: "`+value+`"}, `, 1)
}
