package scheduler_test

import (
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/weir-ml/weir/cluster/clustertest"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// A node is full. Pods that matter as much as the one there wait, in upstream's
// words; one that matters more takes its place.
func TestPreemption(t *testing.T) {
	core, err := kubernetes.NewForConfig(clustertest.REST(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, now := t.Context(), metav1.CreateOptions{}
	for _, c := range []schedulingv1.PriorityClass{
		{ObjectMeta: metav1.ObjectMeta{Name: "high"}, Value: 1000},
		{ObjectMeta: metav1.ObjectMeta{Name: "polite"}, Value: 1000, PreemptionPolicy: new(corev1.PreemptNever)},
	} {
		if _, err := core.SchedulingV1().PriorityClasses().Create(ctx, &c, now); err != nil {
			t.Fatal(err)
		}
	}
	room := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi"), corev1.ResourcePods: resource.MustParse("1")}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "small"}, Status: corev1.NodeStatus{Capacity: room, Allocatable: room}}
	if _, err := core.CoreV1().Nodes().Create(ctx, node, now); err != nil {
		t.Fatal(err)
	}
	clustertest.Until(t, "the namespace's service account", func() bool {
		_, err := core.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
	pod := func(name string) *corev1.Pod {
		p, err := core.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	create := func(name, class string, selector map[string]string) {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{
			PriorityClassName: class, NodeSelector: selector,
			Containers:  []corev1.Container{{Name: "main", Image: "x"}},
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}}, // Nobody says that the node is ready.
		}}
		if _, err := core.CoreV1().Pods("default").Create(ctx, p, now); err != nil {
			t.Fatal(err)
		}
	}

	create("there", "", nil)
	clustertest.Until(t, "the first pod has its place", func() bool { return pod("there").Spec.NodeName == "small" })
	for name, tc := range map[string]struct {
		why, class string
		selector   map[string]string
		says       string
	}{
		"equal": {
			why:  "Nobody gives way to a pod that matters as much.",
			says: "0/1 nodes are available: 1 Too many pods. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
		},
		"polite": {
			why: "It matters more, and waits all the same.", class: "polite",
			says: "0/1 nodes are available: 1 Too many pods. preemption: not eligible due to preemptionPolicy=Never.",
		},
		"elsewhere": {
			why: "The node would not do, were it empty.", class: "high", selector: map[string]string{"there": "is-none"},
			says: "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
		},
	} {
		create(name, tc.class, tc.selector)
		var said string
		clustertest.Until(t, name+" is told why it waits", func() bool {
			for _, c := range pod(name).Status.Conditions {
				if c.Type == corev1.PodScheduled {
					said = c.Message
				}
			}
			return said != ""
		})
		if said != tc.says {
			t.Errorf("%s %s says\n%s, want\n%s", tc.why, name, said, tc.says)
		}
	}
	if p := pod("there"); p.DeletionTimestamp != nil {
		t.Error("the first pod had to go for one that does not matter more")
	}
	create("high", "high", nil)
	clustertest.Until(t, "the first pod gives way to one that matters more", func() bool {
		return pod("there").DeletionTimestamp != nil && pod("high").Status.NominatedNodeName == "small"
	})
}
