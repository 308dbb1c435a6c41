package job

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	training "github.com/weir-ml/weir/api/training/v1"
)

// ownerIndex finds pods and services by the uid of the job that owns them.
const ownerIndex = "weir.owner"

// Belongings are caches of the pods and services of jobs, and tell the
// controllers of those jobs what becomes of them. The pods are in the manager's,
// which others have filled anyway; of services it knows the metadata. All kinds
// of jobs share them: so of each pod only its own kind's controller hears.
type Belongings struct {
	pods, services cache.Cache

	mu     sync.RWMutex
	queues map[string][]queue // by the kind of the job

	hearing sync.Mutex
	heard   []toolscache.InformerSynced // once they are listened to, when the shelves below are there
	// What there is, by ownerIndex.
	podShelf, serviceShelf toolscache.Indexer
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
	b := &Belongings{pods: mgr.GetCache(), services: services, queues: map[string][]queue{}}
	return b, mgr.Add(services)
}

// podsOf are the pods that an object owns, and servicesOf the services. They are
// the cache's own, not to be changed, and there once a controller has waited for
// its source.
func (b *Belongings) podsOf(owner types.UID) ([]*corev1.Pod, error) {
	return ownedBy[*corev1.Pod](b.podShelf, owner)
}

func (b *Belongings) servicesOf(owner types.UID) ([]*metav1.PartialObjectMetadata, error) {
	return ownedBy[*metav1.PartialObjectMetadata](b.serviceShelf, owner)
}

// ownedBy looks on a shelf. A client of the cache does the same, and copies what it
// finds there, twice.
func ownedBy[T client.Object](shelf toolscache.Indexer, owner types.UID) ([]T, error) {
	found, err := shelf.ByIndex(ownerIndex, string(owner))
	if err != nil {
		return nil, err
	}
	all := make([]T, len(found))
	for i, o := range found {
		all[i] = o.(T)
	}
	return all, nil
}

// shelve has a cache find the objects of a kind by their owners.
func shelve(ctx context.Context, c cache.Cache, o client.Object) (toolscache.SharedIndexInformer, error) {
	i, err := c.GetInformer(ctx, o)
	if err != nil {
		return nil, err
	}
	informer, ok := i.(toolscache.SharedIndexInformer)
	if !ok {
		return nil, fmt.Errorf("its cache is a %T, which is of some namespaces only", i)
	}
	return informer, informer.AddIndexers(toolscache.Indexers{ownerIndex: func(o any) ([]string, error) { return ownerOf(o.(client.Object)), nil }})
}

// of is where the controller of a kind hears of what belongs to its jobs.
func (b *Belongings) of(kind string) *ofKind { return &ofKind{b, kind} }

// An ofKind is a source of events, as controllers start them.
type ofKind struct {
	all  *Belongings
	kind string
}

// Start has a queue told. What is there already is not: each of those jobs is
// looked at anyway.
func (s *ofKind) Start(_ context.Context, q queue) error {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.all.queues[s.kind] = append(s.all.queues[s.kind], q)
	return nil
}

// WaitForSync returns when the caches hold what there is.
func (s *ofKind) WaitForSync(ctx context.Context) error {
	heard, err := s.all.listen(ctx)
	if err != nil {
		return err
	}
	if !toolscache.WaitForCacheSync(ctx.Done(), heard...) {
		return fmt.Errorf("wait for what belongs to jobs of kind %s: %w", s.kind, context.Cause(ctx))
	}
	return nil
}

// listen listens to both caches, once.
func (b *Belongings) listen(ctx context.Context) ([]toolscache.InformerSynced, error) {
	b.hearing.Lock()
	defer b.hearing.Unlock()
	if b.heard != nil {
		return b.heard, nil
	}
	pods, err := shelve(ctx, b.pods, &corev1.Pod{})
	if err != nil {
		return nil, fmt.Errorf("watch pods of jobs: %w", err)
	}
	services, err := shelve(ctx, b.services, serviceMeta())
	if err != nil {
		return nil, fmt.Errorf("watch services of jobs: %w", err)
	}
	b.podShelf, b.serviceShelf = pods.GetIndexer(), services.GetIndexer()
	ofPods, err := pods.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(now any) { b.tell(ofNewPod(now, b.isAlone(now)), now) },
		UpdateFunc: func(before, now any) { b.tell(ofPod(before, now), before, now) },
		DeleteFunc: func(last any) { b.tell(0, last) },
	})
	if err != nil {
		return nil, fmt.Errorf("watch pods of jobs: %w", err)
	}
	ofServices, err := services.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, now any) { b.tell(overDetails, before, now) },
		DeleteFunc: func(last any) { b.tell(0, last) },
	})
	if err != nil {
		return nil, fmt.Errorf("watch services of jobs: %w", err)
	}
	b.heard = []toolscache.InformerSynced{ofPods.HasSynced, ofServices.HasSynced}
	return b.heard, nil
}

// isAlone is whether its owner has no other pod.
func (b *Belongings) isAlone(pod any) bool {
	for _, owner := range ownerOf(pod.(client.Object)) {
		all, err := b.podShelf.IndexKeys(ownerIndex, owner)
		return err != nil || len(all) <= 1
	}
	return false
}

// tell has the jobs looked at that own an object, or owned it before.
func (b *Belongings) tell(leeway leeway, versions ...any) {
	if leeway == noCause {
		return
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	var told reconcile.Request
	for _, v := range versions {
		if gone, ok := v.(toolscache.DeletedFinalStateUnknown); ok {
			v = gone.Obj
		}
		o, ok := v.(client.Object)
		if !ok {
			continue
		}
		kind, job := owningJob(o)
		if kind == "" || job == told {
			continue
		}
		told = job
		for _, q := range b.queues[kind] {
			leeway.add(q, job)
		}
	}
}

// ownerOf is the uid of the object's controller.
func ownerOf(o client.Object) []string {
	if c := metav1.GetControllerOfNoCopy(o); c != nil {
		return []string{string(c.UID)}
	}
	return nil
}

// Of services, only names and owners matter.
func serviceMeta() *metav1.PartialObjectMetadata {
	s := &metav1.PartialObjectMetadata{}
	s.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Service"))
	return s
}
