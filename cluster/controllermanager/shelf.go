package controllermanager

import (
	"sync"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// A place is where in a namespace lies what has to do with a label. The one without
// a key is for what has to do with none.
type place struct{ namespace, key, value string }

// A shelf has objects lie at places, so that those at one are found without looking
// at all. Who looks or puts locks it. The zero value is ready.
type shelf struct {
	sync.RWMutex

	at   map[place]map[string]bool // names of objects
	laid map[types.NamespacedName]lying
}

type lying struct {
	labels labels.Set // that the object has, or asks for
	places []place
}

// put has an object lie at these places and nowhere else; if there are none it is
// forgotten.
func (s *shelf) put(object types.NamespacedName, set labels.Set, places ...place) {
	for _, p := range s.laid[object].places {
		if delete(s.at[p], object.Name); len(s.at[p]) == 0 {
			delete(s.at, p)
		}
	}
	delete(s.laid, object)
	if len(places) == 0 {
		return
	}
	if s.at == nil {
		s.at, s.laid = map[place]map[string]bool{}, map[types.NamespacedName]lying{}
	}
	for _, p := range places {
		if s.at[p] == nil {
			s.at[p] = map[string]bool{}
		}
		s.at[p][object.Name] = true
	}
	s.laid[object] = lying{set, places}
}
