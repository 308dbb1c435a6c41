package node

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/pkg/kubelet"
	"k8s.io/kubernetes/pkg/kubelet/status"
)

// Upstream's fields are where they are looked for: a Kubernetes that moves them
// fails here.
func TestStatusesAreWrittenOurWay(t *testing.T) {
	k := &kubelet.Kubelet{}
	f, err := field(reflect.ValueOf(k), "statusManager")
	if err != nil {
		t.Fatal(err)
	}
	f.Set(reflect.ValueOf(status.NewManager(fake.NewClientset(), nil, nil, nil)))
	if err := writeStatuses(reflect.ValueOf(k), newNodePods()); err != nil {
		t.Fatal(err)
	}
	client, err := field(f, "kubeClient")
	if err != nil {
		t.Fatal(err)
	}
	if _, ours := client.Interface().(statusClient); !ours {
		t.Errorf("statuses are written by %T, want ours", client.Interface())
	}
	if err := writeStatuses(reflect.ValueOf(&struct{ other int }{}), newNodePods()); err == nil {
		t.Error("a kubelet without a manager of statuses was taken for one")
	}
}

// A slowServer is an API server that answers each write when it is told to. It
// knows one pod more than the node does.
type slowServer struct {
	asked   chan string // method and pod of each request
	answers chan int    // the version that a pod has after a write, or 0 to refuse it
}

// statuses are the pods of a namespace as the kubelet's manager of statuses has
// them; the node knows the pods a and b at version 5.
func statuses(t *testing.T) (typedcorev1.PodInterface, slowServer) {
	t.Helper()
	api := slowServer{make(chan string, 100), make(chan int, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := path.Base(strings.TrimSuffix(r.URL.Path, "/status"))
		api.asked <- r.Method + " " + name
		version := 5
		if r.Method == http.MethodPatch {
			if version = <-api.answers; version == 0 {
				http.Error(w, "not today", http.StatusConflict)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		pod := podAt(name, "u", version)
		pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
		if err := json.NewEncoder(w).Encode(pod); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	upstream, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	pods := newNodePods()
	if err := errors.Join(pods.Add(podAt("a", "u", 5)), pods.Add(podAt("b", "u", 5))); err != nil {
		t.Fatal(err)
	}
	return statusClient{upstream, newStatusWrites(pods)}.CoreV1().Pods("ns"), api
}

// next are the next n things that the API server was asked for, in order of name.
func (s slowServer) next(t *testing.T, n int) []string {
	t.Helper()
	var all []string
	for range n {
		select {
		case one := <-s.asked:
			all = append(all, one)
		case <-time.After(10 * time.Second):
			t.Fatalf("the API server was asked for %v, want %d requests", all, n)
		}
	}
	slices.Sort(all)
	return all
}

func write(t *testing.T, pods typedcorev1.PodInterface, name string) {
	t.Helper()
	if _, err := pods.Patch(t.Context(), name, types.StrategicMergePatchType, []byte(`{}`), metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
}

// versionOf is a channel that yields the version of a pod once it can be read.
func versionOf(t *testing.T, pods typedcorev1.PodInterface, name string) <-chan string {
	t.Helper()
	version := make(chan string, 1)
	go func() {
		p, err := pods.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			p = &corev1.Pod{}
			t.Error(err)
		}
		version <- p.ResourceVersion
	}()
	return version
}

// The API server is not asked for a pod that is known, and is for another.
func TestKnownPodsAreNotAskedFor(t *testing.T) {
	pods, api := statuses(t)
	if v := <-versionOf(t, pods, "a"); v != "5" {
		t.Errorf("of a known pod version %s was said, want 5", v)
	}
	if v := <-versionOf(t, pods, "unknown"); v != "5" {
		t.Errorf("of a pod that is not known version %s was said, want the API server's, 5", v)
	}
	if got := api.next(t, 1); got[0] != "GET unknown" {
		t.Errorf("the API server was asked for %v, want only the pod that is not known", got)
	}
}

// Pods are written at the same time, each one once at a time; who reads a pod or
// deletes it waits until it is written.
func TestPodsAreWrittenTogether(t *testing.T) {
	pods, api := statuses(t)
	write(t, pods, "a")
	write(t, pods, "b")
	if got := api.next(t, 2); !slices.Equal(got, []string{"PATCH a", "PATCH b"}) {
		t.Fatalf("with nothing answered yet the API server was asked for %v, want both writes", got)
	}
	a, b := versionOf(t, pods, "a"), versionOf(t, pods, "b")
	deleted := make(chan error)
	go func() { deleted <- pods.Delete(t.Context(), "a", metav1.DeleteOptions{}) }()
	select {
	case v := <-a:
		t.Errorf("a pod that is being written was read at version %s", v)
	case v := <-b:
		t.Errorf("a pod that is being written was read at version %s", v)
	case err := <-deleted:
		t.Errorf("a pod that is being written was deleted: %v", err)
	case <-time.After(50 * time.Millisecond): // Nothing can be polled for that must not happen.
	}
	api.answers <- 7
	api.answers <- 7
	if got := []string{<-a, <-b}; !slices.Equal(got, []string{"7", "7"}) {
		t.Errorf("after they were written the pods are at %v, want 7", got)
	}
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	if got := api.next(t, 1); got[0] != "DELETE a" {
		t.Errorf("at last the API server was asked for %v, want the pod's deletion", got)
	}
}

// What was refused is not taken for written: the manager of statuses finds it
// different, and writes it again.
func TestRefusedWrite(t *testing.T) {
	pods, api := statuses(t)
	write(t, pods, "a")
	api.answers <- 0
	if v := <-versionOf(t, pods, "a"); v != "5" {
		t.Errorf("after a write was refused the pod is at version %s, want 5", v)
	}
	write(t, pods, "a")
	api.answers <- 7
	if v := <-versionOf(t, pods, "a"); v != "7" {
		t.Errorf("after it was written again the pod is at version %s, want 7", v)
	}
}
