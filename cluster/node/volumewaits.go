package node

import (
	"context"
	"fmt"
	"reflect"
	"time"
	"unsafe"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet"
	"k8s.io/kubernetes/pkg/kubelet/volumemanager"
)

// Upstream's volume manager wakes ten times a second, and a pod waits for it in
// steps of 300 ms; both are constants. A pod with a token volume takes a third
// of a second longer than it needs. The waits are shortened here by reflection,
// and volumewaits_test.go fails when upstream moves the fields.
const (
	volumeLoop    = 10 * time.Millisecond
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
	for _, name := range []string{"desiredStateOfWorldPopulator", "reconciler"} {
		loop, err := field(reflect.ValueOf(inner), name)
		if err != nil {
			return err
		}
		sleep, err := field(loop, "loopSleepDuration")
		if err != nil {
			return err
		}
		sleep.Set(reflect.ValueOf(volumeLoop))
	}
	manager.Set(reflect.ValueOf(impatient{inner}))
	return nil
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
type impatient struct{ volumemanager.VolumeManager }

func (m impatient) WaitForAttachAndMount(ctx context.Context, pod *corev1.Pod) error {
	ctx, cancel := context.WithTimeout(ctx, volumeTimeout)
	defer cancel()
	for {
		look, done := context.WithTimeout(ctx, volumeLoop)
		err := m.VolumeManager.WaitForAttachAndMount(look, pod)
		done()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}
