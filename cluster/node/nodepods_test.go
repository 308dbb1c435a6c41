package node

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// podAt is a pod at a version of it.
func podAt(name, uid string, version int) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: name, UID: types.UID(uid), ResourceVersion: fmt.Sprint(version),
			Labels: map[string]string{"job": "one"}, Annotations: map[string]string{"by": "hand"},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}},
	}
}

// Of each pod the newest word counts, by whichever way it came.
func TestNewestWord(t *testing.T) {
	named := types.NamespacedName{Namespace: "ns", Name: "p"}
	cases := map[string]struct {
		told func(*nodePods) error
		want string // UID and version; empty if there is none
	}{
		"came":                        {func(*nodePods) error { return nil }, "u 5"},
		"changed":                     {func(n *nodePods) error { return n.Update(podAt("p", "u", 7)) }, "u 7"},
		"written":                     {func(n *nodePods) error { n.wrote(podAt("p", "u", 7)); return nil }, "u 7"},
		"an old word":                 {func(n *nodePods) error { return n.Update(podAt("p", "u", 4)) }, "u 5"},
		"an old list":                 {func(n *nodePods) error { return n.Replace([]any{podAt("p", "u", 4)}, "4") }, "u 5"},
		"another of the name":         {func(n *nodePods) error { return n.Update(podAt("p", "v", 7)) }, "v 7"},
		"written of one that is gone": {func(n *nodePods) error { n.wrote(podAt("p", "v", 7)); return nil }, "u 5"},
		"gone":                        {func(n *nodePods) error { return n.Delete(podAt("p", "u", 6)) }, ""},
		"gone from the list":          {func(n *nodePods) error { return n.Replace(nil, "9") }, ""},
		"gone, then written": {func(n *nodePods) error {
			err := n.Delete(podAt("p", "u", 6))
			n.wrote(podAt("p", "u", 7))
			return err
		}, ""},
	}
	for name, c := range cases {
		n := newNodePods()
		if err := errors.Join(n.Add(podAt("p", "u", 5)), c.told(n)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := ""
		if p := n.get(named); p != nil {
			got = fmt.Sprint(p.UID, " ", p.ResourceVersion)
		}
		if got != c.want {
			t.Errorf("%s: known is %q, want %q", name, got, c.want)
		}
	}
}

// What a pod has kept since it came is the same in memory, and what the kubelet
// writes into what it is handed is seen by nobody else.
func TestHandedPods(t *testing.T) {
	n := newNodePods()
	if err := n.Add(podAt("p", "u", 5)); err != nil {
		t.Fatal(err)
	}
	first := n.all()[0]
	if again := n.all()[0]; again != first {
		t.Error("a pod that has not changed was handed over as another")
	}
	first.Annotations["kubernetes.io/config.source"] = "api"
	first.Spec = corev1.PodSpec{}
	changed := podAt("p", "u", 6)
	changed.Status.Phase = corev1.PodRunning
	if err := n.Update(changed); err != nil {
		t.Fatal(err)
	}
	second := n.all()[0]
	if second == first || second.Status.Phase != corev1.PodRunning {
		t.Errorf("a pod that has changed was handed over as it was: %v", second.Status.Phase)
	}
	if known := n.get(types.NamespacedName{Namespace: "ns", Name: "p"}); len(known.Annotations) != 1 || len(known.Spec.Containers) != 1 {
		t.Errorf("what the kubelet wrote is known of the pod: %v, %v", known.Annotations, known.Spec)
	}
	if err := n.Update(podAt("p", "u", 7)); err != nil {
		t.Fatal(err)
	}
	third := n.all()[0]
	if !slices.Equal(addresses(second), addresses(third)) {
		t.Error("the parts of a pod that have not changed are kept twice, and will be compared each time")
	}
	other := podAt("p", "u", 8)
	other.Spec.Containers[0].Image = "new"
	if err := n.Update(other); err != nil {
		t.Fatal(err)
	}
	if got := n.all()[0].Spec.Containers[0].Image; got != "new" {
		t.Errorf("the pod's image is %q, want new", got)
	}
}

// addresses are where the parts of a pod lie that are compared.
func addresses(p *corev1.Pod) []uintptr {
	return []uintptr{reflect.ValueOf(p.Spec.Containers).Pointer(), reflect.ValueOf(p.Labels).Pointer()}
}
