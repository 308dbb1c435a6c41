package explain

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/weir-ml/weir/platform/room"
)

// facts are what ofPod looks at besides the pod.
type facts struct {
	events []corev1.Event                           // about the pod, the oldest first
	rooms  []room.Room                              // of the nodes, for a pod that has none
	claims map[string]*corev1.PersistentVolumeClaim // of its volumes, by name; nil for one that does not exist
	logs   map[string][]string                      // last lines, by container
	peers  []corev1.Pod                             // the other replicas of its job, if they need one another
}

// ofPod explains a pod. It looks for what holds the pod up in the order in which
// a pod's life goes, so that the first thing found is the one that counts.
func ofPod(pod *corev1.Pod, f facts) Explanation {
	e := findInPod(pod, f)
	e.Object = Object{"Pod", pod.Namespace, pod.Name}
	e.Sentence = capital(e.Sentence)
	return e
}

func findInPod(pod *corev1.Pod, f facts) Explanation {
	switch {
	case pod.DeletionTimestamp != nil:
		return ofDeletedPod(pod)
	case pod.Status.Phase == corev1.PodSucceeded:
		return Explanation{State: Done, Reason: "Succeeded", Sentence: fmt.Sprintf("Pod %s has finished well.", pod.Name)}
	case pod.Status.Phase == corev1.PodFailed:
		return ofFailedPod(pod, f)
	case pod.Spec.NodeName == "":
		return ofUnscheduledPod(pod, f)
	}
	for _, c := range containersOf(pod) {
		if e, found := ofContainer(c, f); found {
			return e
		}
	}
	if e, found := ofVolumes(pod, f); found {
		return e
	}
	return ofRunningPod(pod, f)
}

// ofRunningPod explains a pod in which nothing is wrong: it starts, or runs,
// perhaps for nothing because its peers do not.
func ofRunningPod(pod *corev1.Pod, f facts) Explanation {
	if pod.Status.Phase != corev1.PodRunning {
		return ofStartingPod(pod, f)
	}
	if e, found := ofFailingProbe(pod, f); found {
		return e
	}
	if missing := notRunning(f.peers); len(missing) > 0 {
		return Explanation{
			State:    Moving,
			Reason:   "WaitsForPeers",
			Sentence: fmt.Sprintf("Pod %s runs and waits for its peers: %s.", pod.Name, strings.Join(missing, ", ")),
			Remedy:   "See what holds the first of them up: " + command("explain", "Pod", pod.Namespace, firstWord(missing[0])),
		}
	}
	if !podReady(pod) {
		return Explanation{State: Moving, Reason: "NotReadyYet", Sentence: fmt.Sprintf("Pod %s runs and is not ready yet.", pod.Name)}
	}
	return Explanation{State: Moving, Reason: "Running", Sentence: fmt.Sprintf("Pod %s is running.", pod.Name) + restarts(pod)}
}

// restarts is a second sentence about a pod that runs now and did not always.
func restarts(pod *corev1.Pod) string {
	for _, c := range containersOf(pod) {
		if c.status.RestartCount > 0 && c.status.LastTerminationState.Terminated != nil {
			return fmt.Sprintf(" Before, its container %s %s, and was started again.", c.spec.Name, ending(c.status.LastTerminationState.Terminated))
		}
	}
	return ""
}

func ofStartingPod(pod *corev1.Pod, f facts) Explanation {
	if e := newest(f.events, "Pulling", "Preparing", "Pulled"); e != nil && e.Reason != "Pulled" {
		if strings.Contains(e.Message, "waiting for another") {
			return Explanation{State: Moving, Reason: "WaitsForImage", Sentence: fmt.Sprintf("Pod %s waits until its image is ready, which is being prepared for another pod.", pod.Name)}
		}
		return Explanation{
			State:    Moving,
			Reason:   "PreparingImage",
			Sentence: fmt.Sprintf("Pod %s waits until its image is ready: %s", pod.Name, sentence(e.Message)),
		}
	}
	if e := newest(f.events, "FailedCreatePodSandBox", "NetworkNotReady", "Started"); e != nil && e.Reason != "Started" {
		return Explanation{
			State:    Stuck,
			Reason:   "NoSandbox",
			Sentence: fmt.Sprintf("Pod %s has no network or namespaces yet: %s", pod.Name, sentence(cleaned(e.Message))),
			Remedy:   "This is about the machine, not about the pod: weir status says what it lacks.",
		}
	}
	for _, c := range containersOf(pod) {
		if c.init && c.status.State.Running != nil && !(c.status.Started != nil && *c.status.Started && isSidecar(c.spec)) {
			if c.spec.Name == "kubectl-delivery" { // An MPIJob's launcher has it.
				return Explanation{State: Moving, Reason: "WaitsForWorkers", Sentence: fmt.Sprintf("Pod %s waits until all workers of its job run.", pod.Name)}
			}
			return Explanation{State: Moving, Reason: "Initializing", Sentence: fmt.Sprintf("Pod %s waits for its init container %s, which runs.", pod.Name, c.spec.Name)}
		}
	}
	return Explanation{State: Moving, Reason: "Starting", Sentence: fmt.Sprintf("Pod %s is starting.", pod.Name)}
}

// isSidecar is whether an init container goes on beside the others.
func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// notRunning says of each peer that has not come to run, or ended badly, what
// state it is in.
func notRunning(peers []corev1.Pod) []string {
	var missing []string
	for i := range peers {
		switch p := &peers[i]; {
		case p.Status.Phase == corev1.PodFailed:
			missing = append(missing, p.Name+" has failed")
		case p.Status.Phase == corev1.PodPending || p.Status.Phase == "":
			missing = append(missing, p.Name+" is pending")
		case slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.State.Waiting != nil }):
			missing = append(missing, p.Name+" is not running")
		}
	}
	slices.Sort(missing)
	if n := len(missing); n > 4 {
		missing = append(missing[:3], fmt.Sprintf("and %d more", n-3))
	}
	return missing
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

func podReady(pod *corev1.Pod) bool {
	c := podCondition(pod, corev1.PodReady)
	return c == nil || c.Status == corev1.ConditionTrue
}

func podCondition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// newest returns the newest event that has one of the reasons; nil if none.
func newest(events []corev1.Event, reasons ...string) *corev1.Event {
	for i := len(events) - 1; i >= 0; i-- {
		if slices.Contains(reasons, events[i].Reason) {
			return &events[i]
		}
	}
	return nil
}

// A container is one of a pod's, with its status.
type container struct {
	pod    *corev1.Pod
	spec   *corev1.Container
	status corev1.ContainerStatus
	init   bool
}

// containersOf returns the pod's containers that have a status, in the order in
// which they start.
func containersOf(pod *corev1.Pod) []container {
	var all []container
	add := func(specs []corev1.Container, statuses []corev1.ContainerStatus, init bool) {
		for i := range specs {
			for _, s := range statuses {
				if s.Name == specs[i].Name {
					all = append(all, container{pod, &specs[i], s, init})
				}
			}
		}
	}
	add(pod.Spec.InitContainers, pod.Status.InitContainerStatuses, true)
	add(pod.Spec.Containers, pod.Status.ContainerStatuses, false)
	return all
}

// who names a container, or its pod where that says enough.
func (c container) who() string {
	switch {
	case c.init:
		return fmt.Sprintf("init container %s of pod %s", c.spec.Name, c.pod.Name)
	case len(c.pod.Spec.Containers) > 1:
		return fmt.Sprintf("container %s of pod %s", c.spec.Name, c.pod.Name)
	}
	return "pod " + c.pod.Name
}
