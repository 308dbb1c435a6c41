// Package room says how much room nodes have for pods, and whether a set of pods
// finds a place in it.
package room

import (
	"slices"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
	schedulinghelper "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// A Room is what one node has for pods, and what of it is free.
type Room struct {
	Node        *corev1.Node
	Allocatable corev1.ResourceList
	Free        corev1.ResourceList
}

// Of returns the rooms of nodes on which these pods run.
func Of(nodes []corev1.Node, pods []corev1.Pod) []Room {
	byName := map[string]int{}
	var rooms []Room
	for i := range nodes {
		n := &nodes[i]
		byName[n.Name] = i
		rooms = append(rooms, Room{n, n.Status.Allocatable, n.Status.Allocatable.DeepCopy()})
	}
	for j := range pods {
		if i, known := byName[pods[j].Spec.NodeName]; known && !Ended(&pods[j]) {
			rooms[i].take(Asked(&pods[j]))
		}
	}
	return rooms
}

// Ended is whether a pod takes no room any more.
func Ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func (r *Room) take(asked corev1.ResourceList) {
	for name, q := range asked {
		if left, ok := r.Free[name]; ok {
			left.Sub(q)
			r.Free[name] = left
		}
	}
}

// Asked is what a pod asks of its node in all.
func Asked(pod *corev1.Pod) corev1.ResourceList {
	list := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
	list[corev1.ResourcePods] = resource.MustParse("1")
	return list
}

// Place gives pods places in rooms, the largest first, each where most is free:
// as the scheduler does. The rooms have then so much less. It returns the pods
// in this order, and those of them that found no place.
func Place(rooms []Room, pods []*corev1.Pod) (ordered, left []*corev1.Pod) {
	ordered = slices.Clone(pods)
	asked := map[*corev1.Pod]corev1.ResourceList{}
	for _, p := range pods {
		asked[p] = Asked(p)
	}
	slices.SortStableFunc(ordered, func(a, b *corev1.Pod) int {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			x, y := asked[a][name], asked[b][name]
			if order := y.Cmp(x); order != 0 {
				return order
			}
		}
		return 0
	})
	for _, pod := range ordered {
		var best *Room
		for i := range rooms {
			r := &rooms[i]
			if r.Suits(pod) && r.holds(asked[pod]) && (best == nil || r.share() > best.share()) {
				best = r
			}
		}
		if best == nil {
			left = append(left, pod)
			continue
		}
		best.take(asked[pod])
	}
	return ordered, left
}

// Suits is whether a node takes pods such as this, if it has the room.
func (r *Room) Suits(pod *corev1.Pod) bool {
	keeps := func(t *corev1.Taint) bool {
		return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
	}
	if _, untolerated := schedulinghelper.FindMatchingUntoleratedTaint(logr.Discard(), r.Node.Spec.Taints, pod.Spec.Tolerations, keeps, false); untolerated {
		return false
	}
	matches, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(r.Node)
	return err == nil && matches && !r.Node.Spec.Unschedulable
}

func (r *Room) holds(asked corev1.ResourceList) bool {
	for name, q := range asked {
		if free := r.Free[name]; free.Cmp(q) < 0 && !q.IsZero() {
			return false
		}
	}
	return true
}

// share is how much of a node is free, of cpu and memory together.
func (r *Room) share() float64 {
	sum := 0.0
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		all, free := r.Allocatable[name], r.Free[name]
		if !all.IsZero() {
			sum += free.AsApproximateFloat64() / all.AsApproximateFloat64()
		}
	}
	return sum
}
