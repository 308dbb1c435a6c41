package job

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weir-ml/weir/platform/room"
)

// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch

// A Hall is where jobs wait whose pods are started together. It knows the room
// on all nodes, lets one job in at a time, and keeps the room for its pods until
// they are seen to have it. The controllers of all kinds share one.
type Hall struct {
	cache cache.Cache // of all nodes, and what counts of all pods; it is read once a job waits

	mu       sync.Mutex
	watching bool
	// entered are pods that were let in, and are not seen to be yet.
	entered map[types.UID]entry
	// waiting are jobs to look at again when there is more room.
	waiting map[types.UID]waiter
	bell    *time.Timer
}

type entry struct {
	pod  *corev1.Pod
	at   time.Time
	seen bool // in the cache, as it was before or as it is
}

type waiter struct {
	created time.Time
	again   func()
}

// An answer is what a job hears that asks to be let in: an order in which to
// start its pods, or why it has to wait.
type answer struct {
	order    []*corev1.Pod
	shortage string
}

const (
	// bellRings is how long after room was freed those who wait hear of it:
	// the pods of a job end together.
	bellRings = 200 * time.Millisecond
	// forgotten is when a pod that was let in, and is not seen to be, is none.
	forgotten = time.Minute
)

// NewHall makes a hall of the nodes that a manager's cluster has.
func NewHall(mgr ctrl.Manager) (*Hall, error) {
	c, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		ByObject: map[client.Object]cache.ByObject{&corev1.Pod{}: {Transform: roomOnly}},
	})
	if err != nil {
		return nil, fmt.Errorf("cache what room there is: %w", err)
	}
	h := &Hall{cache: c, entered: map[types.UID]entry{}, waiting: map[types.UID]waiter{}}
	return h, mgr.Add(c)
}

// roomOnly leaves of a pod what says where it is and how much room it takes.
func roomOnly(o any) (any, error) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return o, nil
	}
	pod.ManagedFields, pod.Annotations, pod.OwnerReferences = nil, nil, nil
	pod.Spec.Volumes = nil
	for _, all := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i, c := range all {
			all[i] = corev1.Container{Name: c.Name, Resources: c.Resources, RestartPolicy: c.RestartPolicy}
		}
	}
	pod.Status = corev1.PodStatus{Phase: pod.Status.Phase, ContainerStatuses: pod.Status.ContainerStatuses}
	return pod, nil
}

// ask lets a job in if so many of its pods find a place, those included that are
// made later. If not, again is called when there is more room.
func (h *Hall) ask(ctx context.Context, job client.Object, pods, later []*corev1.Pod, need int, now time.Time, again func()) (*answer, error) {
	if err := h.watch(ctx); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting[job.GetUID()] = waiter{job.GetCreationTimestamp().Time, again} // Before the room is read, so that nothing is missed.

	var nodes corev1.NodeList
	var all corev1.PodList
	for _, list := range []client.ObjectList{&nodes, &all} {
		if err := h.cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("read what room there is: %w", err)
		}
	}
	rooms := h.rooms(nodes.Items, all.Items, pods, now)
	asked := slices.Concat(pods, later)
	order, left := room.Place(rooms, asked)
	if len(asked)-len(left) < need {
		return &answer{shortage: shortage(rooms, asked, left, need)}, nil
	}
	order = slices.DeleteFunc(order, func(p *corev1.Pod) bool { return slices.Contains(later, p) })
	delete(h.waiting, job.GetUID())
	for _, p := range pods {
		h.entered[p.UID] = entry{pod: p, at: now}
	}
	return &answer{order: order}, nil
}

// rooms are what is free on the nodes, once all who were let in before have
// their place.
func (h *Hall) rooms(nodes []corev1.Node, all []corev1.Pod, asking []*corev1.Pod, now time.Time) []room.Room {
	mine := map[types.UID]bool{}
	for _, p := range asking {
		mine[p.UID] = true
	}
	present := map[types.UID]bool{}
	var coming []*corev1.Pod
	for i := range all {
		p := &all[i]
		present[p.UID] = true
		if p.Spec.NodeName == "" && !gated(p) && !room.Ended(p) && p.DeletionTimestamp == nil {
			coming = append(coming, p)
		}
		if e, entered := h.entered[p.UID]; entered && gated(p) {
			e.seen = true
			h.entered[p.UID] = e
		} else if entered {
			delete(h.entered, p.UID)
		}
	}
	for uid, e := range h.entered {
		if e.seen && !present[uid] || now.Sub(e.at) > forgotten {
			delete(h.entered, uid)
		} else if !mine[uid] {
			coming = append(coming, e.pod) // Its gate is being lifted.
		}
	}
	rooms := room.Of(nodes, all)
	room.Place(rooms, coming)
	return rooms
}

