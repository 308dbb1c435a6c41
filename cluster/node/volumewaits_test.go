package node

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"
	"k8s.io/kubernetes/pkg/kubelet"
	kubeletpod "k8s.io/kubernetes/pkg/kubelet/pod"
	"k8s.io/kubernetes/pkg/kubelet/volumemanager"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
	"k8s.io/kubernetes/pkg/volume/util/volumepathhandler"
)

// Upstream's fields are where they are looked for, and are of use: a Kubernetes
// that moves them fails here, and not by being slow.
func TestVolumeWaitsAreShortened(t *testing.T) {
	k := &kubelet.Kubelet{}
	setVolumeManager(t, k, volumemanager.NewVolumeManager(false, "weir", kubeletpod.NewBasicPodManager(), nil, fake.NewClientset(), &volume.VolumePluginMgr{},
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
	for at, want := range map[[2]string]any{
		{"desiredStateOfWorldPopulator", "podManager"}: restingPods{},
		{"reconciler", "desiredStateOfWorld"}:          restingVolumes{},
	} {
		l, err := field(reflect.ValueOf(outer.VolumeManager), at[0])
		if err != nil {
			t.Fatal(err)
		}
		f, err := field(l, at[1])
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Elem().Type(); got != reflect.TypeOf(want) {
			t.Errorf("%s of %s is %s, want %T", at[1], at[0], got, want)
		}
	}
}

// The loops of the volume manager go round as often as upstream's, and at once
// when somebody waits for a volume.
func TestVolumeLoopsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHurry()
		rested := func() time.Duration {
			began := time.Now()
			h.rest()
			return time.Since(began)
		}
		if got := rested(); got != volumeRest-volumeLoop {
			t.Errorf("with nobody waiting a loop rested %s, want %s", got, volumeRest-volumeLoop)
		}
		one, other := h.begin(), h.begin()
		if got := rested(); got != 0 {
			t.Errorf("with two waiting a loop rested %s", got)
		}
		one()
		if got := rested(); got != 0 {
			t.Errorf("with one still waiting a loop rested %s", got)
		}
		other()
		go func() {
			time.Sleep(time.Millisecond) // on this test's own clock
			defer h.begin()()
		}()
		if got := rested(); got != time.Millisecond {
			t.Errorf("after somebody began to wait a loop rested %s, want 1ms", got)
		}
		if got := rested(); got != volumeRest-volumeLoop {
			t.Errorf("with nobody waiting any more a loop rested %s, want %s", got, volumeRest-volumeLoop)
		}
	})
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
