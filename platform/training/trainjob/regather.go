package trainjob

import (
	"context"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
)

// Pods that are to start together wait for their PodGroup for ever if somebody
// deletes it, so it is made again. Few clusters have the kind, and most that do
// have no job that asks for it: it is watched from the first that does.

// watches are of the kinds of PodGroups that jobs have asked for.
type watches struct {
	begin func(schema.GroupVersionKind) error

	mu    sync.Mutex
	begun map[schema.GroupVersionKind]bool
}

// of sees to it that a kind is watched.
func (w *watches) of(kind schema.GroupVersionKind) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun[kind] {
		return nil
	}
	if err := w.begin(kind); err != nil {
		return fmt.Errorf("watch PodGroups of %s: %w", kind.Group, err)
	}
	if w.begun == nil {
		w.begun = map[schema.GroupVersionKind]bool{}
	}
	w.begun[kind] = true
	return nil
}

// groupOf is the kind of the PodGroup that the pods of a JobSet name.
func groupOf(js *jobsetv1alpha2.JobSet) (schema.GroupVersionKind, bool) {
	for _, r := range js.Spec.ReplicatedJobs {
		pod := r.Template.Spec.Template.ObjectMeta
		switch js.Name {
		case pod.Labels[labelCoscheduling]:
			return groupCoscheduling, true
		case pod.Annotations[annotationVolcano]:
			return groupVolcano, true
		}
	}
	return schema.GroupVersionKind{}, false
}

// regather makes the PodGroup of a job anew if it is gone.
func (r *Reconciler) regather(ctx context.Context, j *trainer.TrainJob, js *jobsetv1alpha2.JobSet) error {
	kind, ok := groupOf(js)
	if !ok {
		return nil
	}
	if _, err := r.client.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version); err != nil {
		return nil //nolint:nilerr // The scheduler has been taken away, with all groups.
	}
	if err := r.watches.of(kind); err != nil {
		return err
	}
	err := r.client.Get(ctx, client.ObjectKeyFromObject(j), groupMeta(kind))
	if err == nil {
		return nil
	}
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("read PodGroup %s/%s: %w", j.Namespace, j.Name, err)
	}
	p, err := r.plan(ctx, j)
	if err != nil {
		return err
	}
	for _, o := range p.objects {
		if o.GetObjectKind().GroupVersionKind() == kind {
			return r.apply(ctx, j, o)
		}
	}
	return nil
}

// groupMeta is a PodGroup of which no more than the metadata is known.
func groupMeta(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(kind)
	return o
}

// onlyDeletions lets through what is gone.
func onlyDeletions() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(event.UpdateEvent) bool { return false },
	}
}
