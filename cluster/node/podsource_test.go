package node

import (
	"context"
	"fmt"
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

// The first of many changes is handed over at once; those that come meanwhile are
// together, and nothing is handed over twice.
func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		pods, to := newNodePods(), make(chan update)
		go handOver(ctx, pods, to)
		var some []any
		for n := range 1000 {
			some = append(some, podAt(fmt.Sprint(n), "u", 1))
		}
		began := time.Now()
		if err := pods.Replace(some, ""); err != nil {
			t.Fatal(err)
		}
		if got := len((<-to).Pods); got != 1000 {
			t.Errorf("first came %d pods, want 1000", got)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the first pods waited %s, want no time", waited)
		}
		for n := range 100 {
			if err := pods.Add(podAt(fmt.Sprint("more-", n), "u", 2)); err != nil {
				t.Fatal(err)
			}
		}
		if got := len((<-to).Pods); got != 1100 {
			t.Errorf("then came %d pods, want 1100", got)
		}
		if waited := time.Since(began); waited != restAfter(1000) {
			t.Errorf("the last pods waited %s, want %s", waited, restAfter(1000))
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