// shortage says how much is missing for pods to start, given the rooms as they
// are once all have a place that find one.
func shortage(rooms []room.Room, pods, left []*corev1.Pod, need int) string {
	placed := len(pods) - len(left)
	many := fmt.Sprintf("all %d", len(pods))
	if need < len(pods) {
		many = fmt.Sprintf("%d of its %d", need, len(pods))
		left = left[len(pods)-need:] // The smallest would be enough.
	}
	suited := false
	free, asked := corev1.ResourceList{}, corev1.ResourceList{}
	for i := range rooms {
		if !slices.ContainsFunc(left, rooms[i].Suits) {
			continue
		}
		suited = true
		add(free, rooms[i].Free)
	}
	for _, p := range left {
		add(asked, room.Asked(p))
	}
	head := fmt.Sprintf("starts when %s pods fit: there is room for %d", many, placed)
	if !suited {
		return head + "; no node takes such pods, for its taints or the pods' nodeSelector and affinity."
	}
	var missing []string
	for _, name := range room.Names(asked) {
		lack := asked[name]
		if f := free[name]; f.Sign() > 0 {
			lack.Sub(f)
		}
		if lack.Sign() > 0 {
			missing = append(missing, room.AmountOf(name, lack))
		}
	}
	if len(missing) == 0 {
		return head + ", since what is free is scattered over nodes that each have too little."
	}
	return fmt.Sprintf("%s; missing: %s.", head, strings.Join(missing, ", "))
}

func add(sum, list corev1.ResourceList) {
	for name, q := range list {
		total, there := sum[name]
		if !there {
			total = resource.Quantity{Format: q.Format}
		}
		if q.Sign() > 0 {
			total.Add(q)
		}
		sum[name] = total
	}
}

// watch has the bell rung whenever there is more room, from the first time that
// somebody waits.
func (h *Hall) watch(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watching {
		return nil
	}
	pods, err := h.cache.GetInformer(ctx, &corev1.Pod{})
	if err != nil {
		return fmt.Errorf("watch pods for the room they leave: %w", err)
	}
	nodes, err := h.cache.GetInformer(ctx, &corev1.Node{})
	if err != nil {
		return fmt.Errorf("watch nodes for their room: %w", err)
	}
	if _, err := pods.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, now any) { h.ring(leaves(before, now)) },
		DeleteFunc: func(any) { h.ring(true) },
	}); err != nil {
		return fmt.Errorf("watch pods for the room they leave: %w", err)
	}
	if _, err := nodes.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { h.ring(true) },
		UpdateFunc: func(before, now any) { h.ring(changes(before, now)) },
		DeleteFunc: func(any) { h.ring(true) },
	}); err != nil {
		return fmt.Errorf("watch nodes for their room: %w", err)
	}
	h.watching = true
	return nil
}

// leaves is whether a pod has just ended.
func leaves(before, now any) bool {
	b, _ := before.(*corev1.Pod)
	n, _ := now.(*corev1.Pod)
	return b != nil && n != nil && !room.Ended(b) && room.Ended(n)
}

// changes is whether a node takes other pods than before, or more.
func changes(before, now any) bool {
	b, _ := before.(*corev1.Node)
	n, _ := now.(*corev1.Node)
	return b == nil || n == nil || !equality.Semantic.DeepEqual(b.Spec, n.Spec) ||
		!equality.Semantic.DeepEqual(b.Labels, n.Labels) || !equality.Semantic.DeepEqual(b.Status.Allocatable, n.Status.Allocatable)
}

// ring tells all who wait, in a moment.
func (h *Hall) ring(really bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !really || h.bell != nil || len(h.waiting) == 0 {
		return
	}
	h.bell = time.AfterFunc(bellRings, func() {
		for _, w := range h.called() {
			w.again()
		}
	})
}

// called are those who wait, those that were created first before the others.
// Who has to wait on comes back by itself.
func (h *Hall) called() []waiter {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bell = nil
	var all []waiter
	for _, w := range h.waiting {
		all = append(all, w)
	}
	clear(h.waiting)
	slices.SortFunc(all, func(a, b waiter) int { return a.created.Compare(b.created) })
	return all
}
