package node

import (
	"context"
	"fmt"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
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
	synced chan cache.InformerSynced // yields once: whether the node itself is known
}

func newPodSource() *podSource { return &podSource{make(chan cache.InformerSynced, 1)} }

// attach connects a kubelet; it is one of its options.
func (s *podSource) attach(k *kubelet.Kubelet) {
	synced, err := nodeSynced(reflect.ValueOf(k))
	if err != nil {
		klog.Background().Error(err, "Pods may start before the labels of the node are known")
		synced = func() bool { return true }
	}
	s.synced <- synced
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

// wait waits until the node is known. Upstream looks again after a second only.
func (s *podSource) wait(ctx context.Context) bool {
	select {
	case <-ctx.Done():
	case synced := <-s.synced:
		cache.WaitForCacheSync(ctx.Done(), synced)
	}
	return true
}

// config is what the kubelet takes its pods from.
func (s *podSource) config(ctx context.Context, client kubernetes.Interface, d *kubelet.Dependencies, node string) *config.PodConfig {
	events := record.NewBroadcaster(record.WithContext(ctx))
	d.Recorder = events.NewRecorder(legacyscheme.Scheme, corev1.EventSource{Component: "kubelet", Host: node})
	events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: d.EventClient.Events("")})

	c := config.NewPodConfig(d.Recorder, d.PodStartupLatencyTracker)
	config.NewSourceApiserver(klog.FromContext(ctx), client, types.NodeName(node), func() bool { return s.wait(ctx) },
		newest(ctx, c.Channel(ctx, kubetypes.ApiserverSource)))
	return c
}

// newest passes on what comes, and of what comes too fast the newest: each is all
// pods that there are.
func newest[U ~struct{ Pods []*corev1.Pod }](ctx context.Context, to chan<- U) chan<- U {
	from := make(chan U)
	go func() {
		var last U
		var waits bool // whether last is still to be passed on
		var open chan<- U
		var rested <-chan time.Time
		for {
			if open = nil; waits && rested == nil {
				open = to
			}
			select {
			case <-ctx.Done():
				return
			case last = <-from:
				waits = true
			case open <- last:
				waits = false
				rested = time.After(restAfter(len(struct{ Pods []*corev1.Pod }(last).Pods)))
			case <-rested:
				rested = nil
			}
		}
	}()
	return from
}

// restAfter is how long after so many pods were handed over they are not again.
// To compare them takes about a tenth of that.
func restAfter(pods int) time.Duration {
	const perPod, longest = 100 * time.Microsecond, 500 * time.Millisecond
	return min(time.Duration(pods)*perPod, longest)
}
