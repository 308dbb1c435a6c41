package controllermanager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/controller-manager/pkg/clientbuilder"
	endpointsliceutil "k8s.io/endpointslice/util"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app/config"
	"k8s.io/kubernetes/cmd/kube-controller-manager/names"
	"k8s.io/kubernetes/pkg/controller/endpoint"
	"k8s.io/kubernetes/pkg/controller/endpointslice"
	"k8s.io/kubernetes/pkg/controller/endpointslicemirroring"
)

// Upstream's controllers of endpoints go through all services of a namespace at
// each change of a pod, to find those that select it. A training job brings a
// service with each pod, so of two thousand jobs that took a third of all that
// the cluster did. Here the services of a pod are looked up, and the controllers
// hear that these have changed. The pods and slices of a service, which they look
// for among all at each change of one, are looked up as well; so are the slices
// that mirror Endpoints, of which jobs have none.

// apart are the controllers that app.Run is told to leave out.
func apart() []string {
	return []string{"*", "-" + names.EndpointsController, "-" + names.EndpointSliceController, "-" + names.EndpointSliceMirroringController}
}

// runEndpoints runs the three until ctx ends. What they are made of is read by reader.
func runEndpoints(ctx context.Context, c *kcm.CompletedConfig, reader *rest.Config) error {
	clients := clientbuilder.NewDynamicClientBuilder(rest.AnonymousClientConfig(c.Kubeconfig), c.Client.CoreV1(), metav1.NamespaceSystem)
	forEndpoints, err := clientFor(ctx, clients, "endpoint-controller")
	if err != nil {
		return fmt.Errorf("run the controller of endpoints: %w", err)
	}
	forSlices, err := clientFor(ctx, clients, "endpointslice-controller")
	if err != nil {
		return fmt.Errorf("run the controller of endpoint slices: %w", err)
	}
	forMirrors, err := clientFor(ctx, clients, "endpointslicemirroring-controller")
	if err != nil {
		return fmt.Errorf("run the controller of endpoint slices that mirror: %w", err)
	}
	core, err := kubernetes.NewForConfig(reader)
	if err != nil {
		return fmt.Errorf("read what endpoints are made of: %w", err)
	}
	all := informers.NewSharedInformerFactoryWithOptions(core, 0, informers.WithTransform(trimmed))
	h := &hearing{}
	pods, services := h.pods(all.Core().V1().Pods()), h.services(all.Core().V1().Services())
	endpointSlices, err := indexedSlices(all.Discovery().V1().EndpointSlices())
	if err != nil {
		return fmt.Errorf("keep endpoint slices: %w", err)
	}
	of := &c.ComponentConfig
	ofEndpoints := endpoint.NewEndpointController(ctx, pods, services, all.Core().V1().Endpoints(),
		forEndpoints, of.EndpointController.EndpointUpdatesBatchPeriod.Duration)
	ofSlices := endpointslice.NewController(ctx, pods, services, all.Core().V1().Nodes(), endpointSlices,
		of.EndpointSliceController.MaxEndpointsPerSlice, forSlices, of.EndpointSliceController.EndpointUpdatesBatchPeriod.Duration)
	ofMirrors := endpointslicemirroring.NewController(ctx, all.Core().V1().Endpoints(), endpointSlices, all.Core().V1().Services(),
		of.EndpointSliceMirroringController.MirroringMaxEndpointsPerSubset, forMirrors, of.EndpointSliceMirroringController.MirroringEndpointUpdatesBatchPeriod.Duration)
	if err := h.listen(all.Core().V1()); err != nil {
		return fmt.Errorf("hear of pods and services: %w", err)
	}
	all.Start(ctx.Done())
	var run sync.WaitGroup
	run.Go(func() { ofEndpoints.Run(ctx, int(of.EndpointController.ConcurrentEndpointSyncs)) })
	run.Go(func() { ofSlices.Run(ctx, int(of.EndpointSliceController.ConcurrentServiceEndpointSyncs)) })
	run.Go(func() {
		ofMirrors.Run(ctx, int(of.EndpointSliceMirroringController.MirroringConcurrentServiceEndpointSyncs))
	})
	run.Wait()
	all.Shutdown()
	return nil
}

// clientFor is a client of a controller, by its own service account. Who may make
// that is known a moment after the API server answers, so it is tried for a while.
func clientFor(ctx context.Context, clients clientbuilder.ControllerClientBuilder, name string) (client kubernetes.Interface, err error) {
	const every, patience = 50 * time.Millisecond, time.Minute
	late := wait.PollUntilContextTimeout(ctx, every, patience, true, func(context.Context) (bool, error) {
		client, err = clients.Client(name)
		return err == nil, nil
	})
	if late != nil {
		return nil, errors.Join(err, late)
	}
	return client, nil
}

