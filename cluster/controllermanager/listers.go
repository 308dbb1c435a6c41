package controllermanager

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	discoveryinformers "k8s.io/client-go/informers/discovery/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

// podsByLabel are the names of the pods of each namespace by their labels, so
// that those which a service selects are found without looking at all. The zero
// value is ready.
type podsByLabel struct{ shelf shelf }

// put says what labels a pod has by now; none if it is gone.
func (p *podsByLabel) put(pod types.NamespacedName, now labels.Set) {
	p.shelf.Lock()
	defer p.shelf.Unlock()
	if maps.Equal(p.shelf.laid[pod].labels, now) {
		return
	}
	places := make([]place, 0, len(now))
	for k, v := range now {
		places = append(places, place{pod.Namespace, k, v})
	}
	p.shelf.put(pod, now, places...)
}

// among are the names of pods among which all that a selector selects are: the
// fewest that have one label it asks for. It is false if it asks for no label
// to have one value.
func (p *podsByLabel) among(namespace string, selector labels.Selector) ([]string, bool) {
	p.shelf.RLock()
	defer p.shelf.RUnlock()
	var fewest map[string]bool
	found := false
	asked, _ := selector.Requirements()
	for _, r := range asked {
		value, exact := selector.RequiresExactMatch(r.Key())
		if !exact {
			continue
		}
		if names := p.shelf.at[place{namespace, r.Key(), value}]; !found || len(names) < len(fewest) {
			fewest, found = names, true
		}
	}
	return slices.Collect(maps.Keys(fewest)), found
}

// A podLister lists pods as upstream's does, but looks at few.
type podLister struct {
	corelisters.PodLister
	by *podsByLabel
}

func (l podLister) Pods(namespace string) corelisters.PodNamespaceLister {
	return namespacePods{l.PodLister.Pods(namespace), l.by, namespace}
}

type namespacePods struct {
	corelisters.PodNamespaceLister
	by        *podsByLabel
	namespace string
}

func (l namespacePods) List(selector labels.Selector) ([]*corev1.Pod, error) {
	names, few := l.by.among(l.namespace, selector)
	if !few {
		return l.PodNamespaceLister.List(selector)
	}
	var pods []*corev1.Pod
	for _, name := range names {
		if pod, err := l.Get(name); err == nil && selector.Matches(labels.Set(pod.Labels)) { // It may have gone.
			pods = append(pods, pod)
		}
	}
	return pods, nil
}

// byService is an index of endpoint slices by the service they belong to.
const byService = "by-service"

// indexedSlices is an informer of endpoint slices whose lister looks at those of
// one service, if asked for no others.
func indexedSlices(of discoveryinformers.EndpointSliceInformer) (discoveryinformers.EndpointSliceInformer, error) {
	err := of.Informer().AddIndexers(cache.Indexers{byService: func(o any) ([]string, error) {
		s, ok := o.(*discoveryv1.EndpointSlice)
		if !ok {
			return nil, fmt.Errorf("%T is no endpoint slice", o)
		}
		return []string{s.Namespace + "/" + s.Labels[discoveryv1.LabelServiceName]}, nil
	}})
	return slicesInformer{of}, err
}

type slicesInformer struct {
	discoveryinformers.EndpointSliceInformer
}

func (i slicesInformer) Lister() discoverylisters.EndpointSliceLister {
	return sliceLister{i.EndpointSliceInformer.Lister(), i.Informer().GetIndexer()}
}

type sliceLister struct {
	discoverylisters.EndpointSliceLister
	indexer cache.Indexer
}

func (l sliceLister) EndpointSlices(namespace string) discoverylisters.EndpointSliceNamespaceLister {
	return namespaceSlices{l.EndpointSliceLister.EndpointSlices(namespace), l.indexer, namespace}
}

type namespaceSlices struct {
	discoverylisters.EndpointSliceNamespaceLister
	indexer   cache.Indexer
	namespace string
}

func (l namespaceSlices) List(selector labels.Selector) ([]*discoveryv1.EndpointSlice, error) {
	service, exact := selector.RequiresExactMatch(discoveryv1.LabelServiceName)
	if !exact {
		return l.EndpointSliceNamespaceLister.List(selector)
	}
	found, err := l.indexer.ByIndex(byService, l.namespace+"/"+service)
	if err != nil {
		return nil, fmt.Errorf("list the endpoint slices of service %s/%s: %w", l.namespace, service, err)
	}
	var all []*discoveryv1.EndpointSlice
	for _, o := range found {
		if s := o.(*discoveryv1.EndpointSlice); selector.Matches(labels.Set(s.Labels)) {
			all = append(all, s)
		}
	}
	return all, nil
}
