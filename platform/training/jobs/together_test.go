package jobs_test

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/stage"
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

// Twenty jobs each want 60 % of a node, by two pods of 30 %. Started one pod
// after the other, three pods of three jobs would have it, and wait for ever.
func TestJobsThatDoNotAllFitGoOneByOne(t *testing.T) {
	goOneByOne(t, newLab(t, "one-by-one"), 20)
}

func goOneByOne(t *testing.T, l *lab, jobs int) {
	t.Helper()
	node := l.Namespace
	l.Node(node, "4")
	for i := range jobs {
		l.Create(jobOf(fmt.Sprintf("job-%d", i), replicas("Worker", 2), func(j *training.TFJob) { stage.On(node, "1200m", &j.Spec.TFReplicaSpecs["Worker"].Template.Spec) }, annotated(training.AnnotationGang, "true")))
	}

	said := map[string]string{}
	done := map[string]bool{}
	l.Until("all jobs to end", func() bool {
		l.Beat(node)
		var list training.TFJobList
		if err := l.Client.List(t.Context(), &list, client.InNamespace(l.Namespace)); err != nil {
			t.Fatal(err)
		}
		for _, j := range list.Items {
			if j.Status.Finished() {
				done[j.Name] = true
			}
			if i := slices.IndexFunc(j.Status.Conditions, func(c training.JobCondition) bool { return c.Type == training.JobWaiting }); i >= 0 {
				said[j.Status.Conditions[i].Message] = j.Name
			}
		}
		l.work(t, node)
		return len(done) == jobs
	})
	for message, name := range said {
		// Beside one job, or beside one and the last pod of another.
		want := []string{"room for 1; missing: 0.8 cpu.", "room for 0; missing: 2 cpu."}
		if !slices.ContainsFunc(want, func(w string) bool { return message == "TFJob "+name+" starts when all 2 pods fit: there is "+w }) {
			t.Errorf("it says %q, want one of %q", message, want)
		}
	}
	if len(said) < jobs/2 {
		t.Errorf("%d jobs said why they wait, want most of %d", len(said), jobs)
	}
}

// work does what a node's pods do: a job whose pods all have a place ends well.
// No two jobs may have pods on the node at once.
func (l *lab) work(t *testing.T, node string) {
	t.Helper()
	var pods corev1.PodList
	if err := l.Client.List(t.Context(), &pods, client.InNamespace(l.Namespace)); err != nil {
		t.Fatal(err)
	}
	placed := map[string][]string{}
	for _, p := range pods.Items {
		if p.Spec.NodeName == node && p.Status.Phase == corev1.PodPending {
			job := p.Labels[training.LabelJobName]
			placed[job] = append(placed[job], p.Name)
		}
	}
	if len(placed) > 1 {
		t.Fatalf("pods of %d jobs have a place at once: %v", len(placed), placed)
	}
	for _, names := range placed {
		for _, name := range names {
			if len(names) == 2 {
				l.end(name, 0)
			}
		}
	}
}
