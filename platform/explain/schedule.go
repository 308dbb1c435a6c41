package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weir-ml/weir/platform/room"
)

// ofUnscheduledPod explains a pod that has no node.
func ofUnscheduledPod(pod *corev1.Pod, f facts) Explanation {
	if e, found := ofPodClaims(pod, f); found {
		return e
	}
	c := podCondition(pod, corev1.PodScheduled)
	if c == nil || c.Status != corev1.ConditionFalse {
		return Explanation{State: Moving, Reason: "NotScheduledYet", Sentence: fmt.Sprintf("Pod %s waits for the scheduler to give it a node.", pod.Name)}
	}
	if c.Reason == corev1.PodReasonSchedulingGated {
		return gated(pod)
	}
	if e, found := ofScarceResource(pod, f.rooms); found {
		return e
	}
	return ofUnsuitableNodes(pod, c.Message)
}

// gangGate is the gate of pods that training jobs start together.
const gangGate = "weir-ml.github.io/gang"

// gated explains a pod that asks not to be scheduled for now.
func gated(pod *corev1.Pod) Explanation {
	var gates []string
	for _, g := range pod.Spec.SchedulingGates {
		gates = append(gates, g.Name)
	}
	if owner := metav1.GetControllerOf(pod); owner != nil && slices.Contains(gates, gangGate) {
		return Explanation{
			State:    Moving,
			Reason:   "WaitsForRoom",
			Sentence: fmt.Sprintf("Pod %s starts together with the others of its job, once all fit.", pod.Name),
			Remedy:   "What is missing: " + command("explain", owner.Kind, pod.Namespace, owner.Name),
		}
	}
	return Explanation{
		State:    Stuck,
		Reason:   "SchedulingGated",
		Sentence: fmt.Sprintf("Pod %s is held back by a scheduling gate: %s.", pod.Name, strings.Join(gates, ", ")),
		Remedy:   "Whoever set the gate takes it away when the pod may start; see whether that controller runs.",
	}
}

// ofScarceResource finds what the pod asks for and no node has free. It is
// computed, since the scheduler says what is lacking and not how much.
func ofScarceResource(pod *corev1.Pod, rooms []room.Room) (Explanation, bool) {
	want := room.Asked(pod)
	for _, name := range room.Names(want) {
		q := want[name]
		if q.IsZero() || len(rooms) == 0 {
			continue
		}
		best, fits := emptiest(rooms, name, q)
		if !fits {
			return scarce(pod, name, q, best, len(rooms)), true
		}
	}
	return Explanation{}, false
}

// emptiest returns the room with the most of a resource free, and whether it is
// enough.
func emptiest(rooms []room.Room, name corev1.ResourceName, q resource.Quantity) (room.Room, bool) {
	best := rooms[0]
	for _, r := range rooms[1:] {
		free, most := r.Free[name], best.Free[name]
		if free.Cmp(most) > 0 {
			best = r
		}
	}
	free := best.Free[name]
	return best, free.Cmp(q) >= 0
}

func scarce(pod *corev1.Pod, name corev1.ResourceName, q resource.Quantity, best room.Room, nodes int) Explanation {
	free, all := best.Free[name], best.Allocatable[name]
	if free.Sign() < 0 {
		free = resource.Quantity{}
	}
	e := Explanation{State: Stuck, Reason: "NotEnough" + wordOf(name)}
	most := "node " + best.Node.Name + " has"
	if nodes > 1 {
		most = "the node with most room, " + best.Node.Name + ", has"
	}
	field := "resources.requests of the pod"
	switch {
	case name == corev1.ResourcePods:
		e.Sentence = fmt.Sprintf("Pod %s has no place: %s all the %s pods it may have.", pod.Name, most, room.Amount(name, all))
		e.Remedy = "Delete pods that are not needed, or wait until some end."
	case all.IsZero():
		e.Sentence = fmt.Sprintf("Pod %s asks for %s, and no node has any.", pod.Name, room.AmountOf(name, q))
		e.Remedy = fmt.Sprintf("Take %s out of the pod's limits and requests, or add a node that has some.", name)
	case all.Cmp(q) < 0:
		e.Sentence = fmt.Sprintf("Pod %s asks for %s; %s %s free, of %s in all.", pod.Name, room.AmountOf(name, q), most, room.Amount(name, free), room.Amount(name, all))
		e.Remedy = fmt.Sprintf("Ask for at most %s in %s: it will never fit as it is.", room.Amount(name, all), field)
	default:
		e.Sentence = fmt.Sprintf("Pod %s asks for %s; %s %s free, of %s in all.", pod.Name, room.AmountOf(name, q), most, room.Amount(name, free), room.Amount(name, all))
		e.Remedy = fmt.Sprintf("Wait until other pods end, delete some, or ask for less in %s.", field)
	}
	return e
}

