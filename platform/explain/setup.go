package explain

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// +kubebuilder:rbac:groups="",resources=pods;pods/log;nodes;namespaces;persistentvolumeclaims;services;events,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=events,verbs=create
// +kubebuilder:rbac:groups=apps,resources=deployments;replicasets;statefulsets;daemonsets,verbs=get;list
// +kubebuilder:rbac:groups=batch,resources=jobs;cronjobs,verbs=get;list

// Setup adds the controller to a manager: it says on jobs, pods and claims that
// do not move why they do not. It looks at a pod whose status may mean that it
// is held up, at whatever somebody warns about, and at what is deleted and does
// not go away: claims, namespaces, and objects of the kinds named. When nothing
// happens it does nothing. logs may be nil.
func Setup(mgr ctrl.Manager, logs Logs, kinds ...client.Object) error {
	warnings, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(),
		Scheme:     mgr.GetScheme(),
		Mapper:     mgr.GetRESTMapper(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Event{}: {Field: fields.OneTermEqualSelector("type", corev1.EventTypeWarning)},
		},
	})
	if err != nil {
		return fmt.Errorf("set up explain: %w", err)
	}
	if err := mgr.Add(warnings); err != nil {
		return fmt.Errorf("set up explain: %w", err)
	}
	r := &Reconciler{
		source: Source{
			Reader: splitReader{cached: mgr.GetClient(), direct: mgr.GetAPIReader()},
			Mapper: mgr.GetRESTMapper(),
			Logs:   logs,
		},
		writer: mgr.GetClient(),
		clock:  clock.RealClock{},
		seen:   map[subject]sighting{},
	}
	c, err := controller.NewTyped("explain", mgr, controller.TypedOptions[subject]{
		Reconciler:              r,
		MaxConcurrentReconciles: 1, // seen is not guarded
	})
	if err != nil {
		return fmt.Errorf("set up explain: %w", err)
	}
	sources := []source.TypedSource[subject]{
		source.TypedKind[client.Object](mgr.GetCache(), &corev1.Pod{}, enqueue(podSubject), heldUp()),
		source.TypedKind[client.Object](warnings, &corev1.Event{}, enqueue(eventSubject), news()),
	}
	for _, o := range append(kinds, metadataOf("PersistentVolumeClaim"), metadataOf("Namespace")) {
		kind, err := apiutil.GVKForObject(o, mgr.GetScheme())
		if err != nil {
			return fmt.Errorf("set up explain: %w", err)
		}
		of := func(o client.Object) subject { return subject{kind, client.ObjectKeyFromObject(o)} }
		sources = append(sources, source.TypedKind(mgr.GetCache(), o, enqueue(of), predicate.NewPredicateFuncs(lingers)))
	}
	for _, s := range sources {
		if err := c.Watch(s); err != nil {
			return fmt.Errorf("set up explain: %w", err)
		}
	}
	return nil
}

// heldUp lets through pods that may be held up, and those that no longer are, so
// that they are forgotten.
func heldUp() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return mayBeHeldUp(e.Object) },
		UpdateFunc: func(e event.UpdateEvent) bool { return mayBeHeldUp(e.ObjectOld) || mayBeHeldUp(e.ObjectNew) },
		DeleteFunc: func(e event.DeleteEvent) bool { return mayBeHeldUp(e.Object) },
	}
}

// metadataOf is an object of which no more than the metadata is watched.
func metadataOf(kind string) client.Object {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	return o
}

// lingers is whether an object is deleted and something must happen before it
// goes.
func lingers(o client.Object) bool {
	_, isPod := o.(*corev1.Pod)
	return o.GetDeletionTimestamp() != nil && (len(o.GetFinalizers()) > 0 || !isPod)
}

// mayBeHeldUp is whether a pod's status is one that people ask about.
func mayBeHeldUp(o client.Object) bool {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return false
	}
	if pod.Status.Phase == corev1.PodFailed || lingers(pod) {
		return true
	}
	if pod.Spec.NodeName == "" {
		c := podCondition(pod, corev1.PodScheduled)
		return c != nil && c.Status == corev1.ConditionFalse
	}
	return slices.ContainsFunc(containersOf(pod), func(c container) bool {
		w := c.status.State.Waiting
		return w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing"
	})
}

// news lets through warnings when they are recorded; that one is too old to be
// kept is none.
func news() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return isNews(e.Object) },
		UpdateFunc: func(e event.UpdateEvent) bool { return isNews(e.ObjectNew) },
		DeleteFunc: func(event.DeleteEvent) bool { return false },
	}
}

// isNews is whether an event is one that somebody else recorded about something
// that can be explained.
func isNews(o client.Object) bool {
	e, ok := o.(*corev1.Event)
	return ok && e.Source.Component != component && e.InvolvedObject.Name != "" && e.InvolvedObject.Kind != "Node"
}

func podSubject(o client.Object) subject {
	return subject{corev1.SchemeGroupVersion.WithKind("Pod"), client.ObjectKeyFromObject(o)}
}

func eventSubject(o client.Object) subject {
	about := o.(*corev1.Event).InvolvedObject
	return subject{
		schema.FromAPIVersionAndKind(about.APIVersion, about.Kind),
		client.ObjectKey{Namespace: about.Namespace, Name: about.Name},
	}
}

func enqueue(of func(client.Object) subject) handler.TypedEventHandler[client.Object, subject] {
	type queue = workqueue.TypedRateLimitingInterface[subject]
	return handler.TypedFuncs[client.Object, subject]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[client.Object], q queue) { q.Add(of(e.Object)) },
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[client.Object], q queue) { q.Add(of(e.ObjectNew)) },
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[client.Object], q queue) { q.Add(of(e.Object)) },
	}
}

// A splitReader reads pods and nodes from the cache, which has them anyway, and
// all else from the API server: to read an object once is no reason to watch
// all of its kind.
type splitReader struct {
	cached, direct client.Reader
}

func (s splitReader) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if _, ok := o.(*corev1.Pod); ok {
		return s.cached.Get(ctx, key, o, opts...)
	}
	return s.direct.Get(ctx, key, o, opts...)
}

func (s splitReader) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	switch list.(type) {
	case *corev1.PodList, *corev1.NodeList:
		return s.cached.List(ctx, list, opts...)
	}
	return s.direct.List(ctx, list, opts...)
}
