package job

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
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
	// Furniture is what else jobs keep, from NewFurniture, where several
	// frameworks run jobs of one kind. Without, a framework has its own.
	Furniture cache.Cache
	// Hall is where jobs of all kinds wait whose pods start together without
	// such a scheduler. Setup makes one if there is none; two would give the
	// same room away twice.
	Hall *Hall
}

// ownerIndex finds pods and services by the uid of the job that owns them.
const ownerIndex = "weir.owner"

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
		recorder: mgr.GetEventRecorder(t.Operator), clock: clock.RealClock{}, metrics: counters,
	}
	toOwner := handler.EnqueueRequestsFromMapFunc(ownerOfKind(t.Kind))
	b := ctrl.NewControllerManagedBy(mgr).
		Named(t.Operator).
		For(f.New()).
		WatchesRawSource(source.Kind(o.Belongings.pods, client.Object(&corev1.Pod{}), toOwner)).
		WatchesRawSource(source.Kind(o.Belongings.services, client.Object(serviceMeta()), toOwner)).
		WatchesRawSource(source.Func(func(_ context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
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

// Belongings are caches of the pods and services of jobs. The pods are in the
// manager's, which others have filled anyway; of services it knows the metadata.
type Belongings struct {
	pods, services cache.Cache
}

// NewBelongings makes those that the kinds of a manager share.
func NewBelongings(ctx context.Context, mgr ctrl.Manager) (*Belongings, error) {
	ours, err := labels.NewRequirement(training.LabelOperatorName, selection.Exists, nil)
	if err != nil {
		return nil, fmt.Errorf("select services: %w", err)
	}
	services, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		ByObject: map[client.Object]cache.ByObject{
			serviceMeta(): {Label: labels.NewSelector().Add(*ours), Transform: cache.TransformStripManagedFields()},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("cache services: %w", err)
	}
	b := &Belongings{pods: mgr.GetCache(), services: services}
	if err := b.pods.IndexField(ctx, &corev1.Pod{}, ownerIndex, ownerOf); err != nil {
		return nil, fmt.Errorf("index pods by owner: %w", err)
	}
	if err := b.services.IndexField(ctx, serviceMeta(), ownerIndex, ownerOf); err != nil {
		return nil, fmt.Errorf("index services by owner: %w", err)
	}
	return b, mgr.Add(services)
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

// ownerOf is the uid of the object's controller.
func ownerOf(o client.Object) []string {
	if c := metav1.GetControllerOfNoCopy(o); c != nil {
		return []string{string(c.UID)}
	}
	return nil
}

// ownerOfKind finds the job of a kind that an object belongs to. Each kind hears
// of the pods of all, so that this must not take long.
func ownerOfKind(kind string) handler.MapFunc {
	group := training.GroupVersion.Group + "/"
	return func(_ context.Context, o client.Object) []reconcile.Request {
		c := metav1.GetControllerOfNoCopy(o)
		if c == nil || c.Kind != kind || !strings.HasPrefix(c.APIVersion, group) {
			return nil
		}
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: c.Name}}}
	}
}

// Of services, only names and owners matter.
func serviceMeta() *metav1.PartialObjectMetadata {
	s := &metav1.PartialObjectMetadata{}
	s.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Service"))
	return s
}

func serviceMetaList() *metav1.PartialObjectMetadataList {
	s := &metav1.PartialObjectMetadataList{}
	s.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ServiceList"))
	return s
}
