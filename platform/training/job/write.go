package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
)

// A Writer writes what jobs make by the thousand: a *wire.Writer.
type Writer interface {
	// Create makes an object, and gives it the metadata that it then has.
	Create(ctx context.Context, resource schema.GroupVersionResource, o client.Object) error
	// PatchStatus changes an object's status, and returns the version that makes.
	PatchStatus(ctx context.Context, resource schema.GroupVersionResource, namespace, name string, how types.PatchType, patch []byte) (version string, err error)
}

// atOnce is how many requests for one job are under way at a time. The replicas
// of a job wait for each other, so it pays to make them together.
const atOnce = 32

// longestNote is what an event may hold.
const longestNote = 1024

// make makes what is missing. Without its furniture a pod would wait in vain.
func (r *Reconciler[J]) make(ctx context.Context, j J, d decision) error {
	if err := r.furnish(ctx, j, d.furnish); err != nil {
		return err
	}
	return r.create(ctx, j, d.create)
}

// furnish makes the furniture that is missing, and changes what differs.
func (r *Reconciler[J]) furnish(ctx context.Context, j J, objects []client.Object) error {
	return inParallel(objects, func(o client.Object) error {
		is := o.GetObjectKind().GroupVersionKind()
		kind := is.Kind
		if o.GetResourceVersion() != "" {
			if err := r.client.Update(ctx, o); apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
				return nil // It has changed since it was read, so there will be another look.
			} else if err != nil {
				return r.failed(j, "FailedUpdate"+kind, o, kind, err)
			}
			return nil
		}
		err := r.client.Create(ctx, o)
		if apierrors.IsAlreadyExists(err) {
			if err = r.claim(ctx, j, o); err == nil || errors.Is(err, errGone) {
				return err
			}
			return r.failed(j, "ErrResourceExists", o, kind, err)
		}
		if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			return nil // The job goes with its namespace.
		}
		if err != nil {
			return r.failed(j, "FailedCreate"+kind, o, kind, err)
		}
		o.GetObjectKind().SetGroupVersionKind(is) // Once written, it may no longer say.
		if a, ok := any(r.framework).(Announcer); ok {
			r.announce(j, a, o)
		}
		return nil
	})
}

// announce says in the framework's own words that something was made.
func (r *Reconciler[J]) announce(j J, a Announcer, made client.Object) {
	if reason, message := a.Announce(made); reason != "" {
		r.tell(j, []notice{{kind: corev1.EventTypeNormal, reason: reason, action: "Create", message: message, about: made}})
	}
}

// failed tells once, and returns, that something could not be written.
func (r *Reconciler[J]) failed(j J, reason string, o client.Object, kind string, err error) error {
	r.tell(j, r.memory.news(j, []notice{{
		kind: corev1.EventTypeWarning, reason: reason, action: "Create", message: fmt.Sprintf("%s %s: %v", kind, o.GetName(), err), about: o,
	}}))
	return fmt.Errorf("write %s %s/%s: %w", kind, o.GetNamespace(), o.GetName(), err)
}

// create makes the pods and services that are missing. Their names are theirs
// by place, so to create what a late watch has not shown yet does no harm.
func (r *Reconciler[J]) create(ctx context.Context, j J, objects []client.Object) error {
	return inParallel(objects, func(o client.Object) error {
		kind := kindOf(o).Kind
		err := r.writer.Create(ctx, resourceOf(kindOf(o)), o)
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
		if a, ok := any(r.framework).(Announcer); ok {
			r.announce(j, a, o)
			return nil
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
		kind := kindOf(d.object).Kind
		uid, version := d.object.GetUID(), d.object.GetResourceVersion()
		o := &metav1.PartialObjectMetadata{}
		o.SetGroupVersionKind(kindOf(d.object))
		o.SetNamespace(d.object.GetNamespace())
		o.SetName(d.object.GetName())

		how := metav1.DeletePropagationBackground
		if kindOf(d.object) == batchJob {
			how = metav1.DeletePropagationForeground // Who waits until it is gone waits for its pods.
		}
		err := r.client.Delete(ctx, o, client.Preconditions{UID: &uid, ResourceVersion: &version}, client.PropagationPolicy(how))
		if apierrors.IsConflict(err) {
			r.lookAgain(j, overSteps)
			return nil
		}
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			r.tell(j, []notice{{kind: corev1.EventTypeWarning, reason: "FailedDelete" + kind, action: "Delete", message: fmt.Sprintf("Error deleting: %v", err), about: d.object}})
			return fmt.Errorf("delete %s %s/%s: %w", kind, o.Namespace, o.Name, err)
		}
		if d.quiet {
			return nil
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

// lift takes our gate off pods, one after the other: the scheduler places them
// in this order.
func (r *Reconciler[J]) lift(ctx context.Context, j J, pods []*corev1.Pod) error {
	for _, pod := range pods {
		next := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}}
		next.Spec.SchedulingGates = slices.Clone(pod.Spec.SchedulingGates)
		was := next.DeepCopy()
		was.UID = "" // So that the patch says which pod it is for.
		next.Spec.SchedulingGates = slices.DeleteFunc(next.Spec.SchedulingGates, func(g corev1.PodSchedulingGate) bool { return g.Name == training.GangGate })
		if err := r.client.Patch(ctx, next, client.MergeFrom(was)); apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			continue // Another has its name by now, and its gate.
		} else if err != nil {
			return fmt.Errorf("lift the gate of pod %s of %s: %w", pod.Name, r.name(j), err)
		}
	}
	return nil
}

// tell makes events. What an event is about tells it from others of the same
// reason: without it, the pods' would be taken for one event said often.
func (r *Reconciler[J]) tell(j J, notices []notice) {
	for _, n := range notices {
		var about runtime.Object
		if n.about != nil {
			kind := kindOf(n.about)
			about = &corev1.ObjectReference{
				APIVersion: kind.GroupVersion().String(), Kind: kind.Kind, Namespace: n.about.GetNamespace(), Name: n.about.GetName(), UID: n.about.GetUID(),
			}
		}
		message := n.message
		if len(message) > longestNote {
			message = message[:longestNote-len("…")] + "…"
		}
		r.recorder.Eventf(j, about, n.kind, n.reason, n.action, "%s", message)
	}
}

// kindOf is the kind of an object. Pods and services out of a cache do not say.
func kindOf(o client.Object) schema.GroupVersionKind {
	if kind := o.GetObjectKind().GroupVersionKind(); !kind.Empty() {
		return kind
	}
	if _, ok := o.(*corev1.Pod); ok {
		return corev1.SchemeGroupVersion.WithKind("Pod")
	}
	return corev1.SchemeGroupVersion.WithKind("Service")
}

// resourceOf is where objects of a kind are written. All kinds of jobs, and pods and
// services, are called as the rule has it.
func resourceOf(kind schema.GroupVersionKind) schema.GroupVersionResource {
	plural, _ := meta.UnsafeGuessKindToResource(kind)
	return plural
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
