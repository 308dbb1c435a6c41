package jobs_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

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

// Twenty jobs each want 60 % of a node, by two pods of 30 %. Started one pod
// after the other, three pods of three jobs would have it, and wait for ever.
func TestJobsThatDoNotAllFitGoOneByOne(t *testing.T) {
	goOneByOne(t, newLab(t, "one-by-one"), 20)
}

func goOneByOne(t *testing.T, l *lab, jobs int) {
	t.Helper()
	node := l.namespace
	l.node(node, "4")
	for i := range jobs {
		l.create(jobOf(fmt.Sprintf("job-%d", i), replicas("Worker", 2), asking("1200m", node), annotated(training.AnnotationGang, "true")))
	}

	said := map[string]string{}
	done := map[string]bool{}
	l.until("all jobs to end", func() bool {
		l.beat(node)
		var list training.TFJobList
		if err := l.client.List(t.Context(), &list, client.InNamespace(l.namespace)); err != nil {
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

// asking has workers ask for cpu, on one node.
func asking(cpu, node string) func(*training.TFJob) {
	return func(j *training.TFJob) {
		pod := &j.Spec.TFReplicaSpecs["Worker"].Template.Spec
		pod.NodeSelector = map[string]string{corev1.LabelHostname: node}
		pod.Tolerations = []corev1.Toleration{{Key: "only-for", Value: node}}
		pod.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
	}
}

// node makes a node of which only the API server knows.
func (l *lab) node(name, cpu string) {
	l.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	n.Spec.Taints = []corev1.Taint{{Key: "only-for", Value: name, Effect: corev1.TaintEffectNoSchedule}} // not for other tests' pods
	if err := l.client.Create(l.Context(), n); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = l.client.Delete(context.Background(), n) })
	before := n.DeepCopy()
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourcePods: resource.MustParse("110")}
	n.Status.Capacity = n.Status.Allocatable
	if err := l.client.Status().Patch(l.Context(), n, client.MergeFrom(before)); err != nil {
		l.Fatal(err)
	}
	l.beat(name)
}

// beat says that the node lives.
func (l *lab) beat(name string) {
	l.Helper()
	n := &corev1.Node{}
	if err := l.client.Get(l.Context(), client.ObjectKey{Name: name}, n); err != nil {
		l.Fatal(err)
	}
	if c := n.Status.Conditions; len(c) > 0 && time.Since(c[0].LastHeartbeatTime.Time) < 5*time.Second {
		return
	}
	before := n.DeepCopy()
	n.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "Beats", LastHeartbeatTime: metav1.Now(), LastTransitionTime: n.CreationTimestamp,
	}}
	if err := l.client.Status().Patch(l.Context(), n, client.MergeFrom(before)); err != nil {
		l.Fatal(err)
	}
}

// work does what a node's pods do: a job whose pods all have a place ends well.
// No two jobs may have pods on the node at once.
func (l *lab) work(t *testing.T, node string) {
	t.Helper()
	var pods corev1.PodList
	if err := l.client.List(t.Context(), &pods, client.InNamespace(l.namespace)); err != nil {
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
