package node

import (
	"fmt"
	"maps"
	"reflect"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"
)

// nodePods are the pods of the node by the newest word of the API server: what it
// sent, and what it answered when a status was written. A reflector fills them.
type nodePods struct {
	changed chan struct{} // holds one if there is something to hand over

	mu   sync.Mutex
	pods map[types.NamespacedName]*nodePod
}

// A nodePod is a pod twice: as it came, and for the kubelet, which writes into the
// annotations of what it is handed, and into its fields.
type nodePod struct{ came, handed *corev1.Pod }

func newNodePods() *nodePods {
	return &nodePods{changed: make(chan struct{}, 1), pods: map[types.NamespacedName]*nodePod{}}
}

// get is a pod of its own for the caller, or nil if none has the name.
func (n *nodePods) get(name types.NamespacedName) *corev1.Pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.pods[name]; p != nil {
		return p.came.DeepCopy()
	}
	return nil
}

// wrote says what the API server made of a pod whose status was written, and gives
// it away. It is no news for the kubelet, nor is it kept if the pod has gone
// meanwhile.
func (n *nodePods) wrote(pod *corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.pods[nameOf(pod)]; p != nil && p.came.UID == pod.UID {
		n.put(pod)
	}
}

// all are the pods as the kubelet is handed them.
func (n *nodePods) all() []*corev1.Pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*corev1.Pod, 0, len(n.pods))
	for _, p := range n.pods {
		if p.handed == nil {
			own := *p.came
			own.Annotations = maps.Clone(p.came.Annotations)
			p.handed = &own
		}
		all = append(all, p.handed)
	}
	return all
}

// put keeps a pod unless a newer word of it is known, and is whether it did.
//
// What has not changed of it is shared with what was known before: the kubelet
// compares all pods whenever one changes, which is quick where both are the same.
func (n *nodePods) put(pod *corev1.Pod) bool {
	name := nameOf(pod)
	if p := n.pods[name]; p != nil && p.came.UID == pod.UID {
		if order, err := resourceversion.CompareResourceVersion(pod.ResourceVersion, p.came.ResourceVersion); err == nil && order <= 0 {
			return false
		}
		if reflect.DeepEqual(pod.Spec, p.came.Spec) {
			pod.Spec = p.came.Spec
		}
		if maps.Equal(pod.Labels, p.came.Labels) {
			pod.Labels = p.came.Labels
		}
	}
	n.pods[name] = &nodePod{came: pod}
	return true
}

func nameOf(pod *corev1.Pod) types.NamespacedName {
	return types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
}

// news has what there is handed over.
func (n *nodePods) news() {
	select {
	case n.changed <- struct{}{}:
	default: // It will be, with this.
	}
}

// Add is told by the reflector of a pod that came.
func (n *nodePods) Add(o any) error { return n.Update(o) }

// Update is told by the reflector of a pod that changed.
func (n *nodePods) Update(o any) error {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return fmt.Errorf("%T is no pod", o)
	}
	n.mu.Lock()
	kept := n.put(pod)
	n.mu.Unlock()
	if kept {
		n.news()
	}
	return nil
}

// Delete is told by the reflector of a pod that has gone.
func (n *nodePods) Delete(o any) error {
	key, err := cache.DeletionHandlingObjectToName(o)
	if err != nil {
		return fmt.Errorf("delete a pod: %w", err)
	}
	n.mu.Lock()
	delete(n.pods, types.NamespacedName(key))
	n.mu.Unlock()
	n.news()
	return nil
}

// Replace is told by the reflector of all pods that there are.
func (n *nodePods) Replace(all []any, _ string) error {
	there := make(map[types.NamespacedName]bool, len(all))
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, o := range all {
		pod, ok := o.(*corev1.Pod)
		if !ok {
			return fmt.Errorf("%T is no pod", o)
		}
		n.put(pod)
		there[nameOf(pod)] = true
	}
	maps.DeleteFunc(n.pods, func(name types.NamespacedName, _ *nodePod) bool { return !there[name] })
	n.news() // The kubelet waits for word even of none.
	return nil
}

// Resync is part of what a reflector fills; there is nothing to do.
func (*nodePods) Resync() error { return nil }
