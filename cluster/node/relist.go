package node

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet"
)

// A Relister makes the kubelet look at a pod as soon as the runtime says that
// something changed, where it would otherwise look once a second.
//
// One look is not enough: a pod's worker goes from running to terminating to
// terminated, and each step waits for a status newer than the step itself. So
// the kubelet is asked again a few times, at growing distances.
//
// A Relister may be told of changes before the kubelet runs.
type Relister struct {
	mu      sync.Mutex
	request func(uid string)
	pending map[string]*time.Timer
	limit   *rate.Limiter
}

// afterChange are the waits between one look and the next.
var afterChange = []time.Duration{
	time.Millisecond, time.Millisecond, time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond, 5 * time.Millisecond,
	8 * time.Millisecond, 13 * time.Millisecond, 21 * time.Millisecond, 34 * time.Millisecond, 55 * time.Millisecond, 89 * time.Millisecond,
}

// NewRelister makes a Relister that asks for no kubelet's looks yet.
func NewRelister() *Relister {
	// The kubelet queues 200 requests and complains about more. What is over
	// the limit is asked for at the next step, or found at the kubelet's own look.
	return &Relister{pending: map[string]*time.Timer{}, limit: rate.NewLimiter(3000, 100)}
}

// attach connects a kubelet; it is one of its options.
func (r *Relister) attach(k *kubelet.Kubelet) {
	logger := klog.Background()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.request = func(uid string) { k.RequestPodRelist(logger, types.UID(uid)) }
}

// Changed says that something changed in the pod with this uid.
func (r *Relister) Changed(uid string) {
	r.look(uid)
	r.arm(uid, 0)
}

func (r *Relister) look(uid string) {
	r.mu.Lock()
	request := r.request
	r.mu.Unlock()
	if request != nil && r.limit.Allow() {
		request(uid)
	}
}

// arm sets the timer for look i after the last change, and takes the one of an
// earlier change away.
func (r *Relister) arm(uid string, i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.pending[uid]; t != nil {
		t.Stop()
		delete(r.pending, uid)
	}
	if i == len(afterChange) {
		return
	}
	r.pending[uid] = time.AfterFunc(afterChange[i], func() {
		r.look(uid)
		r.arm(uid, i+1)
	})
}
