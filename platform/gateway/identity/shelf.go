package identity

import (
	"context"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

// An entry is a record that stands on the shelf.
type entry struct {
	name   string
	uid    types.UID
	age    uint64 // grows with each change
	record record
	held   context.Context // ends when the record no longer holds as it was
	end    context.CancelFunc
}

// A shelf holds what the watch has seen. What this process writes or removes is
// on it, or off it, at once.
type shelf struct {
	ctx     context.Context // of all that it holds
	mu      sync.RWMutex
	entries map[string]*entry
	// gone was removed by this process, and the watch has not told of it yet.
	gone   map[types.UID]bool
	filled chan struct{} // closed when all that there is has been read
	once   sync.Once
}

func newShelf(ctx context.Context) *shelf {
	return &shelf{ctx: ctx, entries: map[string]*entry{}, gone: map[types.UID]bool{}, filled: make(chan struct{})}
}

// get is the entry of that kind and name, or nil.
func (s *shelf) get(k kind, name string) *entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.entries[name]; e != nil && e.record.Kind == k {
		return e
	}
	return nil
}

// all are the entries of a kind that are wanted.
func (s *shelf) all(k kind, wanted func(*record) bool) []*entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []*entry
	for _, e := range s.entries {
		if e.record.Kind == k && wanted(&e.record) {
			all = append(all, e)
		}
	}
	return all
}

// expired names at most n entries that are over.
func (s *shelf) expired(now time.Time, n int) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var names []string
	for name, e := range s.entries {
		if len(names) < n && !e.record.Expires.IsZero() && now.After(e.record.Expires) {
			names = append(names, name)
		}
	}
	return names
}

// put takes in what was read or written. It returns nil for what holds no
// record, or is gone.
func (s *shelf) put(secret *corev1.Secret) *entry {
	r, err := recordOf(secret)
	if err != nil {
		klog.ErrorS(err, "A secret of weir's says nothing and lets nobody in")
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(secret, r)
}

func (s *shelf) add(secret *corev1.Secret, r record) *entry {
	if s.gone[secret.UID] {
		return nil
	}
	e := &entry{name: secret.Name, uid: secret.UID, record: r}
	e.age, _ = strconv.ParseUint(secret.ResourceVersion, 10, 64) // Kubernetes says that it is a number.
	before := s.entries[e.name]
	if before != nil && before.uid == e.uid && before.age >= e.age {
		return before // The watch tells of what this process has written.
	}
	if before != nil && before.uid == e.uid && r.Kind != user {
		e.held, e.end = before.held, before.end
	} else {
		e.held, e.end = context.WithCancel(s.ctx)
	}
	s.entries[e.name] = e
	if r.Kind == user && before != nil {
		s.interrupt(r.User)
	}
	return e
}

// forget takes off what this process has removed.
func (s *shelf) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[name]; e != nil {
		s.gone[e.uid] = true
		s.drop(e)
	}
}

func (s *shelf) drop(e *entry) {
	delete(s.entries, e.name)
	e.end()
	if e.record.Kind == user {
		s.interrupt(e.record.User)
	}
}

// interrupt ends what a user has going on, since it has begun with rights that
// may no longer be theirs. It may be begun anew.
func (s *shelf) interrupt(name string) {
	for _, e := range s.entries {
		if e.record.User == name && e.record.Kind != user {
			e.end()
			again := *e
			again.held, again.end = context.WithCancel(s.ctx)
			s.entries[e.name] = &again
		}
	}
}
