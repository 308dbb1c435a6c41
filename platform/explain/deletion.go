package explain

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// deletion explains an object that somebody has deleted and that is still there.
func (from *reading) deletion(ctx context.Context, o *unstructured.Unstructured) (Explanation, error) {
	if o.GroupVersionKind() == corev1.SchemeGroupVersion.WithKind("Namespace") {
		return from.namespace(ctx, o)
	}
	var users []string
	if slices.Contains(o.GetFinalizers(), claimProtection) {
		pods, err := from.pods(ctx, o.GetNamespace())
		if err != nil {
			return Explanation{}, err
		}
		users = usersOf(o.GetName(), pods)
	}
	return ofDeleted(o.GetKind(), o, users), nil
}

const claimProtection = "kubernetes.io/pvc-protection"

func ofDeletedPod(pod *corev1.Pod) Explanation {
	runs := func(c container) bool { return c.status.State.Running != nil }
	if len(pod.Finalizers) > 0 && !slices.ContainsFunc(containersOf(pod), runs) {
		return ofDeleted("Pod", pod, nil)
	}
	return Explanation{
		State:    Moving,
		Reason:   "Terminating",
		Sentence: fmt.Sprintf("Pod %s is being deleted; its containers have %d seconds to end.", pod.Name, seconds(pod)),
	}
}

func seconds(pod *corev1.Pod) int64 {
	if pod.DeletionGracePeriodSeconds != nil {
		return *pod.DeletionGracePeriodSeconds
	}
	return 30
}

// ofDeleted explains a deleted object by its finalizers; users are the pods that
// use it, if it is a claim.
func ofDeleted(kind string, o metav1.Object, users []string) Explanation {
	e := Explanation{Object: Object{kind, o.GetNamespace(), o.GetName()}, State: Stuck, Reason: "FinalizerBlocks"}
	finalizers := o.GetFinalizers()
	switch {
	case len(finalizers) == 0:
		e.State, e.Reason = Moving, "Terminating"
		e.Sentence = fmt.Sprintf("%s %s is being deleted.", kind, o.GetName())
	case slices.Contains(finalizers, metav1.FinalizerDeleteDependents):
		e.State, e.Reason = Moving, "WaitsForDependents"
		e.Sentence = fmt.Sprintf("%s %s is deleted as soon as everything it owns is gone.", kind, o.GetName())
		e.Remedy = "Explain what it owns: one of those may be held up."
	case slices.Contains(finalizers, claimProtection):
		e.Reason = "ClaimInUse"
		e.Sentence = fmt.Sprintf("Claim %s is deleted as soon as no pod uses it; %s.", o.GetName(), inUse(users))
		e.Remedy = "Delete those pods, or what makes them, if the volume may go."
	default:
		e.Sentence = fmt.Sprintf("%s %s is deleted, but finalizer %s on it is still to be taken off by its controller.", kind, o.GetName(), strings.Join(finalizers, ", "))
		e.Remedy = fmt.Sprintf(`See whether that controller runs. If it is gone for good, and what it should clean up too: kubectl patch %s %s%s --type merge -p '{"metadata":{"finalizers":null}}'`,
			strings.ToLower(kind), o.GetName(), inNamespace(o.GetNamespace()))
	}
	return e
}

func inUse(users []string) string {
	if len(users) == 0 {
		return "no pod that runs does"
	}
	return "in use by " + strings.Join(users, ", ")
}

func inNamespace(namespace string) string {
	if namespace == "" {
		return ""
	}
	return " -n " + namespace
}

// namespace explains a namespace that is deleted, by what is left in it.
func (from *reading) namespace(ctx context.Context, o *unstructured.Unstructured) (Explanation, error) {
	content := conditionMessage(o, "NamespaceContentRemaining")
	finalizers := conditionMessage(o, "NamespaceFinalizersRemaining")
	failure := conditionMessage(o, "NamespaceDeletionDiscoveryFailure")
	var left []client.Object
	for _, m := range regexp.MustCompile(`([a-z0-9.-]+) has \d+ resource instances`).FindAllStringSubmatch(content, -1) {
		objects, err := from.finalized(ctx, o.GetName(), schema.ParseGroupResource(m[1]))
		if err != nil {
			return Explanation{}, err
		}
		left = append(left, objects...)
	}
	return ofDeletedNamespace(o.GetName(), left, sentence(content)+" "+sentence(finalizers), failure), nil
}

// finalized returns the objects of a kind that finalizers hold in a namespace;
// none when the kind is not known here, or who asks may not list it.
func (from *reading) finalized(ctx context.Context, namespace string, resource schema.GroupResource) ([]client.Object, error) {
	if from.Mapper == nil {
		return nil, nil
	}
	kind, err := from.Mapper.KindFor(resource.WithVersion(""))
	if err != nil {
		return nil, nil //nolint:nilerr // The sentence does without: the condition names the kind.
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	err = from.Reader.List(ctx, list, client.InNamespace(namespace))
	if apierrors.IsForbidden(err) {
		return nil, nil // The sentence does without: the condition counts them.
	}
	if err != nil {
		return nil, fmt.Errorf("list %s of namespace %s: %w", resource, namespace, err)
	}
	var left []client.Object
	for i := range list.Items {
		if len(list.Items[i].GetFinalizers()) > 0 {
			left = append(left, &list.Items[i])
		}
	}
	return left, nil
}

func ofDeletedNamespace(name string, left []client.Object, content, failure string) Explanation {
	e := Explanation{Object: Object{"Namespace", "", name}, State: Stuck}
	switch content = strings.TrimSpace(content); {
	case len(left) > 0:
		kind := left[0].GetObjectKind().GroupVersionKind().Kind
		e = ofDeleted(kind, left[0], nil)
		e.State = Stuck
		e.Sentence = fmt.Sprintf("Namespace %s is deleted, and waits for what is in it. %s", name, e.Sentence)
		for _, o := range left {
			e.Facts = append(e.Facts, fmt.Sprintf("%s %s has finalizer %s", o.GetObjectKind().GroupVersionKind().Kind, o.GetName(), strings.Join(o.GetFinalizers(), ", ")))
		}
	case failure != "":
		e.Reason = "APIUnavailable"
		e.Sentence = fmt.Sprintf("Namespace %s is deleted, but not everything in it can be found: %s", name, sentence(failure))
		e.Remedy = "An APIService does not answer: kubectl get apiservices shows which; start what serves it, or delete the APIService."
	case content != "":
		e.Reason = "ContentRemains"
		e.Sentence = fmt.Sprintf("Namespace %s is deleted, and waits for what is in it: %s", name, content)
		e.Remedy = "Explain the objects that are left."
	default:
		e.State, e.Reason = Moving, "Terminating"
		e.Sentence = fmt.Sprintf("Namespace %s is being deleted, with all that is in it.", name)
	}
	return e
}

// conditionMessage is the message of a condition that is true, else "".
func conditionMessage(o *unstructured.Unstructured, kind string) string {
	for _, c := range conditionsOf(o) {
		if c.kind == kind && c.status == "True" {
			return c.message
		}
	}
	return ""
}
