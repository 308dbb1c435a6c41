package job

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// atOnce is how many requests for one job are under way at a time. The replicas
// of a job wait for each other, so it pays to make them together.
const atOnce = 32

// longestNote is what an event may hold.
const longestNote = 1024

// create makes the pods and services that are missing. Their names are theirs
// by place, so to create what a late watch has not shown yet does no harm.
func (r *Reconciler[J]) create(ctx context.Context, j J, objects []client.Object) error {
	return inParallel(objects, func(o client.Object) error {
		kind := o.GetObjectKind().GroupVersionKind().Kind
		err := r.client.Create(ctx, o)
		if apierrors.IsAlreadyExists(err) {
			err = r.claim(ctx, j, o)
			if err == nil || errors.Is(err, errGone) {
				return err
			}
		}
		if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			return nil // The job goes with its namespace.
		}
		if err != nil {
			r.tell(j, r.memory.news(j, []notice{{
				kind: corev1.EventTypeWarning, reason: "FailedCreate" + kind, action: "Create", message: fmt.Sprintf("Error creating: %v", err), about: o,
			}}))
			return fmt.Errorf("create %s %s/%s: %w", kind, o.GetNamespace(), o.GetName(), err)
		}
		r.tell(j, []notice{{
			kind: corev1.EventTypeNormal, reason: "SuccessfulCreate" + kind, action: "Create", message: fmt.Sprintf("Created %s: %s", word(kind), o.GetName()), about: o,
		}})
		return nil
	})
}

// gather makes a job's PodGroup, or brings it up to date.
func (r *Reconciler[J]) gather(ctx context.Context, j J, group *unstructured.Unstructured) error {
	if group == nil {
		return nil
	}
	var err error
	if group.GetResourceVersion() == "" {
		err = r.client.Create(ctx, group)
	} else {
		err = r.client.Update(ctx, group)
	}
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // It has changed since it was read, so there will be another look.
	}
	if apierrors.IsAlreadyExists(err) {
		err = r.claim(ctx, j, group)
	}
	if err != nil {
		return fmt.Errorf("gather the pods of %s in a group: %w", r.name(j), err)
	}
	return nil
}

// errGone is when what had the name went while it was looked at. Nobody may be
// watching it, so the job is looked at again.
var errGone = errors.New("what had the name has just gone")

// claim is for an object whose name is taken: by itself, seen late, which is
// well; or by another's, which has to go first, or has just gone: errGone.
func (r *Reconciler[J]) claim(ctx context.Context, j J, o client.Object) error {
	var there metav1.PartialObjectMetadata
	there.SetGroupVersionKind(o.GetObjectKind().GroupVersionKind())
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(o), &there); apierrors.IsNotFound(err) {
		return errGone
	} else if err != nil {
		return err
	}
	if metav1.IsControlledBy(&there, j) {
		return nil
	}
	owner := "nobody"
	if c := metav1.GetControllerOf(&there); c != nil {
		owner = fmt.Sprintf("%s %s (%s)", c.Kind, c.Name, c.UID)
	}
	return fmt.Errorf("the name is taken by one that belongs to %s: delete it, or give the job another name", owner)
}

// delete takes pods and services away. It deletes exactly what was read: an
// object that has changed since is looked at again first.
func (r *Reconciler[J]) delete(ctx context.Context, j J, objects []removal) error {
	return inParallel(objects, func(d removal) error {
		kind := kindOf(d.object)
		uid, version := d.object.GetUID(), d.object.GetResourceVersion()
		o := &metav1.PartialObjectMetadata{}
		o.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
		if group, ok := d.object.(*unstructured.Unstructured); ok {
			o.SetGroupVersionKind(group.GroupVersionKind())
		}
		o.SetNamespace(d.object.GetNamespace())
		o.SetName(d.object.GetName())

		err := r.client.Delete(ctx, o, client.Preconditions{UID: &uid, ResourceVersion: &version})
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return nil
		}
		if err != nil {
			r.tell(j, []notice{{kind: corev1.EventTypeWarning, reason: "FailedDelete" + kind, action: "Delete", message: fmt.Sprintf("Error deleting: %v", err), about: d.object}})
			return fmt.Errorf("delete %s %s/%s: %w", kind, o.Namespace, o.Name, err)
		}
		r.tell(j, []notice{{kind: corev1.EventTypeNormal, reason: "SuccessfulDelete" + kind, action: "Delete", message: fmt.Sprintf("Deleted %s: %s", word(kind), o.Name), about: d.object}})
		if d.because != nil {
			if d.because.action == actionRestart {
				r.metrics.restarted(j.GetNamespace())
			}
			r.tell(j, []notice{*d.because})
		}
		return nil
	})
}

// tell makes events. What an event is about tells it from others of the same
// reason: without it, the pods' would be taken for one event said often.
func (r *Reconciler[J]) tell(j J, notices []notice) {
	for _, n := range notices {
		var about runtime.Object
		if n.about != nil {
			ref := &corev1.ObjectReference{
				APIVersion: "v1", Kind: kindOf(n.about), Namespace: n.about.GetNamespace(), Name: n.about.GetName(), UID: n.about.GetUID(),
			}
			if group, ok := n.about.(*unstructured.Unstructured); ok {
				ref.APIVersion = group.GetAPIVersion()
			}
			about = ref
		}
		message := n.message
		if len(message) > longestNote {
			message = message[:longestNote-len("…")] + "…"
		}
		r.recorder.Eventf(j, about, n.kind, n.reason, n.action, "%s", message)
	}
}

// kindOf tells pods from services. Objects out of a cache do not say.
func kindOf(o client.Object) string {
	switch o.(type) {
	case *corev1.Pod:
		return "Pod"
	case *unstructured.Unstructured:
		return "PodGroup"
	default:
		return "Service"
	}
}

// word is a kind as events write it in a sentence.
func word(kind string) string {
	if kind == "PodGroup" {
		return kind
	}
	return strings.ToLower(kind)
}

// inParallel does something with every item, and returns the first thing that
// went wrong, with how often.
func inParallel[T any](items []T, do func(T) error) error {
	var (
		wait  sync.WaitGroup
		mu    sync.Mutex
		first error
		wrong int
	)
	turn := make(chan struct{}, atOnce)
	for _, item := range items {
		turn <- struct{}{}
		wait.Go(func() {
			defer func() { <-turn }()
			if err := do(item); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if wrong++; first == nil {
					first = err
				}
			}
		})
	}
	wait.Wait()
	if wrong > 1 {
		return fmt.Errorf("%d of %d failed, among them: %w", wrong, len(items), first)
	}
	return first
}
