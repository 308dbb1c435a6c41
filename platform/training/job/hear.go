package job

import (
	"context"
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
	// overDetails is for what nothing is made of but a count or a remark: that a
	// pod has its place, or a service is there.
	overDetails = leeway(time.Second)
)

func (l leeway) add(q queue, r reconcile.Request) {
	if l == 0 {
		q.Add(r)
		return
	}
	q.AddAfter(r, time.Duration(l))
}

// ofPod is for a pod that has changed: there is none if it ended or is to.
func ofPod(before, now any) leeway {
	b, _ := before.(*corev1.Pod)
	n, _ := now.(*corev1.Pod)
	switch {
	case b == nil || n == nil, b.DeletionTimestamp.IsZero() != n.DeletionTimestamp.IsZero():
		return 0
	case b.Status.Phase != n.Status.Phase && n.Status.Phase != corev1.PodRunning:
		return 0
	case b.Status.Phase != n.Status.Phase, !equality.Semantic.DeepEqual(b.Status.ContainerStatuses, n.Status.ContainerStatuses),
		!equality.Semantic.DeepEqual(b.Spec.SchedulingGates, n.Spec.SchedulingGates):
		return overSteps
	}
	return overDetails
}

// ofStatus is for a job of which something was written.
func ofStatus(before, now *training.JobStatus) leeway {
	b, n := *before, *now
	b.ReplicaStatuses, b.Progress = n.ReplicaStatuses, n.Progress
	if equality.Semantic.DeepEqual(b, n) {
		return overDetails
	}
	return overSteps
}

// ofJob hears of jobs themselves. Most changes of one are what its controller
// wrote of it.
func ofJob() handler.EventHandler {
	each := &handler.EnqueueRequestForObject{}
	return handler.Funcs{
		CreateFunc: each.Create,
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			b, isJob := e.ObjectOld.(training.Job)
			n, _ := e.ObjectNew.(training.Job)
			wait := leeway(0)
			if isJob && b.GetGeneration() == n.GetGeneration() && n.GetDeletionTimestamp() == nil {
				wait = ofStatus(b.Report(), n.Report())
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
