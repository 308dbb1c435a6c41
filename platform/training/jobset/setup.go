// Package jobset runs JobSets: groups of Jobs that start, restart and end
// together. The controller is upstream's own; what its webhooks do is here, in
// rules.go, since they do not build with the controller-runtime of this program
// (docs/design/0005-jobset.md).
package jobset

import (
	"context"
	"fmt"
	"sync"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"
	"sigs.k8s.io/jobset/pkg/controllers"
	"sigs.k8s.io/jobset/pkg/metrics"
)

//go:generate sh -c "install -m 644 $(go list -m -f {{.Dir}} sigs.k8s.io/jobset)/config/components/crd/bases/jobset.x-k8s.io_jobsets.yaml ../../../install/crds/"
//go:generate go run ../../../hack/trimcrd ../../../install/crds/jobset.x-k8s.io_jobsets.yaml

// +kubebuilder:rbac:groups=jobset.x-k8s.io,resources=jobsets,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=jobset.x-k8s.io,resources=jobsets/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=jobset.x-k8s.io,resources=jobsets/finalizers,verbs=update
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=batch,resources=jobs/status,verbs=get;update;patch
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups="",resources=events,verbs=create;update;patch

// atOnce is how many JobSets are looked at at once.
const atOnce = 8

// Upstream's counters belong to the process, as its registry does.
var count = sync.OnceFunc(metrics.Register)

// Setup adds upstream's controller for JobSets to a manager. The kind must be
// installed by the time the manager starts.
func Setup(ctx context.Context, mgr ctrl.Manager) error {
	if err := jobsetv1alpha2.AddToScheme(mgr.GetScheme()); err != nil {
		return fmt.Errorf("set up JobSets: %w", err)
	}
	count()
	belongings, err := newBelongings(ctx, mgr)
	if err != nil {
		return fmt.Errorf("set up JobSets: %w", err)
	}
	c, err := client.New(mgr.GetConfig(), client.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		Cache: &client.CacheOptions{Reader: belongings},
	})
	if err != nil {
		return fmt.Errorf("set up JobSets: %w", err)
	}
	recorder := mgr.GetEventRecorderFor("jobset") //nolint:staticcheck // It is what upstream's controller takes.
	toOwner := handler.EnqueueRequestForOwner(mgr.GetScheme(), mgr.GetRESTMapper(), &jobsetv1alpha2.JobSet{}, handler.OnlyControllerOwner())
	return ctrl.NewControllerManagedBy(mgr).
		Named("jobset").
		WatchesRawSource(source.Kind(belongings, client.Object(&jobsetv1alpha2.JobSet{}), &handler.EnqueueRequestForObject{})).
		WatchesRawSource(source.Kind(belongings, client.Object(&batchv1.Job{}), toOwner)).
		WatchesRawSource(source.Kind(belongings, client.Object(&corev1.Service{}), toOwner)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: atOnce,
			SkipNameValidation:      new(true), // A process may hold one manager after another.
		}).
		Complete(controllers.NewJobSetReconciler(c, mgr.GetScheme(), recorder))
}

// defaulted gives a JobSet that came in while nobody looked what Rules would
// have: upstream's controller counts on it.
func defaulted(o any) (any, error) {
	if js, ok := o.(*jobsetv1alpha2.JobSet); ok {
		js.SetManagedFields(nil)
		Default(js)
	}
	return o, nil
}

// newBelongings is a cache of JobSets and of their Jobs. Jobs that belong to no
// JobSet stay out of it.
func newBelongings(ctx context.Context, mgr ctrl.Manager) (cache.Cache, error) {
	theirs, err := labels.NewRequirement(jobsetv1alpha2.JobSetNameKey, selection.Exists, nil)
	if err != nil {
		return nil, fmt.Errorf("cache Jobs: %w", err)
	}
	c, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&batchv1.Job{}:           {Label: labels.NewSelector().Add(*theirs)},
			&jobsetv1alpha2.JobSet{}: {Transform: defaulted},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("cache JobSets: %w", err)
	}
	if err := controllers.SetupJobSetIndexes(ctx, c); err != nil {
		return nil, fmt.Errorf("index Jobs by JobSet: %w", err)
	}
	return c, mgr.Add(c)
}
