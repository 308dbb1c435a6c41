package trainjob

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
)

// Options are what Setup can be told. The zero value is good.
type Options struct {
	// Concurrency is how many TrainJobs are looked at at once; 5 if not said.
	Concurrency int
	// Reporting is where training programs report to; nil is nowhere.
	Reporting *Reporting
}

// Waits between tries that fail. The longest is short, since what a job waits
// for, as room in a quota, comes without notice.
const (
	shortestWait = 20 * time.Millisecond
	longestWait  = 15 * time.Second
)

// Setup adds a controller for TrainJobs to a manager. The kinds, and JobSets,
// must be installed by the time the manager starts.
func Setup(mgr ctrl.Manager, o Options) error {
	for _, add := range []func() error{
		func() error { return trainer.AddToScheme(mgr.GetScheme()) },
		func() error { return jobsetv1alpha2.AddToScheme(mgr.GetScheme()) },
	} {
		if err := add(); err != nil {
			return fmt.Errorf("set up TrainJobs: %w", err)
		}
	}
	if o.Concurrency == 0 {
		o.Concurrency = 5
	}
	r := &Reconciler{options: o, client: mgr.GetClient(), live: mgr.GetAPIReader(), recorder: mgr.GetEventRecorder("trainjob-controller"), clock: clock.RealClock{}}
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named("trainjob").
		For(&trainer.TrainJob{}).
		Watches(&jobsetv1alpha2.JobSet{}, &handler.EnqueueRequestForObject{}). // It has the TrainJob's name, also where it is another's.
		Watches(&trainer.TrainingRuntime{}, handler.EnqueueRequestsFromMapFunc(r.waiting)).
		Watches(&trainer.ClusterTrainingRuntime{}, handler.EnqueueRequestsFromMapFunc(r.waiting)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: o.Concurrency,
			SkipNameValidation:      new(true), // A process may hold one manager after another.
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](shortestWait, longestWait),
		}).
		Build(reconcile.AsReconciler(mgr.GetClient(), r))
	if err != nil {
		return fmt.Errorf("set up TrainJobs: %w", err)
	}
	r.watches.begin = func(kind schema.GroupVersionKind) error {
		return c.Watch(source.Kind(mgr.GetCache(), client.Object(groupMeta(kind)),
			handler.EnqueueRequestForOwner(mgr.GetScheme(), mgr.GetRESTMapper(), &trainer.TrainJob{}, handler.OnlyControllerOwner()), onlyDeletions()))
	}
	return nil
}

// waiting are the TrainJobs that something keeps from being made, and that run
// by a runtime.
func (r *Reconciler) waiting(ctx context.Context, by client.Object) []reconcile.Request {
	var jobs trainer.TrainJobList
	if err := r.client.List(ctx, &jobs, client.InNamespace(by.GetNamespace())); err != nil {
		return nil // The cache is closed, and we with it.
	}
	var all []reconcile.Request
	for i := range jobs.Items {
		j := &jobs.Items[i]
		if j.Spec.RuntimeRef.Name == by.GetName() && condition(&j.Status, trainer.TrainJobResourcesCreated) != nil {
			all = append(all, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(j)})
		}
	}
	return all
}
