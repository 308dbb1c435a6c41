package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ofPodClaims explains a pod that has no node since a claim of its is missing
// or not bound.
func ofPodClaims(pod *corev1.Pod, f facts) (Explanation, bool) {
	for _, name := range claimsOf(pod) {
		claim, known := f.claims[name]
		switch {
		case !known || claim != nil && claim.Status.Phase == corev1.ClaimBound:
		case claim == nil:
			return Explanation{
				State:    Stuck,
				Reason:   "ClaimNotFound",
				Sentence: fmt.Sprintf("Pod %s needs PersistentVolumeClaim %q, which does not exist.", pod.Name, name),
				Remedy:   "Create the claim, and the pod goes on by itself; or correct claimName in its volumes.",
			}, true
		case claim.Status.Phase == corev1.ClaimLost || unbound(pod):
			e := ofClaim(claim, nil)
			e.Sentence = fmt.Sprintf("Pod %s waits for its volume. %s", pod.Name, e.Sentence)
			return e, true
		}
	}
	return Explanation{}, false
}

// unbound is whether the scheduler says that it is a claim that holds a pod up.
func unbound(pod *corev1.Pod) bool {
	c := podCondition(pod, corev1.PodScheduled)
	return c != nil && strings.Contains(strings.ToLower(c.Message), "persistentvolumeclaim")
}

func claimsOf(pod *corev1.Pod) []string {
	var names []string
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			names = append(names, v.PersistentVolumeClaim.ClaimName)
		}
		if v.Ephemeral != nil {
			names = append(names, pod.Name+"-"+v.Name)
		}
	}
	return names
}

func (from *reading) claim(ctx context.Context, o *unstructured.Unstructured) (Explanation, error) {
	var claim corev1.PersistentVolumeClaim
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &claim); err != nil {
		return Explanation{}, fmt.Errorf("read persistentvolumeclaim %s: %w", client.ObjectKeyFromObject(o), err)
	}
	events, err := from.events(ctx, o)
	if err != nil {
		return Explanation{}, err
	}
	return ofClaim(&claim, events), nil
}

// ofClaim explains a claim for a volume.
func ofClaim(claim *corev1.PersistentVolumeClaim, events []corev1.Event) Explanation {
	e := claimState(claim, events)
	e.Object = Object{"PersistentVolumeClaim", claim.Namespace, claim.Name}
	return e
}

func claimState(claim *corev1.PersistentVolumeClaim, events []corev1.Event) Explanation {
	class := ""
	if claim.Spec.StorageClassName != nil {
		class = *claim.Spec.StorageClassName
	}
	last := newest(events, "ProvisioningFailed", "WaitForFirstConsumer", "WaitForPodScheduled", "ExternalProvisioning", "FailedBinding", "Provisioning")
	switch {
	case claim.Status.Phase == corev1.ClaimBound:
		return Explanation{State: Done, Reason: "Bound", Sentence: fmt.Sprintf("Claim %s has its volume, %s.", claim.Name, claim.Spec.VolumeName)}
	case claim.Status.Phase == corev1.ClaimLost:
		return Explanation{
			State:    Failed,
			Reason:   "VolumeLost",
			Sentence: fmt.Sprintf("Claim %s was bound to volume %s, which is gone.", claim.Name, claim.Spec.VolumeName),
			Remedy:   "Delete the claim and create it again; what was in the volume is lost.",
		}
	case last != nil && (last.Reason == "WaitForFirstConsumer" || last.Reason == "WaitForPodScheduled"):
		return Explanation{
			State:    Moving,
			Reason:   "WaitsForPod",
			Sentence: fmt.Sprintf("Claim %s gets its volume as soon as a pod that uses it has a node.", claim.Name),
		}
	case last != nil && last.Type == corev1.EventTypeWarning && strings.Contains(last.Message, "not found"):
		return Explanation{
			State:    Stuck,
			Reason:   "StorageClassNotFound",
			Sentence: fmt.Sprintf("Claim %s wants storage class %q, which does not exist.", claim.Name, class),
			Remedy:   "Leave out storageClassName to get the default class; kubectl get storageclass lists those there are.",
		}
	case last != nil && last.Type == corev1.EventTypeWarning:
		return Explanation{
			State:    Stuck,
			Reason:   "VolumeNotProvisioned",
			Sentence: fmt.Sprintf("Claim %s gets no volume: %s", claim.Name, sentence(last.Message)),
		}
	case claim.Spec.StorageClassName != nil && class == "", last != nil && last.Reason == "FailedBinding":
		return Explanation{
			State:    Stuck,
			Reason:   "NoVolumeMatches",
			Sentence: fmt.Sprintf("Claim %s waits for a volume that somebody creates: it asks for no storage class, and no free volume matches.", claim.Name),
			Remedy:   "Leave out storageClassName to get the default class, or create a PersistentVolume of that size and access mode.",
		}
	}
	return Explanation{State: Moving, Reason: "NotBoundYet", Sentence: fmt.Sprintf("Claim %s waits for its volume.", claim.Name)}
}

// usersOf returns the names of the pods that use a claim and have not ended.
func usersOf(claim string, pods []corev1.Pod) []string {
	var names []string
	for i := range pods {
		ended := pods[i].Status.Phase == corev1.PodSucceeded || pods[i].Status.Phase == corev1.PodFailed
		if slices.Contains(claimsOf(&pods[i]), claim) && !ended {
			names = append(names, pods[i].Name)
		}
	}
	slices.Sort(names)
	return names
}
