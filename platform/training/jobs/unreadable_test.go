package jobs_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	training "github.com/weir-ml/weir/api/training/v1"
)

// A job that no webhook stopped, and whose template is no pod's, says so; others
// of its kind run all the same.
func TestUnreadableJob(t *testing.T) {
	l := newLab(t, "unreadable")
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			l := l.of(t, k)
			bad, good := "bad-"+k.container, "good-"+k.container
			j := k.job(l, bad, "", "")
			spec := j.Object["spec"].(map[string]any)[k.field].(map[string]any)["Worker"].(map[string]any)
			if err := unstructured.SetNestedField(spec, int64(5), "template", "spec", "affinity", "nodeAffinity"); err != nil {
				t.Fatal(err)
			}
			l.Create(j)
			l.Create(k.job(l, good, "", ""))
			l.untilPods(good, 2)
			l.Until("the bad job to say so", func() bool {
				for _, c := range l.conditions(bad) {
					if c.Type == training.JobFailed && c.Status == corev1.ConditionTrue && strings.Contains(c.Message, "nodeAffinity") {
						return true
					}
				}
				return false
			})
		})
	}
}

// conditions reads those of a job that cannot be read whole.
func (l *lab) conditions(name string) []training.JobCondition {
	l.Helper()
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(training.GroupVersion.WithKind(l.kind.name))
	o.SetName(name)
	var j struct {
		Status training.JobStatus `json:"status"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(l.readAs(o).Object, &j); err != nil {
		l.Fatal(err)
	}
	return j.Status.Conditions
}
