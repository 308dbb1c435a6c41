package controllermanager

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/controller-manager/pkg/clientbuilder"
	"k8s.io/kubernetes/pkg/controller/endpoint"
	"k8s.io/kubernetes/pkg/controller/endpointslice"
)

// What is found is what a look at all services finds, whatever came and went.
func TestSelectors(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	some := func(most int) map[string]string {
		set := map[string]string{}
		for range random.IntN(most + 1) {
			set[string(rune('a'+random.IntN(4)))] = string(rune('x' + random.IntN(3)))
		}
		return set
	}
	var s selectors
	all := map[types.NamespacedName]map[string]string{}
	for range 20_000 {
		service := types.NamespacedName{Namespace: fmt.Sprint(random.IntN(2)), Name: fmt.Sprint(random.IntN(30))}
		switch random.IntN(5) {
		case 0, 1:
			s.put(service, nil)
			delete(all, service)
		default:
			selector := some(3)
			s.put(service, selector)
			all[service] = selector
		}
		pod := some(5)
		var want []string
		for other, selector := range all {
			if other.Namespace == service.Namespace && labels.ValidatedSetSelector(selector).Matches(labels.Set(pod)) {
				want = append(want, other.Name)
			}
		}
		got := s.of(service.Namespace, pod)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("pod %v: services %v, want %v, of %v", pod, got, want, all)
		}
	}
	for service := range all {
		s.put(service, nil)
	}
	if len(s.shelf.at)+len(s.shelf.laid) != 0 {
		t.Errorf("of services that are gone there is left: %v, %v", s.shelf.at, s.shelf.laid)
	}
}

// Labels that all services of a job ask for do not gather them.
func TestSelectorsSpread(t *testing.T) {
	var s selectors
	const jobs, workers = 200, 3
	selector := func(job, worker int) map[string]string {
		return map[string]string{"operator": "tfjob", "job": fmt.Sprint(job), "type": "worker", "index": fmt.Sprint(worker)}
	}
	for job := range jobs {
		for worker := range workers {
			s.put(types.NamespacedName{Name: fmt.Sprintf("%d-%d", job, worker)}, selector(job, worker))
		}
	}
	looked := 0
	for k, v := range selector(7, 1) {
		looked += len(s.shelf.at[place{"", k, v}])
	}
	if looked > len(selector(7, 1))*workers {
		t.Errorf("a pod is compared with %d services of %d", looked, jobs*workers)
	}
}

// A lister lists what upstream's does, whatever came and went.
func TestListers(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	some := func(most int) labels.Set {
		set := labels.Set{}
		for range random.IntN(most + 1) {
			set[string(rune('a'+random.IntN(4)))] = string(rune('x' + random.IntN(3)))
		}
		return set
	}
	all := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	h := &hearing{}
	upstream := all.Core().V1().Pods()
	store, lister := upstream.Informer().GetIndexer(), h.pods(upstream).Lister()
	slicesOf, err := indexedSlices(all.Discovery().V1().EndpointSlices())
	if err != nil {
		t.Fatal(err)
	}
	kept := slicesOf.Informer().GetIndexer()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for step := range 10_000 {
		name, in := fmt.Sprint(random.IntN(30)), fmt.Sprint(random.IntN(2))
		meta := metav1.ObjectMeta{Namespace: in, Name: name, ResourceVersion: fmt.Sprint(step), Labels: some(4)}
		before, there, err := store.GetByKey(in + "/" + name)
		check(err)
		pod := &corev1.Pod{ObjectMeta: meta}
		slice := &discoveryv1.EndpointSlice{ObjectMeta: *meta.DeepCopy()}
		slice.Labels[discoveryv1.LabelServiceName] = fmt.Sprint(random.IntN(3))
		switch {
		case !there:
			check(store.Add(pod))
			check(kept.Add(slice))
			h.pod(nil, pod)
		case random.IntN(3) == 0:
			check(store.Delete(before))
			check(kept.Delete(slice))
			h.pod(cache.DeletedFinalStateUnknown{Key: in + "/" + name, Obj: before}, nil)
		default:
			check(store.Update(pod))
			check(kept.Update(slice))
			h.pod(before, pod)
		}

		selector := some(3).AsSelectorPreValidated()
		want, err := upstream.Lister().Pods(in).List(selector)
		check(err)
		got, err := lister.Pods(in).List(selector)
		check(err)
		if namesOf(got) != namesOf(want) {
			t.Fatalf("pods with %s: %s, want %s", selector, namesOf(got), namesOf(want))
		}
		selector = labels.Set{discoveryv1.LabelServiceName: fmt.Sprint(random.IntN(3)), "a": "x"}.AsSelectorPreValidated()
		wantSlices, err := all.Discovery().V1().EndpointSlices().Lister().EndpointSlices(in).List(selector)
		check(err)
		gotSlices, err := slicesOf.Lister().EndpointSlices(in).List(selector)
		check(err)
		if namesOf(gotSlices) != namesOf(wantSlices) {
			t.Fatalf("slices with %s: %s, want %s", selector, namesOf(gotSlices), namesOf(wantSlices))
		}
	}
	for _, o := range store.List() {
		h.pod(o, nil)
	}
	if len(h.byLabel.shelf.at)+len(h.byLabel.shelf.laid) != 0 {
		t.Errorf("of pods that are gone there is left: %v, %v", h.byLabel.shelf.at, h.byLabel.shelf.laid)
	}
}

