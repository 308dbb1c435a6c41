package node

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"
	"unsafe"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet"
	"k8s.io/kubernetes/pkg/kubelet/volumemanager"
	volumecache "k8s.io/kubernetes/pkg/kubelet/volumemanager/cache"
)

// Upstream's volume manager wakes ten times a second and goes through all pods of
// the node, also those that are over; a pod waits for it in steps of 300 ms. These
// are constants. A pod with a token volume takes a third of a second longer than
// it needs. Here it wakes a hundred times a second while somebody waits for it, and
// as upstream's at other times. All this is set by reflection, and
// volumewaits_test.go fails when upstream moves the fields.
const (
	volumeLoop    = 10 * time.Millisecond
	volumeRest    = 100 * time.Millisecond        // upstream's own
	volumeTimeout = 2*time.Minute + 3*time.Second // upstream's own
)

// shortenVolumeWaits is an option of the kubelet.
func shortenVolumeWaits(k *kubelet.Kubelet) {
	if err := shortenWaits(reflect.ValueOf(k)); err != nil {
		klog.Background().Error(err, "Volumes will take a third of a second longer to appear")
	}
}

func shortenWaits(k reflect.Value) error {
	manager, err := field(k, "volumeManager")
	if err != nil {
		return err
	}
	inner, ok := manager.Interface().(volumemanager.VolumeManager)
	if !ok {
		return fmt.Errorf("field volumeManager of the kubelet holds %T", manager.Interface())
	}
	waiting := newHurry()
	populator, err := quick(inner, "desiredStateOfWorldPopulator", "podManager")
	if err != nil {
		return err
	}
	pods, ok := populator.Interface().(populatorPods)
	if !ok {
		return fmt.Errorf("field podManager of the populator of volumes holds %T", populator.Interface())
	}
	reconciler, err := quick(inner, "reconciler", "desiredStateOfWorld")
	if err != nil {
		return err
	}
	desired, ok := reconciler.Interface().(volumecache.DesiredStateOfWorld)
	if !ok {
		return fmt.Errorf("field desiredStateOfWorld of the reconciler of volumes holds %T", reconciler.Interface())
	}
	populator.Set(reflect.ValueOf(restingPods{pods, waiting}))
	reconciler.Set(reflect.ValueOf(restingVolumes{desired, waiting}))
	manager.Set(reflect.ValueOf(impatient{inner, waiting}))
	return nil
}

// quick has a loop of the volume manager sleep for as long as it does at most when
// somebody waits, and gives the field by which it begins each round.
func quick(m volumemanager.VolumeManager, name, begins string) (reflect.Value, error) {
	loop, err := field(reflect.ValueOf(m), name)
	if err != nil {
		return reflect.Value{}, err
	}
	sleep, err := field(loop, "loopSleepDuration")
	if err != nil {
		return reflect.Value{}, err
	}
	sleep.Set(reflect.ValueOf(volumeLoop))
	return field(loop, begins)
}

// populatorPods are what volumes are wanted for.
type populatorPods interface {
	GetPodByUID(types.UID) (*corev1.Pod, bool)
	GetPods() []*corev1.Pod
}

// restingPods let a look at all of them wait until it is of use.
type restingPods struct {
	populatorPods
	until *hurry
}

func (p restingPods) GetPods() []*corev1.Pod {
	p.until.rest()
	return p.populatorPods.GetPods()
}

// restingVolumes let a look at what is to be mounted wait until it is of use.
type restingVolumes struct {
	volumecache.DesiredStateOfWorld
	until *hurry
}

func (v restingVolumes) GetVolumesToMount() []volumecache.VolumeToMount {
	v.until.rest()
	return v.DesiredStateOfWorld.GetVolumesToMount()
}

// field gives the private field of a struct behind any pointers, ready to be set.
func field(v reflect.Value, name string) (reflect.Value, error) {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	f := v.FieldByName(name)
	if !f.IsValid() {
		return reflect.Value{}, fmt.Errorf("no field %s in %s", name, v.Type())
	}
	return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem(), nil
}

// impatient waits for volumes in steps of 10 ms: upstream looks at once, and
// then not again for 300 ms, so each step is a first look.
type impatient struct {
	volumemanager.VolumeManager
	waiting *hurry
}

func (m impatient) WaitForAttachAndMount(ctx context.Context, pod *corev1.Pod) error {
	return m.wait(ctx, pod, m.VolumeManager.WaitForAttachAndMount)
}

func (m impatient) WaitForUnmount(ctx context.Context, pod *corev1.Pod) error {
	return m.wait(ctx, pod, m.VolumeManager.WaitForUnmount)
}

func (m impatient) wait(ctx context.Context, pod *corev1.Pod, upstream func(context.Context, *corev1.Pod) error) error {
	if pod == nil || len(pod.Spec.Volumes) == 0 {
		return upstream(ctx, pod)
	}
	ctx, cancel := context.WithTimeout(ctx, volumeTimeout)
	defer cancel()
	defer m.waiting.begin()()
	for {
		look, done := context.WithTimeout(ctx, volumeLoop)
		err := upstream(look, pod)
		done()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// A hurry is whether somebody waits.
type hurry struct {
	mu      sync.Mutex
	waiting int
	began   chan struct{} // closed while somebody waits
}

func newHurry() *hurry { return &hurry{began: make(chan struct{})} }

// begin says that somebody waits, and what it returns that it is over.
func (h *hurry) begin() (end func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting++; h.waiting == 1 {
		close(h.began)
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.waiting--; h.waiting == 0 {
			h.began = make(chan struct{})
		}
	}
}

// rest waits until somebody does, or for as long as a round may be put off.
func (h *hurry) rest() {
	h.mu.Lock()
	began := h.began
	h.mu.Unlock()
	select {
	case <-began:
	case <-time.After(volumeRest - volumeLoop):
	}
}
