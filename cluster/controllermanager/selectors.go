package controllermanager

import (
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// selectors are what the services of each namespace select, so that those of a
// pod are found without looking at all. Each lies under one label of its selector:
// what selects a pod lies under one of the pod's labels. The zero value is ready.
type selectors struct{ shelf shelf }

// put says what a service selects; none if the selector is nil, as with upstream,
// or the service is gone.
func (s *selectors) put(service types.NamespacedName, selector labels.Set) {
	s.shelf.Lock()
	defer s.shelf.Unlock()
	s.shelf.put(service, nil)
	if selector == nil {
		return
	}
	// It lies where the fewest do, so that labels which all services ask for do not
	// gather them. One that asks for nothing selects all pods.
	fewest := place{namespace: service.Namespace}
	for k, v := range selector {
		p := place{service.Namespace, k, v}
		if fewest.key == "" || len(s.shelf.at[p]) < len(s.shelf.at[fewest]) {
			fewest = p
		}
	}
	s.shelf.put(service, selector, fewest)
}

// of are the names of the services of a namespace that select pods with these labels.
func (s *selectors) of(namespace string, pod labels.Set) []string {
	s.shelf.RLock()
	defer s.shelf.RUnlock()
	var names []string
	look := func(p place) {
		for name := range s.shelf.at[p] {
			selector := s.shelf.laid[types.NamespacedName{Namespace: namespace, Name: name}].labels
			if labels.ValidatedSetSelector(selector).Matches(pod) {
				names = append(names, name)
			}
		}
	}
	look(place{namespace: namespace})
	for k, v := range pod {
		look(place{namespace, k, v})
	}
	return names
}
