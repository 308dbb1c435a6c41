package job

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	training "github.com/weir-ml/weir/api/training/v1"
)

// A queue is of jobs to look at.
type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// A leeway is how long a look at a job may wait after something that gives cause
// for it. A pod gives cause for a dozen looks in its life, at few of which there
// is something to do; those that can wait become one.
type leeway time.Duration

const (
	// overSteps is for steps on the way: that a pod runs, what was written of a job.
	overSteps = leeway(50 * time.Millisecond)
	// overDetails is for what nothing is made of but a remark: that a pod finds no
	// place.
	overDetails = leeway(time.Second)
	// noCause is for what nothing is made of: that a pod has its place, or a
	// service is there.
	noCause = leeway(-1)
)

func (l leeway) add(q queue, r reconcile.Request) {
	switch l {
	case noCause:
	case 0:
		q.Add(r)
	default:
		q.AddAfter(r, time.Duration(l))
	}
}

// ofNewPod is for a pod that has come, if it is or isn't the first of its owner.
// The first has the others made; where pods wait for each other, all are counted.
func ofNewPod(now any, first bool) leeway {
	pod, _ := now.(*corev1.Pod)
	switch {
	case pod == nil || first || gated(pod) || pod.DeletionTimestamp != nil:
		return 0
	case pod.Status.Phase != corev1.PodPending:
		return ofPhase(pod.Status.Phase)
	case isTroubled(pod):
		return overDetails
	}
	return noCause
}

// ofPod is for a pod that has changed: there is none if it is to end.
func ofPod(before, now any) leeway {
	b, _ := before.(*corev1.Pod)
	n, _ := now.(*corev1.Pod)
	switch {
	case b == nil || n == nil, b.UID != n.UID, b.DeletionTimestamp.IsZero() != n.DeletionTimestamp.IsZero():
		return 0
	case b.Status.Phase != n.Status.Phase:
		return ofPhase(n.Status.Phase)
	case !equality.Semantic.DeepEqual(b.Status.ContainerStatuses, n.Status.ContainerStatuses),
		!equality.Semantic.DeepEqual(b.Status.InitContainerStatuses, n.Status.InitContainerStatuses),
		!equality.Semantic.DeepEqual(b.Spec.SchedulingGates, n.Spec.SchedulingGates), readiness(b) != readiness(n):
		return overSteps
	case isTroubled(n), b.Status.Reason != n.Status.Reason, !maps.Equal(b.Labels, n.Labels), !slices.Equal(ownerOf(b), ownerOf(n)):
		return overDetails
	}
	return noCause
}

// ofPhase is for a pod that has come to a phase. Those of a job run together and
// are done together; one that has failed may have to be replaced.
func ofPhase(now corev1.PodPhase) leeway {
	if now == corev1.PodRunning || now == corev1.PodSucceeded {
		return overSteps
	}
	return 0
}

// readiness is what is said of a pod's.
func readiness(pod *corev1.Pod) corev1.ConditionStatus {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status
		}
	}
	return corev1.ConditionUnknown
}

// isTroubled is whether there is something to remark of a pod that has not begun.
func isTroubled(pod *corev1.Pod) bool { return unschedulable(pod) || len(troubles(pod)) > 0 }

// ofChange is for a job that has changed: there is none if somebody else changed
// it. What is asked of a job may also stand in its annotations.
func ofChange(before, now client.Object) leeway {
	b, isJob := before.(training.Job)
	n, _ := now.(training.Job)
	if !isJob || b.GetUID() != n.GetUID() || b.GetGeneration() != n.GetGeneration() || n.GetDeletionTimestamp() != nil ||
		!maps.Equal(b.GetAnnotations(), n.GetAnnotations()) || !maps.Equal(b.GetLabels(), n.GetLabels()) {
		return 0
	}
	if b.GetResourceVersion() == n.GetResourceVersion() {
		return overDetails // The cache shows all jobs again, every few hours.
	}
	return ofStatus(b.Report(), n.Report())
}

// ofStatus is for a job of which something was written.
func ofStatus(before, now *training.JobStatus) leeway {
	b, n := *before, *now
	b.ReplicaStatuses, b.Progress = n.ReplicaStatuses, n.Progress
	if equality.Semantic.DeepEqual(b, n) {
		return noCause
	}
	return overSteps
}

// ofJob hears of jobs themselves. Most changes of one are what its controller
// wrote of it. Of pods that a batch Job makes nothing else is heard than what that
// says of them, so they are counted again where something was written.
func ofJob(t Traits) handler.EventHandler {
	each := &handler.EnqueueRequestForObject{}
	return handler.Funcs{
		CreateFunc: each.Create,
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			wait := ofChange(e.ObjectOld, e.ObjectNew)
			if wait == noCause && t.Delegate != "" {
				wait = overDetails
			}
			wait.add(q, requestFor(e.ObjectNew.GetNamespace(), e.ObjectNew.GetName()))
		},
		DeleteFunc: each.Delete,
	}
}

// owningJob is the job that an object belongs to, and its kind; none if that is empty.
func owningJob(o client.Object) (kind string, job reconcile.Request) {
	c := metav1.GetControllerOfNoCopy(o)
	if c == nil || !strings.HasPrefix(c.APIVersion, training.GroupVersion.Group+"/") {
		return "", job
	}
	return c.Kind, requestFor(o.GetNamespace(), c.Name)
}

// ownerOfKind finds the job of a kind that an object belongs to.
func ownerOfKind(kind string) handler.MapFunc {
	return func(_ context.Context, o client.Object) []reconcile.Request {
		if of, job := owningJob(o); of == kind {
			return []reconcile.Request{job}
		}
		return nil
	}
}

func requestFor(namespace, name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
}
