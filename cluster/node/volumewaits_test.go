package node

import (
	"reflect"
	"testing"
	"time"
	"unsafe"

	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"
	"k8s.io/kubernetes/pkg/kubelet"
	"k8s.io/kubernetes/pkg/kubelet/volumemanager"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
	"k8s.io/kubernetes/pkg/volume/util/volumepathhandler"
)

// Upstream's fields are where they are looked for, and are of use: a Kubernetes
// that moves them fails here, and not by being slow.
func TestVolumeWaitsAreShortened(t *testing.T) {
	k := &kubelet.Kubelet{}
	setVolumeManager(t, k, volumemanager.NewVolumeManager(false, "weir", nil, nil, fake.NewClientset(), &volume.VolumePluginMgr{},
		newMounter(), hostutil.NewHostUtil(), t.TempDir(), record.NewFakeRecorder(1), volumepathhandler.NewBlockVolumePathHandler(), nil, time.Minute))

	if err := shortenWaits(reflect.ValueOf(k)); err != nil {
		t.Fatal(err)
	}
	manager, err := field(reflect.ValueOf(k), "volumeManager")
	if err != nil {
		t.Fatal(err)
	}
	outer, ok := manager.Interface().(impatient)
	if !ok {
		t.Fatalf("the kubelet waits with %T, want ours", manager.Interface())
	}
	for _, loop := range []string{"desiredStateOfWorldPopulator", "reconciler"} {
		l, err := field(reflect.ValueOf(outer.VolumeManager), loop)
		if err != nil {
			t.Fatal(err)
		}
		sleep, err := field(l, "loopSleepDuration")
		if err != nil {
			t.Fatal(err)
		}
		if got := sleep.Interface().(time.Duration); got != volumeLoop {
			t.Errorf("%s sleeps %s, want %s", loop, got, volumeLoop)
		}
	}
}

func TestFieldsThatAreGoneAreSaid(t *testing.T) {
	if err := shortenWaits(reflect.ValueOf(&struct{ other int }{})); err == nil {
		t.Error("a kubelet without a volume manager was taken for one")
	}
}

// setVolumeManager gives a kubelet its volume manager, as its constructor does.
func setVolumeManager(t *testing.T, k *kubelet.Kubelet, m volumemanager.VolumeManager) {
	t.Helper()
	f := reflect.ValueOf(k).Elem().FieldByName("volumeManager")
	if !f.IsValid() {
		t.Fatal("the kubelet has no field volumeManager any more")
	}
	reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem().Set(reflect.ValueOf(m))
}
