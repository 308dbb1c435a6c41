package identity

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// watch fills the shelf, and keeps it so, until ctx ends.
func (s *Store) watch(ctx context.Context) {
	source := cache.NewFilteredListWatchFromClient(s.core.RESTClient(), "secrets", Namespace, func(o *metav1.ListOptions) {
		o.LabelSelector = kindLabel
	})
	cache.NewNamedReflector("identity", source, &corev1.Secret{}, watched{s.shelf}, 0).RunWithContext(ctx)
}

// watched is the shelf as the watch sees it.
type watched struct{ *shelf }

var _ cache.ReflectorStore = watched{}

// Add takes in a Secret that was made.
func (w watched) Add(o any) error { return w.Update(o) }

// Update takes in a Secret that was changed.
func (w watched) Update(o any) error {
	if secret, ok := o.(*corev1.Secret); ok {
		w.put(secret)
	}
	return nil
}

// Delete takes off a Secret that was removed.
func (w watched) Delete(o any) error {
	secret, ok := o.(*corev1.Secret)
	if !ok {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.entries[secret.Name]; e != nil && e.uid == secret.UID {
		w.drop(e)
	}
	delete(w.gone, secret.UID)
	return nil
}

// Replace takes in all that there is.
func (w watched) Replace(all []any, _ string) error {
	there := map[string]bool{}
	for _, o := range all {
		if secret, ok := o.(*corev1.Secret); ok && w.put(secret) != nil {
			there[secret.Name] = true
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, e := range w.entries {
		if !there[name] {
			w.drop(e)
		}
	}
	w.once.Do(func() { close(w.filled) })
	return nil
}

// Resync has nothing to do.
func (w watched) Resync() error { return nil }
