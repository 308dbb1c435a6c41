package node

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/klog/v2"
)

// The kubelet writes what has become of its pods one after the other, and asks the
// API server for each pod before it does. When hundreds begin or end at once, that
// is what they wait for. Here it is told what is known of the pod, which is as much
// as the kubelet itself acts by, and goes on to the next pod while one is written.
// What could not be written it finds different at its next look, as with upstream.

// writesAtOnce is how many pods are written at the same time.
const writesAtOnce = 16

// writeStatuses has a kubelet read and write the statuses of pods by way of those
// that are known.
func writeStatuses(k reflect.Value, pods *nodePods) error {
	manager, err := field(k, "statusManager")
	if err != nil {
		return err
	}
	client, err := field(manager, "kubeClient")
	if err != nil {
		return err
	}
	upstream, ok := client.Interface().(kubernetes.Interface)
	if !ok {
		return fmt.Errorf("field kubeClient of the kubelet's manager of statuses holds %T", client.Interface())
	}
	client.Set(reflect.ValueOf(statusClient{upstream, newStatusWrites(pods)}))
	return nil
}

// A statusClient is a client whose pods are read and written so. All else is as
// upstream's.
type statusClient struct {
	kubernetes.Interface
	writes *statusWrites
}

func (c statusClient) CoreV1() typedcorev1.CoreV1Interface {
	return statusCore{c.Interface.CoreV1(), c.writes}
}

type statusCore struct {
	typedcorev1.CoreV1Interface
	writes *statusWrites
}

func (c statusCore) Pods(namespace string) typedcorev1.PodInterface {
	return statusPods{c.CoreV1Interface.Pods(namespace), c.writes, namespace}
}

type statusPods struct {
	typedcorev1.PodInterface
	writes    *statusWrites
	namespace string
}

func (p statusPods) named(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: p.namespace, Name: name}
}

// Get is what is known of a pod, once what is being written of it is. Whether it is
// still there the API server says when its status is written, which names its UID.
func (p statusPods) Get(ctx context.Context, name string, o metav1.GetOptions) (*corev1.Pod, error) {
	p.writes.await(p.named(name))
	if pod := p.writes.pods.get(p.named(name)); pod != nil {
		return pod, nil
	}
	return p.PodInterface.Get(ctx, name, o)
}

// Patch begins to write a pod, and is what was known of it.
func (p statusPods) Patch(ctx context.Context, name string, t types.PatchType, data []byte, o metav1.PatchOptions, parts ...string) (*corev1.Pod, error) {
	known := p.writes.pods.get(p.named(name))
	if known == nil {
		return p.PodInterface.Patch(ctx, name, t, data, o, parts...)
	}
	p.writes.begin(p.named(name), func() (*corev1.Pod, error) {
		return p.PodInterface.Patch(ctx, name, t, data, o, parts...)
	})
	return known, nil
}

// Delete removes a pod, once what is being written of it is.
func (p statusPods) Delete(ctx context.Context, name string, o metav1.DeleteOptions) error {
	p.writes.await(p.named(name))
	return p.PodInterface.Delete(ctx, name, o)
}

// statusWrites are the writes that have begun: of each pod one at a time.
type statusWrites struct {
	pods  *nodePods
	slots chan struct{}

	mu   sync.Mutex
	over map[types.NamespacedName]chan struct{} // closed when the pod is written
}

func newStatusWrites(pods *nodePods) *statusWrites {
	return &statusWrites{pods: pods, slots: make(chan struct{}, writesAtOnce), over: map[types.NamespacedName]chan struct{}{}}
}

// await waits until nothing is being written of a pod.
func (w *statusWrites) await(pod types.NamespacedName) {
	w.mu.Lock()
	over := w.over[pod]
	w.mu.Unlock()
	if over != nil {
		<-over
	}
}

// begin begins to write a pod, once there is room and its last write is over. The
// kubelet's manager of statuses is the only one that calls it.
func (w *statusWrites) begin(pod types.NamespacedName, write func() (*corev1.Pod, error)) {
	w.await(pod)
	w.slots <- struct{}{}
	over := make(chan struct{})
	w.mu.Lock()
	w.over[pod] = over
	w.mu.Unlock()
	go func() {
		defer func() { <-w.slots }()
		written, err := write()
		switch {
		case err == nil:
			w.pods.wrote(written)
		case !apierrors.IsNotFound(err): // It may be gone.
			klog.Background().Error(err, "Failed to update status for pod", "pod", pod)
		}
		w.mu.Lock()
		delete(w.over, pod)
		w.mu.Unlock()
		close(over)
	}()
}