// trimmed leaves out of an object who wrote which of its fields.
func trimmed(o any) (any, error) {
	if m, err := meta.Accessor(o); err == nil {
		m.SetManagedFields(nil)
	}
	return o, nil
}

// A hearing stands between informers and the controllers of endpoints: of
// services they hear what the informer does, of pods that the services which
// select them have changed.
type hearing struct {
	selectors selectors
	byLabel   podsByLabel
	handlers  []cache.ResourceEventHandler // of services, one of each controller
	listens   []cache.InformerSynced       // whether what was there has been heard of
}

// synced is whether all that was there at first has been heard of. The informers
// have it a moment earlier, when a list of pods would be short.
func (h *hearing) synced() bool {
	return len(h.listens) > 0 && !slices.ContainsFunc(h.listens, func(heard cache.InformerSynced) bool { return !heard() })
}

// listen hears of pods and services from now on; the controllers exist by then.
//
// A service is found by its pods before the controllers hear of it. So a pod that
// comes in between is either found with the service, or its change leads to it.
func (h *hearing) listen(all coreinformers.Interface) error {
	services, err := all.Services().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) {
			h.know(o)
			for _, each := range h.handlers {
				each.OnAdd(o, false)
			}
		},
		UpdateFunc: func(before, now any) {
			h.know(now)
			for _, each := range h.handlers {
				each.OnUpdate(before, now)
			}
		},
		DeleteFunc: func(o any) {
			if key, err := cache.DeletionHandlingObjectToName(o); err == nil {
				h.selectors.put(types.NamespacedName(key), nil)
			}
			for _, each := range h.handlers {
				each.OnDelete(o)
			}
		},
	})
	if err != nil {
		return err
	}
	pods, err := all.Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { h.pod(nil, o) },
		UpdateFunc: h.pod,
		DeleteFunc: func(o any) { h.pod(o, nil) },
	})
	if err != nil {
		return err
	}
	h.listens = []cache.InformerSynced{services.HasSynced, pods.HasSynced}
	return nil
}

func (h *hearing) know(o any) {
	if s, ok := o.(*corev1.Service); ok {
		h.selectors.put(types.NamespacedName{Namespace: s.Namespace, Name: s.Name}, s.Spec.Selector)
	}
}

// pod tells the controllers of the services that a change of a pod is news for.
func (h *hearing) pod(before, now any) {
	if p, ok := now.(*corev1.Pod); ok {
		h.byLabel.put(types.NamespacedName{Namespace: p.Namespace, Name: p.Name}, p.Labels)
	} else if key, err := cache.DeletionHandlingObjectToName(before); err == nil {
		h.byLabel.put(types.NamespacedName(key), nil)
	}
	news := endpointsliceutil.GetPodUpdateProjectionKey(before, now)
	if news == nil {
		return
	}
	found := h.selectors.of(news.Namespace, news.Labels)
	if news.OldLabels != nil {
		found = append(found, h.selectors.of(news.Namespace, news.OldLabels)...)
	}
	for _, name := range found {
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: news.Namespace, Name: name}}
		for _, each := range h.handlers {
			each.OnUpdate(service, service)
		}
	}
}

// services is an informer whose handlers hear by way of h.
func (h *hearing) services(of coreinformers.ServiceInformer) coreinformers.ServiceInformer {
	return heardServices{of, heard{of.Informer(), h, func(each cache.ResourceEventHandler) { h.handlers = append(h.handlers, each) }}}
}

// pods is an informer whose handlers are not called: what they are for is done by h.
func (h *hearing) pods(of coreinformers.PodInformer) coreinformers.PodInformer {
	return heardPods{of, heard{of.Informer(), h, func(cache.ResourceEventHandler) {}}, &h.byLabel}
}

type heardServices struct {
	coreinformers.ServiceInformer
	heard heard
}

func (s heardServices) Informer() cache.SharedIndexInformer { return s.heard }

type heardPods struct {
	coreinformers.PodInformer
	heard   heard
	byLabel *podsByLabel
}

func (p heardPods) Informer() cache.SharedIndexInformer { return p.heard }

func (p heardPods) Lister() corelisters.PodLister {
	return podLister{p.PodInformer.Lister(), p.byLabel}
}

// heard is an informer that gives its handlers away, and has synced when by has
// heard of all.
type heard struct {
	cache.SharedIndexInformer
	by   *hearing
	take func(cache.ResourceEventHandler)
}

func (i heard) HasSynced() bool { return i.by.synced() }

// AddEventHandler gives the handler away. Upstream's controllers ask only the
// informer whether it has synced.
func (i heard) AddEventHandler(each cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.take(each)
	return i.SharedIndexInformer, nil
}
