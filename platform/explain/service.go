package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// service explains a Service by the pods it leads to.
func (from *reading) service(ctx context.Context, o *unstructured.Unstructured) (Explanation, error) {
	selector, _, _ := unstructured.NestedStringMap(o.Object, "spec", "selector")
	var chosen []corev1.Pod
	if len(selector) > 0 {
		all, err := from.pods(ctx, o.GetNamespace())
		if err != nil {
			return Explanation{}, err
		}
		chosen = slices.DeleteFunc(all, func(p corev1.Pod) bool { return !labels.SelectorFromSet(selector).Matches(labels.Set(p.Labels)) })
	}
	var replicas []Explanation
	for i := range chosen {
		e, err := from.podAmong(ctx, &chosen[i], nil)
		if err != nil {
			return Explanation{}, err
		}
		replicas = append(replicas, e)
	}
	return ofService(o, selector, chosen, replicas), nil
}

func ofService(o *unstructured.Unstructured, selector map[string]string, pods []corev1.Pod, replicas []Explanation) Explanation {
	self := "Service " + o.GetName()
	e := Explanation{Object: Object{"Service", o.GetNamespace(), o.GetName()}}
	ready := 0
	for i := range pods {
		if c := podCondition(&pods[i], corev1.PodReady); c != nil && c.Status == corev1.ConditionTrue {
			ready++
		}
	}
	switch {
	case len(selector) == 0:
		e.State, e.Reason = Moving, "NoSelector"
		e.Sentence = self + " has no selector: it leads where its EndpointSlices say."
	case len(pods) == 0:
		e.State, e.Reason = Stuck, "NoPodMatches"
		e.Sentence = fmt.Sprintf("%s leads nowhere: no pod has the labels it selects (%s).", self, strings.ReplaceAll(labels.FormatLabels(selector), ",", ", "))
		e.Remedy = "Correct spec.selector of the Service or the labels of the pods."
	case ready == 0:
		e = *worstOf(replicas)
		e.Sentence = fmt.Sprintf("%s leads nowhere: none of its pods is ready. %s", self, e.Sentence)
	default:
		e.State, e.Reason = Moving, "Serving"
		e.Sentence = fmt.Sprintf("%s leads to %d of %d pods.", self, ready, len(pods))
	}
	return e
}
