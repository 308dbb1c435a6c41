package controllermanager

import (
	"fmt"
	"maps"
	"sync"

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
type podsByLabel struct {
	mu    sync.RWMutex
	names map[string]map[label]map[string]bool // of each namespace
	of    map[types.NamespacedName]labels.Set
}

// put says what labels a pod has by now; none if it is gone.
func (p *podsByLabel) put(pod types.NamespacedName, now labels.Set) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.of[pod]
	if maps.Equal(before, now) {
		return
	}
	if p.of == nil {
		p.of, p.names = map[types.NamespacedName]labels.Set{}, map[string]map[label]map[string]bool{}
	}
	in := p.names[pod.Namespace]
	if in == nil {
		in = map[label]map[string]bool{}
		p.names[pod.Namespace] = in
	}
	for k, v := range before {
		at := label{k, v}
		if delete(in[at], pod.Name); len(in[at]) == 0 {
			delete(in, at)
		}
	}
	for k, v := range now {
		at := label{k, v}
		if in[at] == nil {
			in[at] = map[string]bool{}
		}
		in[at][pod.Name] = true
	}
	if p.of[pod] = now; len(now) == 0 {
		delete(p.of, pod)
	}
	if len(in) == 0 {
		delete(p.names, pod.Namespace)
	}
}

// among are the names of pods among which all that a selector selects are: the
// fewest that have one label it asks for. It is false if it asks for no label
// to have one value.
func (p *podsByLabel) among(namespace string, selector labels.Selector) ([]string, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var least map[string]bool
	found := false
	asked, _ := selector.Requirements()
	for _, r := range asked {
		value, exact := selector.RequiresExactMatch(r.Key())
		if !exact {
			continue
		}
		if names := p.names[namespace][label{r.Key(), value}]; !found || len(names) < len(least) {
			least, found = names, true
		}
	}
	names := make([]string, 0, len(least))
	for name := range least {
		names = append(names, name)
	}
	return names, found
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
