package stage

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Node makes a node of which only the API server knows, for the pods that are
// meant for it: see On.
func (s *Stage) Node(name, cpu string) {
	s.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	n.Spec.Taints = []corev1.Taint{{Key: "only-for", Value: name, Effect: corev1.TaintEffectNoSchedule}} // not for other tests' pods
	if err := s.Client.Create(s.Context(), n); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = s.Client.Delete(context.WithoutCancel(s.Context()), n) })
	before := n.DeepCopy()
	plenty := resource.MustParse("1Ti")
	n.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourcePods: resource.MustParse("110"), corev1.ResourceMemory: plenty, corev1.ResourceEphemeralStorage: plenty,
	}
	n.Status.Capacity = n.Status.Allocatable
	if err := s.Client.Status().Patch(s.Context(), n, client.MergeFrom(before)); err != nil {
		s.Fatal(err)
	}
	s.Beat(name)
}

// Beat says that a node lives.
func (s *Stage) Beat(name string) {
	s.Helper()
	n := &corev1.Node{}
	if err := s.Client.Get(s.Context(), client.ObjectKey{Name: name}, n); err != nil {
		s.Fatal(err)
	}
	if c := n.Status.Conditions; len(c) > 0 && time.Since(c[0].LastHeartbeatTime.Time) < 5*time.Second {
		return
	}
	before := n.DeepCopy()
	n.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "Beats", LastHeartbeatTime: metav1.Now(), LastTransitionTime: n.CreationTimestamp,
	}}
	if err := s.Client.Status().Patch(s.Context(), n, client.MergeFrom(before)); err != nil {
		s.Fatal(err)
	}
}

// On has a pod ask for cpu on such a node.
func On(node, cpu string, pod *corev1.PodSpec) {
	pod.NodeSelector = map[string]string{corev1.LabelHostname: node}
	pod.Tolerations = []corev1.Toleration{{Key: "only-for", Value: node}}
	pod.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
}
