package job

import (
	"context"
	"fmt"
	"reflect"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	training "github.com/weir-ml/weir/api/training/v1"
)

// Options are what Setup can be told. The zero value is good.
type Options struct {
	// Concurrency is how many jobs are looked at at once; 8 if not said.
	Concurrency int
	// GangScheduler is the scheduler that starts all pods of a job or none:
	// volcano, or the name of one made with Kubernetes' scheduler plugins. Its
	// PodGroups must be installed. Empty is none.
	GangScheduler string
	// Belongings are the pods and services of jobs. The kinds of a manager share
	// what NewBelongings made.
	Belongings *Belongings
	// Writer writes what jobs make, and Events makes who records what becomes of
	// them: *wire.Events. The kinds of a manager share these too.
	Writer Writer
	Events interface {
		NewRecorder(scheme *runtime.Scheme, controller string) events.EventRecorder
	}
	// Furniture is what else jobs keep, from NewFurniture, where several
	// frameworks run jobs of one kind. Without, a framework has its own.
	Furniture cache.Cache
	// Hall is where jobs of all kinds wait whose pods start together without
	// such a scheduler. Setup makes one if there is none; two would give the
	// same room away twice.
	Hall *Hall
}

// Waits between tries that fail. The longest is short, since what a job waits
// for, as room in a quota, comes without notice.
const (
	shortestWait = 20 * time.Millisecond
	longestWait  = 15 * time.Second
)

// Setup adds a controller for the jobs of one framework to a manager. The kind
// must be installed by the time the manager starts.
func Setup[J training.Job](ctx context.Context, mgr ctrl.Manager, f Framework[J], o Options) error {
	t := f.Traits()
	if err := training.AddToScheme(mgr.GetScheme()); err != nil {
		return fmt.Errorf("set up %s: %w", t.Operator, err)
	}
	furniture := o.Furniture
	if furniture == nil {
		own, err := NewFurniture(ctx, mgr, t.Kind, furnitureOf(f)...)
		if err != nil {
			return fmt.Errorf("set up %s: %w", t.Operator, err)
		}
		furniture = own
	}
	counters, err := newCounters(metrics.Registry, t)
	if err != nil {
		return fmt.Errorf("set up %s: %w", t.Operator, err)
	}
	if o.Concurrency == 0 {
		o.Concurrency = 8
	}

	if o.Hall == nil {
		if o.Hall, err = NewHall(mgr); err != nil {
			return fmt.Errorf("set up %s: %w", t.Operator, err)
		}
	}

	r := &Reconciler[J]{
		framework: f, gang: gang(o.GangScheduler), hall: o.Hall,
		client: mgr.GetClient(), belongings: o.Belongings, furniture: furniture, groups: mgr.GetCache(), live: mgr.GetAPIReader(),
		writer: o.Writer, resource: resourceOf(training.GroupVersion.WithKind(t.Kind)),
		recorder: o.Events.NewRecorder(mgr.GetScheme(), t.Operator), clock: clock.RealClock{}, metrics: counters,
	}
	toOwner := handler.EnqueueRequestsFromMapFunc(ownerOfKind(t.Kind))
	b := ctrl.NewControllerManagedBy(mgr).
		Named(t.Operator).
		WatchesRawSource(source.Kind(mgr.GetCache(), client.Object(f.New()), ofJob(t))).
		WatchesRawSource(o.Belongings.of(t.Kind)).
		WatchesRawSource(source.Func(func(_ context.Context, q queue) error {
			r.again.Store(&q)
			return nil
		})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: o.Concurrency,
			SkipNameValidation:      new(true), // A process may hold one manager after another.
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](shortestWait, longestWait),
		})
	for _, kind := range furnitureOf(f) {
		o, err := kind.object(mgr.GetScheme())
		if err != nil {
			return fmt.Errorf("set up %s: %w", t.Operator, err)
		}
		b = b.WatchesRawSource(source.Kind(furniture, o, toOwner))
	}
	if r.gang != "" {
		group := &unstructured.Unstructured{}
		group.SetGroupVersionKind(r.gang.kind())
		b = b.WatchesRawSource(source.Kind(mgr.GetCache(), client.Object(group), toOwner))
	}
	return b.Complete(r)
}

// NewFurniture is a cache of what else the jobs of a kind keep.
func NewFurniture(ctx context.Context, mgr ctrl.Manager, kind string, all ...Furniture) (cache.Cache, error) {
	mine := func(o any) (any, error) { // Others' objects take no more memory than their names.
		m, ok := o.(client.Object)
		if !ok {
			return o, nil
		}
		m.SetManagedFields(nil)
		if c := metav1.GetControllerOf(m); c != nil && c.Kind == kind {
			return m, nil
		}
		husk := reflect.New(reflect.TypeOf(m).Elem()).Interface().(client.Object)
		husk.SetNamespace(m.GetNamespace())
		husk.SetName(m.GetName())
		husk.SetUID(m.GetUID())
		husk.SetResourceVersion(m.GetResourceVersion())
		return husk, nil
	}
	kinds := map[client.Object]cache.ByObject{}
	seen := map[schema.GroupVersionKind]bool{}
	for _, f := range all {
		if seen[f.Kind] {
			continue
		}
		seen[f.Kind] = true
		o, err := f.object(mgr.GetScheme())
		if err != nil {
			return nil, err
		}
		by := cache.ByObject{Transform: mine}
		if f.Label != "" {
			if by.Label, err = labels.Parse(f.Label); err != nil {
				return nil, fmt.Errorf("look for %s: %w", f.Kind.Kind, err)
			}
		}
		kinds[o] = by
	}
	c, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), ByObject: kinds,
	})
	if err != nil {
		return nil, fmt.Errorf("cache furniture: %w", err)
	}
	for o := range kinds {
		if err := c.IndexField(ctx, o, ownerIndex, ownerOf); err != nil {
			return nil, fmt.Errorf("index %T by owner: %w", o, err)
		}
	}
	return c, mgr.Add(c)
}

// object is an empty object of the kind, or of its metadata.
func (f Furniture) object(scheme *runtime.Scheme) (client.Object, error) {
	if f.NamesOnly {
		o := &metav1.PartialObjectMetadata{}
		o.SetGroupVersionKind(f.Kind)
		return o, nil
	}
	o, err := scheme.New(f.Kind)
	if err != nil {
		return nil, fmt.Errorf("keep %s: %w", f.Kind.Kind, err)
	}
	return o.(client.Object), nil
}

// list is an empty list of the kind, or of its metadata.
func (f Furniture) list(scheme *runtime.Scheme) (client.ObjectList, error) {
	kind := f.Kind.GroupVersion().WithKind(f.Kind.Kind + "List")
	if f.NamesOnly {
		l := &metav1.PartialObjectMetadataList{}
		l.SetGroupVersionKind(kind)
		return l, nil
	}
	l, err := scheme.New(kind)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", f.Kind.Kind, err)
	}
	return l.(client.ObjectList), nil
}
