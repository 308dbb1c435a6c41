package node

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/kubelet"
)

// An update is as upstream's, which has no name outside its package.
type update struct{ Pods []*corev1.Pod }

// The first of many updates is passed on at once; of those that come meanwhile
// the last is, and none is lost at the end.
func TestNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		to := make(chan update)
		from := newest(ctx, to)
		pods := func(n int) update { return update{make([]*corev1.Pod, n)} }
		began := time.Now()
		from <- pods(1000)
		if got := len((<-to).Pods); got != 1000 {
			t.Errorf("first came %d pods, want 1000", got)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the first update waited %s, want no time", waited)
		}
		for n := 1001; n <= 1100; n++ {
			from <- pods(n)
		}
		if got := len((<-to).Pods); got != 1100 {
			t.Errorf("then came %d pods, want 1100", got)
		}
		if waited := time.Since(began); waited != restAfter(1000) {
			t.Errorf("the last update waited %s, want %s", waited, restAfter(1000))
		}
		time.Sleep(time.Second) // on this test's own clock
		synctest.Wait()
		select {
		case u := <-to:
			t.Errorf("%d pods came twice", len(u.Pods))
		default:
		}
	})
}

// Upstream's field is where it is looked for: a Kubernetes that moves it fails here.
func TestNodeSynced(t *testing.T) {
	k := &kubelet.Kubelet{}
	f, err := field(reflect.ValueOf(k), "nodeHasSynced")
	if err != nil {
		t.Fatal(err)
	}
	f.Set(reflect.ValueOf(cache.InformerSynced(func() bool { return true })))
	if synced, err := nodeSynced(reflect.ValueOf(k)); err != nil || !synced() {
		t.Errorf("whether the node is known was not found: %v", err)
	}
	if _, err := nodeSynced(reflect.ValueOf(&struct{ other int }{})); err == nil {
		t.Error("a kubelet that does not say whether the node is known was taken for one")
	}
}
