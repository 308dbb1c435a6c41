package node

import (
	"context"
	"fmt"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/kubelet"
	"k8s.io/kubernetes/pkg/kubelet/config"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"
)

// A podSource is how the kubelet hears of its pods. At each change of one,
// upstream's hands it all, to be compared with all that it had: of a thousand
// pods that took more time than to start them. Here what is to be handed over
// waits for what comes after it, the longer the more pods there are.
type podSource struct {
	pods   *nodePods
	synced chan cache.InformerSynced // yields once: whether the node itself is known
}

func newPodSource() *podSource {
	return &podSource{newNodePods(), make(chan cache.InformerSynced, 1)}
}

// attach connects a kubelet; it is one of its options.
func (s *podSource) attach(k *kubelet.Kubelet) {
	synced, err := nodeSynced(reflect.ValueOf(k))
	if err != nil {
		klog.Background().Error(err, "Pods may start before the labels of the node are known")
		synced = func() bool { return true }
	}
	s.synced <- synced
	if err := writeStatuses(reflect.ValueOf(k), s.pods); err != nil {
		klog.Background().Error(err, "What has become of many pods at once will be known later")
	}
}

func nodeSynced(k reflect.Value) (cache.InformerSynced, error) {
	f, err := field(k, "nodeHasSynced")
	if err != nil {
		return nil, err
	}
	synced, ok := f.Interface().(cache.InformerSynced)
	if !ok {
		return nil, fmt.Errorf("field nodeHasSynced of the kubelet holds %T", f.Interface())
	}
	return synced, nil
}

// config is what the kubelet takes its pods from.
func (s *podSource) config(ctx context.Context, client kubernetes.Interface, d *kubelet.Dependencies, node string) *config.PodConfig {
	events := record.NewBroadcaster(record.WithContext(ctx))
	d.Recorder = events.NewRecorder(legacyscheme.Scheme, corev1.EventSource{Component: "kubelet", Host: node})
	events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: d.EventClient.Events("")})

	c := config.NewPodConfig(d.Recorder, d.PodStartupLatencyTracker)
	to := c.Channel(ctx, kubetypes.ApiserverSource)
	go handOver(ctx, s.pods, to)
	go s.watch(ctx, client, node)
	return c
}

// watch hears of the node's pods from the API server, once the node is known.
// Upstream looks only once a second whether it is.
func (s *podSource) watch(ctx context.Context, client kubernetes.Interface, node string) {
	select {
	case <-ctx.Done():
		return
	case synced := <-s.synced:
		cache.WaitForCacheSync(ctx.Done(), synced)
	}
	of := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "pods", corev1.NamespaceAll, fields.OneTermEqualSelector("spec.nodeName", node))
	cache.NewReflector(of, &corev1.Pod{}, s.pods, 0).RunWithContext(ctx)
}

// handOver passes on all pods when one has changed, and then rests: what changes
// meanwhile is handed over at once after. What it is handed over as is upstream's,
// which has no name outside its package.
func handOver[U ~struct{ Pods []*corev1.Pod }](ctx context.Context, pods *nodePods, to chan<- U) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-pods.changed:
		}
		all := pods.all()
		select {
		case <-ctx.Done():
			return
		case to <- U(struct{ Pods []*corev1.Pod }{all}):
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(restAfter(len(all))):
		}
	}
}

// restAfter is how long after so many pods were handed over they are not again.
// To compare them takes about a tenth of that.
func restAfter(pods int) time.Duration {
	const perPod, longest = 100 * time.Microsecond, 500 * time.Millisecond
	return min(time.Duration(pods)*perPod, longest)
}
