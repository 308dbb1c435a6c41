package explain

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A condition is what an object's controller says of it.
type condition struct {
	kind, status, reason, message string
}

func conditionsOf(o *unstructured.Unstructured) []condition {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	var all []condition
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			continue
		}
		text := func(key string) string { s, _ := m[key].(string); return s }
		all = append(all, condition{text("type"), text("status"), text("reason"), text("message")})
	}
	return all
}

// trueCondition returns the first condition of these kinds that is true; nil if
// none is.
func trueCondition(o *unstructured.Unstructured, kinds ...string) *condition {
	for _, c := range conditionsOf(o) {
		if c.status == "True" && slices.Contains(kinds, c.kind) {
			return &c
		}
	}
	return nil
}

// suspended is whether an object asks to have no pods for now. Training jobs say
// so in spec.runPolicy, others in spec.
func suspended(o *unstructured.Unstructured) bool {
	a, _, _ := unstructured.NestedBool(o.Object, "spec", "suspend")
	b, _, _ := unstructured.NestedBool(o.Object, "spec", "runPolicy", "suspend")
	return a || b
}

// resume is the patch that ends the suspension of an object.
func resume(o *unstructured.Unstructured) string {
	if b, _, _ := unstructured.NestedBool(o.Object, "spec", "runPolicy", "suspend"); b {
		return `{"spec":{"runPolicy":{"suspend":false}}}`
	}
	return `{"spec":{"suspend":false}}`
}

// managedBy names the controller that an object is left to; "" when it is the
// usual one of its kind.
func managedBy(o *unstructured.Unstructured) string {
	usual := []string{"", "kubeflow.org/training-operator", "kubernetes.io/job-controller", "trainer.kubeflow.org/trainjob-controller", "jobset.sigs.k8s.io/jobset-controller"}
	for _, at := range [][]string{{"spec", "managedBy"}, {"spec", "runPolicy", "managedBy"}} {
		if s, _, _ := unstructured.NestedString(o.Object, at...); !slices.Contains(usual, s) {
			return s
		}
	}
	return ""
}

// refusal returns the newest event about pods that could not be created, unless
// some were created since.
func refusal(events []corev1.Event, pods []corev1.Pod) *corev1.Event {
	for i := len(events) - 1; i >= 0; i-- {
		e := &events[i]
		if !strings.HasPrefix(e.Reason, "FailedCreate") || e.Type != corev1.EventTypeWarning {
			continue
		}
		since := func(p corev1.Pod) bool { return p.CreationTimestamp.After(timeOf(e)) }
		if slices.ContainsFunc(pods, since) {
			return nil
		}
		return e
	}
	return nil
}