// wordOf makes a resource's name part of a reason.
func wordOf(name corev1.ResourceName) string {
	switch {
	case name == corev1.ResourceCPU:
		return "CPU"
	case name == corev1.ResourcePods:
		return "PodSlots"
	case strings.HasSuffix(string(name), "/gpu"):
		return "GPU"
	case strings.HasPrefix(string(name), "hugepages-"):
		return "HugePages"
	case name == corev1.ResourceMemory, name == corev1.ResourceEphemeralStorage:
		return strings.ReplaceAll(capital(string(name)), "-", "")
	}
	return "Resource"
}

// ofUnsuitableNodes explains a pod that fits, but not on any node there is. The
// scheduler's message is a list such as
//
//	0/2 nodes are available: 1 node(s) had untolerated taint {gpu: true}, 1 node(s) didn't match Pod's node affinity/selector. preemption: …
func ofUnsuitableNodes(pod *corev1.Pod, message string) Explanation {
	message, _, _ = strings.Cut(message, " preemption:")
	e := Explanation{State: Stuck, Reason: "NoSuitableNode", Sentence: fmt.Sprintf("Pod %s finds no node: %s", pod.Name, sentence(message))}
	switch {
	case strings.Contains(message, "untolerated taint"):
		taint := regexp.MustCompile(`\{[^}]*\}`).FindString(message)
		e.Reason = "NodeTainted"
		e.Sentence = fmt.Sprintf("Pod %s finds no node that takes it: the taint %s keeps it away.", pod.Name, strings.Trim(taint, "{}"))
		e.Remedy = "Add a toleration to the pod, or take the taint off the node (kubectl taint). A node that is not ready has a taint too: kubectl get nodes."
	case strings.Contains(message, "node affinity/selector"):
		e.Reason = "NoNodeMatches"
		e.Sentence = fmt.Sprintf("Pod %s finds no node that its nodeSelector or affinity matches%s.", pod.Name, selectorOf(pod))
		e.Remedy = "Correct the nodeSelector, or label a node (kubectl label node)."
	case strings.Contains(message, "didn't have free ports"):
		e.Reason = "HostPortTaken"
		e.Sentence = fmt.Sprintf("Pod %s wants a hostPort that another pod has.", pod.Name)
		e.Remedy = "Leave out hostPort: each pod has an address of its own."
	case strings.Contains(message, "no nodes available"), strings.Contains(message, "were unschedulable"):
		e.Reason = "NoNode"
		e.Sentence = fmt.Sprintf("Pod %s finds no node that takes pods.", pod.Name)
		e.Remedy = "See what the nodes say: kubectl get nodes; kubectl uncordon NODE opens one again."
	}
	return e
}

func selectorOf(pod *corev1.Pod) string {
	var pairs []string
	for k, v := range pod.Spec.NodeSelector {
		pairs = append(pairs, k+"="+v)
	}
	if len(pairs) == 0 {
		return ""
	}
	slices.Sort(pairs)
	return " (" + strings.Join(pairs, ", ") + ")"
}
