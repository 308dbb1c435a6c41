package explain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weir-ml/weir/platform/room"
)

// logLines is how many of a container's last lines are read: a Python traceback
// through a framework is long.
const logLines = 60

// pod explains a pod, with its peers.
func (from *reading) pod(ctx context.Context, pod *corev1.Pod) (Explanation, error) {
	owner := metav1.GetControllerOf(pod)
	if owner == nil || !needsPeers(pod) || pod.Status.Phase != corev1.PodRunning {
		return from.podAmong(ctx, pod, nil)
	}
	all, err := from.pods(ctx, pod.Namespace)
	if err != nil {
		return Explanation{}, err
	}
	siblings := slices.DeleteFunc(all, func(p corev1.Pod) bool {
		o := metav1.GetControllerOf(&p)
		return o == nil || o.UID != owner.UID
	})
	return from.podAmong(ctx, pod, siblings)
}

// needsPeers is whether a pod is a replica of a training job: those wait for one
// another, as pods of a Deployment do not.
func needsPeers(pod *corev1.Pod) bool {
	for _, label := range []string{"training.kubeflow.org/replica-type", "jobset.sigs.k8s.io/replicatedjob-name"} {
		if _, ok := pod.Labels[label]; ok {
			return true
		}
	}
	return false
}

// podAmong explains a pod whose siblings are known. It reads only what this pod
// may be waiting for: nothing more for a pod that runs.
func (from *reading) podAmong(ctx context.Context, pod *corev1.Pod, siblings []corev1.Pod) (Explanation, error) {
	var f facts
	var err error
	if needsPeers(pod) {
		f.peers = slices.DeleteFunc(slices.Clone(siblings), func(p corev1.Pod) bool { return p.Name == pod.Name })
	}
	if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded {
		return ofPod(pod, f), nil
	}
	if needsEvents(pod) {
		if f.events, err = from.events(ctx, pod); err != nil {
			return Explanation{}, err
		}
	}
	if pod.Spec.NodeName == "" && pod.Status.Phase != corev1.PodFailed {
		if f.claims, err = from.claims(ctx, pod); err != nil {
			return Explanation{}, err
		}
		if f.rooms, err = from.roomsOfNodes(ctx); err != nil {
			return Explanation{}, err
		}
	}
	f.logs = from.tails(ctx, pod)
	return ofPod(pod, f), nil
}

// needsEvents is whether events say more of a pod than its status: what it waits
// for before its containers exist, and what probes found. To read them costs the
// API server more than all the rest.
func needsEvents(pod *corev1.Pod) bool {
	if pod.Spec.NodeName == "" {
		return false
	}
	if !podReady(pod) && pod.Status.Phase == corev1.PodRunning || len(pod.Status.ContainerStatuses) == 0 {
		return true
	}
	return slices.ContainsFunc(containersOf(pod), func(c container) bool {
		if w := c.status.State.Waiting; w != nil {
			return slices.Contains([]string{"ContainerCreating", "PodInitializing", "CrashLoopBackOff"}, w.Reason)
		}
		return c.status.State.Terminated != nil && c.status.State.Terminated.ExitCode != 0
	})
}

// tails reads what the containers that ended badly printed last. A log that
// cannot be read leaves the explanation poorer, and is no reason for none.
func (from *reading) tails(ctx context.Context, pod *corev1.Pod) map[string][]string {
	tails := map[string][]string{}
	for _, c := range containersOf(pod) {
		t := c.status.State.Terminated
		if t == nil {
			t = c.status.LastTerminationState.Terminated
		}
		if from.Logs == nil || t == nil || t.ExitCode == 0 && t.Signal == 0 || c.status.State.Running != nil {
			continue
		}
		if lines, err := from.Logs(ctx, pod, c.spec.Name, logLines); err == nil {
			tails[c.spec.Name] = lines
		}
	}
	return tails
}

func (from *reading) claims(ctx context.Context, pod *corev1.Pod) (map[string]*corev1.PersistentVolumeClaim, error) {
	claims := map[string]*corev1.PersistentVolumeClaim{}
	for _, name := range claimsOf(pod) {
		claim := &corev1.PersistentVolumeClaim{}
		err := from.Reader.Get(ctx, client.ObjectKey{Namespace: pod.Namespace, Name: name}, claim)
		switch {
		case apierrors.IsNotFound(err):
			claims[name] = nil
		case err != nil:
			return nil, fmt.Errorf("read claim %s/%s: %w", pod.Namespace, name, err)
		default:
			claims[name] = claim
		}
	}
	return claims, nil
}

func (from *reading) roomsOfNodes(ctx context.Context) ([]room.Room, error) {
	if from.rooms != nil {
		return from.rooms, nil
	}
	var nodes corev1.NodeList
	if err := from.Reader.List(ctx, &nodes); err != nil {
		if apierrors.IsForbidden(err) {
			return nil, nil // What the scheduler said must do.
		}
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	pods, err := from.pods(ctx, "")
	if apierrors.IsForbidden(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	from.rooms = room.Of(nodes.Items, pods)
	return from.rooms, nil
}

func (from *reading) pods(ctx context.Context, namespace string) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := from.Reader.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("list pods of namespace %q: %w", namespace, err)
	}
	return list.Items, nil
}

// events returns what was said about objects, the oldest first.
func (from *reading) events(ctx context.Context, about client.Object, and ...client.Object) ([]corev1.Event, error) {
	var all []corev1.Event
	for _, o := range append([]client.Object{about}, and...) {
		if from.byObject != nil {
			all = append(all, from.byObject[o.GetUID()]...)
			continue
		}
		var list corev1.EventList
		// What is said of an object without a namespace stands in the default one, where
		// who asks may have no role: then its conditions must do.
		namespace := cmp.Or(o.GetNamespace(), metav1.NamespaceDefault)
		err := from.Reader.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{"involvedObject.uid": string(o.GetUID())})
		if err != nil && (o.GetNamespace() != "" || !apierrors.IsForbidden(err)) {
			return nil, fmt.Errorf("list events about %s/%s: %w", o.GetNamespace(), o.GetName(), err)
		}
		all = append(all, list.Items...)
	}
	all = slices.DeleteFunc(all, func(e corev1.Event) bool { return e.Source.Component == component })
	slices.SortStableFunc(all, func(a, b corev1.Event) int { return timeOf(&a).Compare(timeOf(&b)) })
	return all, nil
}

// readEvents reads the events of a whole namespace at once, for an object with
// many pods.
func (from *reading) readEvents(ctx context.Context, namespace string) error {
	var list corev1.EventList
	if err := from.Reader.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list events of namespace %s: %w", namespace, err)
	}
	from.byObject = map[types.UID][]corev1.Event{}
	for _, e := range list.Items {
		from.byObject[e.InvolvedObject.UID] = append(from.byObject[e.InvolvedObject.UID], e)
	}
	return nil
}

// timeOf is when an event happened last. Old and new events say it differently.
func timeOf(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	}
	return saidAt(e)
}

// beginOf is when an event happened first.
func beginOf(e *corev1.Event) time.Time {
	if !e.FirstTimestamp.IsZero() {
		return e.FirstTimestamp.Time
	}
	return saidAt(e)
}

// saidAt is when an event was said, which is all that new ones tell of one that
// happened once.
func saidAt(e *corev1.Event) time.Time {
	if !e.EventTime.IsZero() {
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}
