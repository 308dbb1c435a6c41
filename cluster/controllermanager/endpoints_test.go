package controllermanager

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
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
		case 0:
			s.drop(service)
			delete(all, service)
		case 1:
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
		s.drop(service)
	}
	if len(s.namespaces) != 0 {
		t.Errorf("of services that are gone there is left: %v", s.namespaces)
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
		looked += len(s.namespaces[""].under[label{k, v}])
	}
	if looked > 2*workers+4 {
		t.Errorf("a pod is compared with %d services of %d", looked, jobs*workers)
	}
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
