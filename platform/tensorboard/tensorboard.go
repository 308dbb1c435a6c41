// Package tensorboard shows the event files of jobs with TensorBoard itself:
// each Tensorboard becomes a Deployment and a Service, and the front door leads
// to it.
//
//	Tensorboard ─▶ plan ─▶ Deployment, Service ─▶ pod ─▶ S3 or a volume
//	     ▲  └────▶ status: a sentence                ▲
//	     └─ visited ── /tensorboard/NAMESPACE/NAME/ ─┘
//
// What is decided is in plan.go, place.go and status.go: functions of what was
// read and of the time. controller.go reads and writes; door.go is where people
// come in, and open.go makes Tensorboards of jobs and folders.
package tensorboard

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1alpha1 "github.com/weir-ml/weir/api/tensorboard/v1alpha1"
)

// Options are what Setup can be told. The zero value is good.
type Options struct {
	// Image is what TensorBoard runs in; DefaultImage if not said. Where it has no
	// TensorBoard, the pod installs it.
	Image string
	// Idle is how long one runs that nobody looks at; zero is for ever, as where
	// people do not come in by the front door, and so nobody knows.
	Idle time.Duration
}

// DefaultImage is a Python; weir gives it the packages that the pod asks for.
const DefaultImage = "python:3"

// Setup adds a controller for Tensorboards to a manager. The kind must be
// installed by the time the manager starts.
func Setup(mgr ctrl.Manager, o Options) error {
	if err := v1alpha1.AddToScheme(mgr.GetScheme()); err != nil {
		return fmt.Errorf("set up Tensorboards: %w", err)
	}
	if o.Image == "" {
		o.Image = DefaultImage
	}
	r := &Reconciler{options: o, client: mgr.GetClient(), live: mgr.GetAPIReader(), clock: clock.RealClock{}}
	ours := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetLabels()[Label] != "" })
	return ctrl.NewControllerManagedBy(mgr).
		Named("tensorboard").
		For(&v1alpha1.Tensorboard{}).
		Owns(&appsv1.Deployment{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(shown), builder.WithPredicates(ours)).
		WithOptions(controller.Options{SkipNameValidation: new(true)}). // A process may hold one manager after another.
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// shown is the Tensorboard that a pod is of.
func shown(_ context.Context, pod client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: pod.GetNamespace(), Name: pod.GetLabels()[Label]}}}
}
