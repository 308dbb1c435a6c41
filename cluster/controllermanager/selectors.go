package controllermanager

import (
	"sync"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// A label is what a selector asks a pod for.
type label struct{ key, value string }

// selectors are what the services of each namespace select, so that those of a
// pod are found without looking at all. The zero value is ready.
type selectors struct {
	mu         sync.RWMutex
	namespaces map[string]*shelf
}

// A shelf holds the services of a namespace, each under one label of its
// selector: what selects a pod lies under one of the pod's labels.
type shelf struct {
	under map[label]map[string]labels.Set // name of the service, its selector
	place map[string]label
}

// anyLabel is where a selector lies that asks for nothing: it selects all pods.
var anyLabel label

// put says what a service selects; none if the selector is nil, as with upstream.
func (s *selectors) put(service types.NamespacedName, selector map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(service)
	if selector == nil {
		return
	}
	if s.namespaces == nil {
		s.namespaces = map[string]*shelf{}
	}
	in := s.namespaces[service.Namespace]
	if in == nil {
		in = &shelf{under: map[label]map[string]labels.Set{}, place: map[string]label{}}
		s.namespaces[service.Namespace] = in
	}
	in.put(service.Name, selector)
}

// put lays a selector where the fewest lie, so that labels which all services
// ask for do not gather them.
func (in *shelf) put(name string, selector labels.Set) {
	place, least := anyLabel, -1
	for k, v := range selector {
		if n := len(in.under[label{k, v}]); least < 0 || n < least {
			place, least = label{k, v}, n
		}
	}
	if in.under[place] == nil {
		in.under[place] = map[string]labels.Set{}
	}
	in.under[place][name] = selector
	in.place[name] = place
}

// drop forgets a service.
func (s *selectors) drop(service types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(service)
}

func (s *selectors) remove(service types.NamespacedName) {
	in := s.namespaces[service.Namespace]
	if in == nil {
		return
	}
	place, there := in.place[service.Name]
	if !there {
		return
	}
	delete(in.place, service.Name)
	if delete(in.under[place], service.Name); len(in.under[place]) == 0 {
		delete(in.under, place)
	}
	if len(in.place) == 0 {
		delete(s.namespaces, service.Namespace)
	}
}

// of are the names of the services of a namespace that select pods with these labels.
func (s *selectors) of(namespace string, pod labels.Set) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	in := s.namespaces[namespace]
	if in == nil {
		return nil
	}
	var names []string
	look := func(l label) {
		for name, selector := range in.under[l] {
			if labels.ValidatedSetSelector(selector).Matches(pod) {
				names = append(names, name)
			}
		}
	}
	look(anyLabel)
	for k, v := range pod {
		look(label{k, v})
	}
	return names
}
