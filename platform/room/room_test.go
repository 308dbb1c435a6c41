package room_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/weir-ml/weir/platform/room"
)

func TestOf(t *testing.T) {
	on := func(name, node string, phase corev1.PodPhase, cpu string) corev1.Pod {
		p := *podOf(name, cpu)
		p.Spec.NodeName, p.Status.Phase = node, phase
		return p
	}
	rooms := room.Of([]corev1.Node{nodeOf("weir", "4")}, []corev1.Pod{
		on("a", "weir", corev1.PodRunning, "1"),
		on("b", "weir", corev1.PodPending, "500m"),
		on("c", "weir", corev1.PodSucceeded, "2"), // has ended, and takes nothing
		on("d", "other", corev1.PodRunning, "2"),
	})
	if got, want := rooms[0].Free.Cpu().MilliValue(), int64(2500); got != want {
		t.Errorf("free: %dm cpu, want %dm", got, want)
	}
}

func TestPlace(t *testing.T) {
	tainted := nodeOf("gpu", "8", func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}}
	})
	cases := map[string]struct {
		why   string
		nodes []corev1.Node
		pods  []*corev1.Pod
		left  string
	}{
		"AllFit":       {"What fits has a place.", []corev1.Node{nodeOf("a", "4")}, []*corev1.Pod{podOf("x", "2"), podOf("y", "2")}, ""},
		"OneTooMany":   {"What does not has none.", []corev1.Node{nodeOf("a", "3")}, []*corev1.Pod{podOf("x", "2"), podOf("y", "2")}, "y"},
		"LargestFirst": {"Small pods do not take the place of a large one.", []corev1.Node{nodeOf("a", "4"), nodeOf("b", "4")}, []*corev1.Pod{podOf("x", "2"), podOf("y", "2"), podOf("z", "4")}, ""},
		"Scattered":    {"Room on two nodes is none for one pod.", []corev1.Node{nodeOf("a", "1"), nodeOf("b", "1")}, []*corev1.Pod{podOf("x", "2")}, "x"},
		"Taint":        {"A node may keep pods away.", []corev1.Node{tainted}, []*corev1.Pod{podOf("x", "1")}, "x"},
		"Toleration": {"Pods may bear that.", []corev1.Node{tainted}, []*corev1.Pod{podOf("x", "1", func(p *corev1.Pod) {
			p.Spec.Tolerations = []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}}
		})}, ""},
		"Cordoned": {"A node that is closed takes nothing.", []corev1.Node{nodeOf("a", "4", func(n *corev1.Node) { n.Spec.Unschedulable = true })}, []*corev1.Pod{podOf("x", "1")}, "x"},
		"Selector": {"A pod may choose.", []corev1.Node{nodeOf("a", "4")}, []*corev1.Pod{podOf("x", "1", func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} })}, "x"},
		"Unknown":  {"Of what a node does not have, it has none free.", []corev1.Node{nodeOf("a", "4")}, []*corev1.Pod{podOf("x", "1", gpus("1"))}, "x"},
		"Pods":     {"A node holds so many pods.", []corev1.Node{nodeOf("a", "4", func(n *corev1.Node) { n.Status.Allocatable["pods"] = resource.MustParse("1") })}, []*corev1.Pod{podOf("x", "0"), podOf("y", "0")}, "y"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, left := room.Place(room.Of(tc.nodes, nil), tc.pods)
			var names []string
			for _, p := range left {
				names = append(names, p.Name)
			}
			if diff := cmp.Diff(tc.left, strings.Join(names, " ")); diff != "" {
				t.Errorf("%s\nPlace() leaves: -want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

func nodeOf(name, cpu string, opts ...func(*corev1.Node)) corev1.Node {
	n := corev1.Node{Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{"cpu": resource.MustParse(cpu), "pods": resource.MustParse("110")}}}
	n.Name = name
	for _, o := range opts {
		o(&n)
	}
	return n
}

func podOf(name, cpu string, opts ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu)}},
	}}}}
	p.Name = name
	for _, o := range opts {
		o(p)
	}
	return p
}

func gpus(n string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources.Requests["nvidia.com/gpu"] = resource.MustParse(n)
	}
}