// namesOf are those of objects, in order.
func namesOf[O metav1.Object](of []O) string {
	var all []string
	for _, o := range of {
		all = append(all, o.GetName())
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// The controllers' handlers of services are ours to call, and none of pods is called.
func TestControllersHear(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := fake.NewClientset()
	all := informers.NewSharedInformerFactory(client, 0)
	h := &hearing{}
	pods, services := h.pods(all.Core().V1().Pods()), h.services(all.Core().V1().Services())
	endpoint.NewEndpointController(ctx, pods, services, all.Core().V1().Endpoints(), client, 0)
	endpointslice.NewController(ctx, pods, services, all.Core().V1().Nodes(), all.Discovery().V1().EndpointSlices(), 100, client, 0)
	if len(h.handlers) != 2 {
		t.Fatalf("%d handlers of services were taken, want 2: upstream's controllers listen in another way", len(h.handlers))
	}

	var mu sync.Mutex
	heard := map[string]int{}
	count := func(o any) {
		mu.Lock()
		defer mu.Unlock()
		heard[o.(*corev1.Service).Name]++
	}
	h.handlers = []cache.ResourceEventHandler{cache.ResourceEventHandlerFuncs{UpdateFunc: func(_, now any) { count(now) }}}
	for name, selector := range map[string]map[string]string{"one": {"job": "1"}, "two": {"job": "2"}, "by-hand": nil} {
		h.know(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Spec: corev1.ServiceSpec{Selector: selector}})
	}
	pod := func(version, job, address string) *corev1.Pod {
		var addresses []corev1.PodIP
		if address != "" {
			addresses = []corev1.PodIP{{IP: address}}
		}
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", ResourceVersion: version, Labels: map[string]string{"job": job}},
			Status: corev1.PodStatus{PodIPs: addresses}}
	}
	h.pod(nil, pod("1", "1", ""))
	h.pod(pod("1", "1", ""), pod("2", "1", "10.0.0.1"))         // has an address
	h.pod(pod("2", "1", "10.0.0.1"), pod("2", "1", "10.0.0.1")) // no news
	h.pod(pod("2", "1", "10.0.0.1"), pod("3", "2", "10.0.0.1")) // is the other's now
	h.pod(pod("3", "2", "10.0.0.1"), nil)
	if heard["one"] != 3 || heard["two"] != 2 || heard["by-hand"] != 0 {
		t.Errorf("the controllers heard %v, want one: 3, two: 2", heard)
	}
}

// A controller that may not make its account yet may a moment later.
func TestAccountsThatComeLate(t *testing.T) {
	client := fake.NewClientset()
	tries := 0
	client.PrependReactor("get", "serviceaccounts", func(clienttesting.Action) (bool, runtime.Object, error) {
		if tries++; tries < 3 {
			return true, nil, apierrors.NewForbidden(corev1.Resource("serviceaccounts"), "it", nil)
		}
		return false, nil, nil
	})
	clients := clientbuilder.NewDynamicClientBuilder(&rest.Config{Host: "https://127.0.0.1:1"}, client.CoreV1(), metav1.NamespaceSystem)
	if _, err := clientFor(t.Context(), clients, "endpoint-controller"); err != nil || tries != 3 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	client.PrependReactor("get", "serviceaccounts", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(corev1.Resource("serviceaccounts"), "it", nil)
	})
	if _, err := clientFor(ended, clients, "endpoint-controller"); !apierrors.IsForbidden(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("when asked to end: %v", err)
	}
}

// Once the controllers are told that pods are there, all can be listed by label.
func TestSyncedIsHeard(t *testing.T) {
	client := fake.NewClientset()
	const many = 500
	for i := range many {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprint(i), Labels: map[string]string{"a": "x"}}}
		if err := client.Tracker().Add(pod); err != nil {
			t.Fatal(err)
		}
	}
	all := informers.NewSharedInformerFactory(client, 0)
	h := &hearing{}
	pods := h.pods(all.Core().V1().Pods())
	synced := pods.Informer().HasSynced
	if synced() {
		t.Error("synced before anybody listens")
	}
	if err := h.listen(all.Core().V1()); err != nil {
		t.Fatal(err)
	}
	all.Start(t.Context().Done())
	if !cache.WaitForCacheSync(t.Context().Done(), synced) {
		t.Fatal("does not sync")
	}
	if found, err := pods.Lister().Pods("ns").List(labels.Set{"a": "x"}.AsSelector()); err != nil || len(found) != many {
		t.Errorf("%d of %d pods are found: %v", len(found), many, err)
	}
}
