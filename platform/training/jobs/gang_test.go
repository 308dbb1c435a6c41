package jobs_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
	"github.com/weir-ml/weir/platform/training/stage"
)

// podGroups is as much of volcano's kind as a controller sees.
const podGroups = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: podgroups.scheduling.volcano.sh}
spec:
  group: scheduling.volcano.sh
  scope: Namespaced
  names: {kind: PodGroup, listKind: PodGroupList, plural: podgroups, singular: podgroup}
  versions:
  - name: v1beta1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// A gang scheduler lets a job's pods in together, and its group goes with the job.
func TestGangScheduling(t *testing.T) {
	l := newLabWith(t, "gang", job.Options{GangScheduler: "volcano"}, []byte(podGroups))
	l.Create(jobOf("mnist", replicas("Worker", 2)))
	group := &unstructured.Unstructured{}
	group.SetGroupVersionKind(schema.GroupVersionKind{Group: "scheduling.volcano.sh", Version: "v1beta1", Kind: "PodGroup"})
	key := client.ObjectKey{Namespace: l.Namespace, Name: "mnist"}
	l.Until("the group", func() bool { return l.Client.Get(t.Context(), key, group) == nil })
	if n := len(l.pods("mnist")); n > 0 {
		t.Errorf("%d pods are there before their group lets them", n)
	}

	group.Object["status"] = map[string]any{"phase": "Inqueue"}
	if err := l.Client.Status().Update(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	l.untilPods("mnist", 2)
	if p := l.Pod("mnist-worker-0"); p.Spec.SchedulerName != "volcano" || p.Annotations["scheduling.k8s.io/group-name"] != "mnist" {
		t.Errorf("scheduler %q, annotations %v", p.Spec.SchedulerName, p.Annotations)
	}

	l.change("mnist", func(j *training.TFJob) { j.Spec.TFReplicaSpecs["Worker"].Replicas = new(int32(3)) })
	l.Until("the group to grow", func() bool {
		n := int64(0)
		if l.Client.Get(t.Context(), key, group) == nil {
			n, _, _ = unstructured.NestedInt64(group.Object, "spec", "minMember")
		}
		return n == 3
	})

	l.end("mnist-worker-0", 0)
	l.untilState("mnist", training.JobSucceeded, corev1.ConditionTrue)
	l.Until("the group to go", func() bool { return apierrors.IsNotFound(l.Client.Get(t.Context(), key, group)) })
	l.untilEvent("mnist", stage.Normal("SuccessfulDeletePodGroup", "Deleted PodGroup: mnist"))
	l.untilEvent("mnist", stage.Normal("JobTerminated", "Job has been terminated. Deleting PodGroup"))
}
